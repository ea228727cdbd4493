"""One run of a provider's `lookup`: its task, what it has given, and who reads it.

Most runs have one reader, the part of one lookup. A shared run (C11) has
several, each with a cursor of its own in the common log: it is paced by the
fastest, and ends with the last. Leaving, removing the key and cancelling are
one step, so nobody can join a run that has been left.

The run is also what the provider's author sees as `Results`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import TYPE_CHECKING

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from nspd.core.limits import READY_BYTES
from nspd.core.outcome import Failure, failure_of
from nspd.model import errors
from nspd.model.changes import coalesce
from nspd.model.errors import WSAError
from nspd.model.flags import FIELD_BITS
from nspd.model.queryset import QuerySet, weight
from nspd.model.verdict import provider_code

if TYPE_CHECKING:
    from nspd.core.catalog import Entry
    from nspd.core.clock import Timer
    from nspd.core.ending import Ending
    from nspd.core.lookup import Lookup
    from nspd.core.part import Part
    from nspd.core.provider import Query
    from nspd.core.router import Router
    from nspd.core.users import User
    from nspd.core.work import Work

KEPT_RECORDS = 1024
KEPT_BYTES = 1024 * 1024
"""What a shared run keeps for those who join late, in records and in bytes."""

_PRESS_EVERY = 1.0
"""Seconds after which detached work is cancelled once more."""

_CHECKPOINT_EVERY = 64
"""Records after which a provider that never had to wait gives others their turn."""


class Run:
    """A provider at work for one lookup, or for several that ask it the same.

    Opened by `start`; closed by itself when the provider's coroutine ends,
    which `stop` (called when the last reader leaves) asks it to.
    """

    __slots__ = (
        "_base",
        "_held",
        "_let_go",
        "_let_go_returns",
        "_log",
        "_pressing",
        "_room",
        "_router",
        "_sends",
        "_weights",
        "_work",
        "detached",
        "ended",
        "endings",
        "entry",
        "exempt",
        "failure",
        "handle",
        "joined",
        "key",
        "known_here",
        "owner",
        "pid",
        "query",
        "readers",
        "started",
        "synced_at",
        "total",
    )

    def __init__(
        self,
        router: Router,
        entry: Entry,
        lookup: Lookup,
        *,
        exempt: bool,
        key: Hashable | None,
    ) -> None:
        self._router = router
        self.query = lookup.query if key is None else _with_every_field(lookup.query)
        self.handle = lookup.handle
        """The lookup for which it was started, which others may have joined."""
        self.entry = entry
        self.pid = lookup.session.peer.pid
        """The process that began it."""
        self.owner: User = lookup.session.user
        """The user who is charged for what the run holds, and for it should it be detached."""
        self.exempt = exempt
        """Whether the owner's limits do not bind it (an administrator began it)."""
        self.key = key
        """What lookups must agree in to share this run; None: it is not shared."""
        self.readers: tuple[Part, ...] | dict[Part, None] = () if key is None else {}
        self.joined = 0
        """Readers that it has had, if it is shared."""
        self._log: list[QuerySet] = []
        self._weights: list[int] = []
        self._base = 0  # position of the log's first record among all that were given
        self._held = 0  # bytes of the log
        self.total = 0
        """Records given so far."""
        self._room: anyio.Event | None = None
        self._sends = 0
        self._work: Work
        self._pressing: Timer | None = None  # of detached work
        self._let_go: Callable[[], object] | None = None
        self._let_go_returns = False
        self.started: float
        self.ended: float | None = None
        """When the provider's coroutine ended; None while it runs."""
        self.failure: Failure | None = None
        """How it failed, if it did."""
        self.known_here = False
        self.synced_at: int | None = None
        """How many records make up the existing set of a watch, once its end is known."""
        self.detached = False
        self.endings: list[Ending] = []
        """The Ends whose answer waits for this run."""

    # What the router does with it

    def start(self) -> None:
        """Start the provider's coroutine; its first step comes after the current one."""
        self.entry.running += 1
        self.owner.runs += 1
        self.started = self._router.clock.now()
        self._work = self._router.work.start(self._body, self._over)

    @property
    def working(self) -> bool:
        """Whether the provider's coroutine has begun and not ended."""
        return self.ended is None and self._work.started

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return self._router.clock.now() - self.started

    @property
    def joinable(self) -> bool:
        """Whether a lookup may still join: everything given so far is kept, and it is not stuck.

        A leader past the provider's budget is replaced, not joined: otherwise
        one hung query would be joined by every later caller for ever.
        """
        patience = self.entry.budget if self.entry.budget is not None else 10.0
        return self._base == 0 and self.age < patience

    def join(self, part: Part) -> None:
        """Let one more part read, from the first record on."""
        if self.key is None:
            self.readers = (part,)
        else:
            assert isinstance(self.readers, dict)
            self.readers[part] = None
            self.joined += 1

    def leave(self, part: Part) -> None:
        """One reader less; the last one stops the work."""
        if self.key is None:
            self.readers = ()
        else:
            assert isinstance(self.readers, dict)
            self.readers.pop(part, None)
        if not self.readers:
            self._stop()

    def _stop(self) -> None:
        self._router.shared.forget(self)
        self._log.clear()
        self._weights.clear()
        self._discharge(self._held)
        self._held = 0
        if self.ended is not None:
            return
        let_go = self._let_go
        has_been_told = let_go is not None and self._call_let_go(let_go)
        self._work.cancel(deliver=not (has_been_told and self._let_go_returns))
        self.make_room()  # a send in a shielded scope hears nothing of the cancellation
        if self._work.started:
            self._router.graces.begin(self)

    def _call_let_go(self, let_go: Callable[[], object]) -> bool:
        """Whether it has done what it is there for."""
        try:
            result = let_go()
        # A provider may fail in any way, and ask a cancelled future; End goes on.
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
            self._log_failure(error)
            return False
        if result is not None and isinstance(result, Coroutine):
            result.close()
            self._log_failure(TypeError("what on_cancel is given must be a plain function"))
            return False
        return True

    def outlive_grace(self) -> None:
        """It was cancelled and goes on: detached work, which no End waits for."""
        self.detached = True
        self._router.count_detached(self, 1)
        endings, self.endings = self.endings, []
        for ending in endings:
            ending.run_detached()
        self._press()

    def _press(self) -> None:
        # The first time it may not have been cancelled yet, but only told to return.
        self._pressing = self._router.clock.call_later(_PRESS_EVERY, self._press)
        self._work.press()

    def _body(self) -> Awaitable[None]:
        return self.entry.provider.lookup(self.query, self)

    def _over(self, error: BaseException | None) -> None:
        """The coroutine has ended: the last thing that its task does."""
        self._let_go = None
        self.entry.running -= 1
        self.owner.runs -= 1
        self.owner.starved.discard(self)
        if self.ended is None:
            self.ended = self._router.clock.now()
        if self._pressing is not None:
            self._pressing.cancel()
            self._pressing = None
        if self.detached:
            self._router.count_detached(self, -1)
        if error is not None and not self._work.cancel_called:
            self.failure = self._failure(error)
        self._router.forget_if_gone(self.owner)
        endings, self.endings = self.endings, []
        for ending in endings:
            ending.run_over()
        if not self.readers:  # it was stopped, and left by all
            self._router.graces.forget_ended()
        else:
            self._router.shared.forget(self)
            for part in tuple(self.readers):
                part.run_ended()

    def _failure(self, error: BaseException) -> Failure | None:
        cause = _single_cause(error)
        if isinstance(cause, WSAError):
            code = provider_code(cause.code)
            told = failure_of(cause)
            return None if code is None else Failure(code, told.detail, None, told.setting)
        self._log_failure(error)
        return Failure(errors.WSASYSCALLFAILURE, f"the {self.entry.identifier} provider failed")

    def _log_failure(self, error: BaseException) -> None:
        self._router.log.error("provider failed", provider=self.entry.identifier, exc_info=error)

    # What the readers do with it

    def read(self, cursor: int) -> QuerySet | None:
        """The record at a reader's cursor, if it has been given.

        Raises:
            IndexError: the reader was left behind, and the record is gone.
        """
        index = cursor - self._base
        if index < 0:
            raise IndexError("left behind")
        if index >= len(self._log):
            return None
        record = self._log[index]
        if self.key is None:
            self._drop(1)
        if self._room is not None:
            self.make_room()
        return record

    def rest(self, cursor: int) -> list[QuerySet]:
        """What a reader has not read of what was given, for one that leaves and keeps it."""
        return self._log[max(0, cursor - self._base) :]

    def _drop(self, count: int) -> None:
        size = sum(self._weights[:count])
        del self._log[:count], self._weights[:count]
        self._base += count
        self._held -= size
        self._discharge(size)

    def _discharge(self, size: int) -> None:
        if size:
            self.owner.discharge(size)

    # What the provider's author does with it (nspd.core.provider.Results)

    async def send(self, record: QuerySet) -> None:
        self._sends += 1
        if self._sends % _CHECKPOINT_EVERY == 0 and not self._work.cancel_called:
            await checkpoint()
        while not self._work.cancel_called and not self._has_room():
            if self.synced_at is not None and self._coalesced(record):
                return
            await self._wait_for_room()
        if self._work.cancel_called:
            # From within a shielded scope this returns: then nobody wants the record.
            await self._work.give_way()
            return
        self._publish(self.entry.stamped(record))

    def known(self) -> None:
        if not self._work.cancel_called:
            self.known_here = True
            for part in self.readers:
                part.known = True

    def synced(self) -> None:
        if self.query.watch and self.synced_at is None:
            self.synced_at = self.total
            for part in self.readers:
                part.lookup.pump()

    def on_cancel(self, let_go: Callable[[], object], *, returns: bool = False) -> None:
        if self._work.cancel_called:
            self._call_let_go(let_go)
        else:
            self._let_go = let_go
            self._let_go_returns = returns

    def make_room(self) -> None:
        """Let the provider look again whether it may go on."""
        room, self._room = self._room, None
        if room is not None:
            room.set()

    async def _wait_for_room(self) -> None:
        # Several tasks of one provider may wait here: they share the event.
        if self._room is None:
            self._room = anyio.Event()
        await self._room.wait()

    def _has_room(self) -> bool:
        """Whether the fastest reader wants more, and the owner may hold more."""
        limit = self._router.limits.ready_records
        for part in self.readers:
            if part.lookup.wants:
                return True
        if not self.exempt and self.owner.bytes >= self.owner.byte_limit:
            self.owner.starved.add(self)
            return False
        for part in self.readers:
            unread = self.total - part.cursor
            if unread == 0:
                return True
            if unread < limit and sum(self._weights[-unread:]) < READY_BYTES:
                return True
        return False

    def _publish(self, record: QuerySet) -> None:
        size = weight(record)
        self._log.append(record)
        self._weights.append(size)
        self.total += 1
        self._held += size
        self.owner.bytes += size
        if self.key is not None:
            excess = len(self._log) - KEPT_RECORDS
            while excess > 0 or (self._held > KEPT_BYTES and len(self._log) > 1):
                self._drop(1)
                excess -= 1
        for part in tuple(self.readers):
            part.lookup.pump()

    def _coalesced(self, change: QuerySet) -> bool:
        """Melt a change into an unread one of the same name, for a reader that is behind."""
        name = (change.service_instance_name or "").casefold()
        assert self.synced_at is not None
        first = max(0, self.synced_at - self._base)
        for index in range(len(self._log) - 1, first - 1, -1):
            earlier = self._log[index]
            if (earlier.service_instance_name or "").casefold() == name:
                flags = coalesce(earlier.output_flags or 0, change.output_flags or 0)
                self._replace(index, change, flags)
                return True
        return False

    def _replace(self, index: int, change: QuerySet, flags: int | None) -> None:
        size = self._weights[index]
        if flags is None:
            del self._log[index], self._weights[index]
            self.total -= 1
            new = 0
        else:
            stamped = msgspec.structs.replace(self.entry.stamped(change), output_flags=flags)
            self._log[index] = stamped
            self._weights[index] = new = weight(stamped)
        self._held += new - size
        self.owner.bytes += new - size


def _with_every_field(query: Query) -> Query:
    """What a shared run is asked: those who join may want other fields than who began it."""
    return msgspec.structs.replace(query, control_flags=query.control_flags | FIELD_BITS)


def _single_cause(error: BaseException) -> BaseException:
    """The one exception inside groups of one: a provider's own task group wraps its error."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
