"""The registry's provider: lookups from memory, changes by way of the disk."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import ClassVar

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from nspd.core.provider import Answer, Change, Host, Provider, Query
from nspd.model.errors import NotReady, WSAError
from nspd.model.flags import LookupFlags, fields_of_begin
from nspd.model.matching import context_key, matches
from nspd.model.namespaces import Namespace
from nspd.model.queryset import QuerySet
from nspd.model.setservice import State, with_usual_protocol
from nspd.model.wildcard import folded, is_wildcard, matcher
from nspd.providers.registry.batch import Batch
from nspd.providers.registry.index import BoundSession, Index, Key, Registration
from nspd.providers.registry.store import Store

MACHINE = None
"""The user of names that everybody sees."""

_CONTAINERS = int(LookupFlags.CONTAINERS)
_PREFERRED_NAMES = int(LookupFlags.RETURN_PREFERRED_NAMES)
_RETURN_ADDR = int(LookupFlags.RETURN_ADDR)

_SLICE = 256
"""Changes decided, or registrations freed, before others get their turn."""


class _Waiting:
    """A change between its arrival and the end of the transaction that it is part of."""

    __slots__ = ("change", "error", "session", "settled")

    def __init__(self, change: Change, session: BoundSession | None) -> None:
        self.change = change
        self.session = session
        self.error: WSAError | None = NotReady("the registry stopped before the change was stored")
        """Why the change was not made; None: it was made."""
        self.settled = anyio.Event()


class RegistryProvider(Provider):
    """Names that clients register, each user's own and the machine's.

    Its life is `running`, which opens the store before the first lookup and
    closes it after the last. One task of it stores changes: all that wait at
    the time go into one transaction, and become visible when it has committed.

    Args:
        store: "memory", or "sqlite:" and the path of the database.
        provider_id: see `Provider`.
        identifier: see `Provider`.
        namespace: see `Provider`.
        clock: the time in seconds since 1970, for leases.
        name_key: the form in which names are compared; equal for those that are the same.

    Raises:
        ValueError: the store is neither.
    """

    kind: ClassVar[str] = "registry"
    namespace = Namespace.REGISTRY
    registers = True
    shares_across_users = False
    workers = 1

    def __init__(
        self,
        *,
        store: str = "memory",
        provider_id: str | None = None,
        identifier: str | None = None,
        namespace: int | None = None,
        clock: Callable[[], float] = time.time,
        name_key: Callable[[str], str] = folded,
    ) -> None:
        super().__init__(provider_id=provider_id, identifier=identifier, namespace=namespace)
        medium, _, path = store.partition(":")
        if store != "memory" and not (medium == "sqlite" and path):
            raise ValueError(f'store: {store!r} is neither "memory" nor "sqlite:PATH"')
        self._store = Store(path) if path else None
        self._index = Index(clock)
        self._name_key = name_key
        self._rows = itertools.count(1)
        self._queue: deque[_Waiting] = deque()
        self._running = False
        self._wake = anyio.Event()

    # Life

    @asynccontextmanager
    async def running(self, host: Host) -> AsyncIterator[None]:
        """Open the store and read it; in the end finish the changes under way and close it.

        Raises:
            OSError: the database cannot be used; the message names it.
        """
        try:
            if self._store is not None:
                await self._load(self._store, host)
            async with anyio.create_task_group() as tasks:
                self._running = True
                tasks.start_soon(self._serve, host)
                try:
                    yield
                finally:
                    self._running = False
                    self._wake.set()
        finally:
            if self._store is not None:
                with anyio.CancelScope(shield=True):
                    await host.run_blocking(self._store.close)

    async def _load(self, store: Store, host: Host) -> None:
        contents = await host.run_blocking(store.open, self._index.clock())
        self._index = Index(self._index.clock)
        self._rows = itertools.count(contents.last_id + 1)
        for row in contents.rows:
            entry = row.registered.entry
            name = self._name_key(entry.service_instance_name or "")
            key = Key(row.user, context_key(entry.context), name)
            if (older := self._index.stored_at(key)) is not None:
                # What counts as the same name may change with Python's Unicode tables.
                self._index.stale_rows.append(older)
            self._index.put(
                key,
                Registration(
                    registered=row.registered,
                    record=self._describe(entry),
                    maker=row.maker,
                    expires=row.expires,
                    row=row.id,
                ),
            )
        for row_id, reason in contents.broken:
            host.log.warning(
                "a stored registration cannot be read",
                store=str(store.path),
                row=row_id,
                reason=reason,
            )

    async def _serve(self, host: Host) -> None:
        """Store changes as they come, and free what is over, until nothing is left to do."""
        # What has begun is finished even if the daemon's own scope is cancelled:
        # whoever waits for a change is owed the truth about it.
        with anyio.CancelScope(shield=True):
            try:
                while True:
                    if self._queue:
                        await self._store_changes(host)
                    elif self._index.reap(_SLICE):
                        await checkpoint()
                    elif self._running:
                        self._wake = anyio.Event()
                        await self._wake.wait()
                    else:
                        return
            finally:
                self._running = False
                for waiting in self._queue:
                    waiting.settled.set()

    async def _store_changes(self, host: Host) -> None:
        taken = [self._queue.popleft() for _ in range(min(len(self._queue), _SLICE))]
        try:
            batch = self._batch()
            outcomes = [self._decide(batch, waiting) for waiting in taken]
            changed, deleted = batch.rows()
            if self._store is not None and (changed or deleted):
                await host.run_blocking(self._store.write, changed, deleted)
            batch.commit()
            for waiting, outcome in zip(taken, outcomes, strict=True):
                waiting.error = outcome
        except WSAError as error:
            # Refusals too: they may rest on changes of this batch that were not made.
            for waiting in taken:
                waiting.error = error
        finally:
            for waiting in taken:
                waiting.settled.set()

    def _decide(self, batch: Batch, waiting: _Waiting) -> WSAError | None:
        try:
            batch.add(waiting.change, waiting.session)
        except WSAError as refusal:
            return refusal
        return None

    def _batch(self) -> Batch:
        self._index.reap(_SLICE)
        return Batch(self._index, self._describe, self._rows.__next__, self._name_key)

    # Registration

    async def set_service(self, change: Change) -> None:
        """Make the change; with a database it is on disk, and then visible, when this returns.

        Raises:
            InvalidArgument: no name, or text that is no Unicode.
            AccessDenied: the machine's object of that name was made by another user.
            ServiceNotFound: there is no such object to deregister or delete.
            NotEnoughMemory: a new name is past the user's limit.
            TryAgain: the disk is full or the database locked; nothing was changed.
            NoRecovery: the database cannot be written; nothing was changed.
            NotReady: the provider is not running.
        """
        session = self._index.session(change.session) if change.session is not None else None
        if self._store is None:
            batch = self._batch()
            batch.add(change, session)
            batch.commit()
            return
        if not self._running:
            raise NotReady("the registry is closed")
        waiting = _Waiting(change, session)
        self._queue.append(waiting)
        self._wake.set()
        await waiting.settled.wait()
        if waiting.error is not None:
            raise waiting.error

    def session_ended(self, session: int) -> None:
        """End the registrations bound to the session; their memory is freed in slices."""
        self._index.end_session(session)
        self._wake.set()

    # Lookup

    def answer(self, query: Query) -> Answer:
        """The user's own objects first, then the machine's; a name may be among both.

        A name without wildcards is looked up at once. A pattern, or no name at
        all, enumerates: the names are those of this moment, each object is read
        when its record is taken, and those gone by then are left out.

        A lookup that asks for addresses (LUP_RETURN_ALL does) passes over
        deregistered objects; if it finds nothing else, the name is known without data.

        Raises:
            NoBuffers: see `Index.names`.
        """
        if query.control_flags & _CONTAINERS:
            return Answer((), known=True)
        restrictions = query.restrictions
        name = restrictions.service_instance_name
        if query.control_flags & _PREFERRED_NAMES and not name:
            return Answer(())  # it does not know which of its names are anybody's own
        if name and not is_wildcard(name):
            return self.named(name, query)
        return self._matching(name or "*", query, (query.uid, MACHINE))

    def of_user(self, query: Query) -> Answer:
        """All objects that are the user's own, whatever name is asked for.

        Raises:
            NoBuffers: see `Index.names`.
        """
        return self._matching("*", query, (query.uid,))

    def named(self, name: str, query: Query) -> Answer:
        """The objects of exactly this name; that of the query is not looked at."""
        context, key = context_key(query.restrictions.context), self._name_key(name)
        users = (query.uid, MACHINE)
        found = [r for user in users if (r := self._index.find(user, context, key))]
        return Answer(
            tuple([r.record for r in found if _suits(r, query)]),
            known=bool(found),
        )

    def _matching(self, pattern: str, query: Query, users: tuple[int | None, ...]) -> Answer:
        context = context_key(query.restrictions.context)
        keys = self._enumerate(users, context, matcher(pattern))
        first = next(keys, None)
        if first is None:
            return Answer(())
        return Answer(self._records(itertools.chain((first,), keys), query), known=True)

    def _enumerate(
        self, users: tuple[int | None, ...], context: str, match: Callable[[str], bool]
    ) -> Iterator[Key]:
        """The keys of what exists and matches, out of the names of now."""
        listed = [(user, self._index.names(user, context)) for user in users]
        return (
            Key(user, context, name)
            for user, names in listed
            for name in names.folded
            if match(name) and self._index.find(user, context, name) is not None
        )

    def _records(self, keys: Iterator[Key], query: Query) -> Iterator[QuerySet]:
        for key in keys:
            registration = self._index.find(*key)
            if registration is not None and _suits(registration, query):
                yield registration.record

    def _describe(self, entry: QuerySet) -> QuerySet:
        """The record that answers for an object."""
        addresses = entry.addresses
        return msgspec.structs.replace(
            entry,
            addresses=tuple(map(with_usual_protocol, addresses)) if addresses else None,
            context=entry.context or "",
            namespace=self.namespace,
            provider_id=self.provider_id,
            output_flags=0,
        )


def _suits(registration: Registration, query: Query) -> bool:
    if (
        registration.registered.state is State.DEREGISTERED
        and fields_of_begin(query.control_flags) & _RETURN_ADDR
    ):
        return False
    return matches(registration.record, query.restrictions)
