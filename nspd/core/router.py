"""The router: it chooses providers, makes lookups and keeps count.

It owns the catalog, the clock, the group that all provider work runs in, the
sweeper, and the accounts of users. Nothing in it waits: requests change state
in plain functions, and only providers' work and the two service tasks (clock
and sweeper) are async.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio
import msgspec

from nspd.core.catalog import Catalog, Entry
from nspd.core.clock import Clock
from nspd.core.leveling import in_order, sequences
from nspd.core.limits import Limits
from nspd.core.lookup import Lookup
from nspd.core.outcome import Failure, failure_of
from nspd.core.part import Part
from nspd.core.provider import Change, Query
from nspd.core.run import Run
from nspd.core.session import Life, Session
from nspd.core.setting import Setting
from nspd.core.sweeper import Sweeper
from nspd.core.users import Peer, User
from nspd.core.work import (
    WorkGroup,
    give_way_if_cancelled,
    open_work_group,
    threadsafe_caller,
    time_source,
)
from nspd.core.workers import Workers
from nspd.model import errors
from nspd.model.flags import (
    FIELD_BITS,
    SERVICE_MULTIPLE,
    LookupFlags,
    ServiceOperation,
    fields_of_begin,
    scope_of,
)
from nspd.model.namespaces import Namespace
from nspd.model.queryset import QuerySet, carries_all, narrow, oversized_member
from nspd.model.verdict import Verdict, provider_code

if TYPE_CHECKING:
    from nspd.core.explain import Explanation

_T = TypeVar("_T")


class Observer(Protocol):
    """Somebody who watches the router; only while there is one is it told anything."""

    def session_started(self, session: Session) -> None:
        """The first Startup of a session."""

    def session_ended(self, session: Session, number: int) -> None:
        """The last Cleanup, or the end of the connection."""

    def lookup_begun(self, lookup: Lookup) -> None:
        """A lookup was begun."""

    def lookup_ended(self, lookup: Lookup) -> None:
        """A lookup was ended, by whatever means."""

    def work_detached(self, run: Run) -> None:
        """Cancelled work goes on beyond ``end_grace``."""

    def work_returned(self, run: Run) -> None:
        """Detached work has ended."""


_NON_AUTHORITATIVE = int(LookupFlags.NON_AUTHORITATIVE)
_BOTH_CONTAINER_FLAGS = int(LookupFlags.CONTAINERS | LookupFlags.NOCONTAINERS)
_EMPTY = QuerySet()


def _nothing() -> None:
    """Whom to tell if nobody waits for it."""


_FEW = 64
"""Records that `Router.answer_at_hand` gives out in one step."""


class Router:
    """Carries out the operations of sessions; see `open_router`."""

    def __init__(
        self,
        catalog: Catalog,
        limits: Limits,
        *,
        clock: Clock,
        work: WorkGroup,
        log: Any,
        end_grace: float = 0.1,
    ) -> None:
        self.catalog = catalog
        self.limits = limits
        self.clock = clock
        self.work = work
        self.log = log
        self.end_grace = end_grace
        """Seconds for which End's reply waits for the work to stop."""
        self.sweeper = Sweeper(log)
        self.users: dict[int, User] = {}
        self.sessions: set[Session] = set()
        self.lookups = 0
        """Lookups open, over all users."""
        self.begun = 0
        """Lookups begun since the start."""
        self.detached: dict[Run, None] = {}
        """Work that goes on after its End, oldest first."""
        self.detached_ever = 0
        self.observer: Observer | None = None
        self.draining = False
        self.no_lookup_left: Callable[[], None] | None = None
        """Called when the last open lookup has ended, for whoever drains."""
        self._shared: dict[Hashable, Run] = {}
        # From a random start, so that a handle kept over a restart is not another's.
        self._next_handle = secrets.randbelow(2**52) + 1
        self._next_session = 1

    def set_limits(self, limits: Limits) -> None:
        """Put other limits in force, for those who are here already, too."""
        self.limits = limits
        for user in self.users.values():
            user.byte_limit = limits.bytes_per_user
            user.discharge(0)  # work that waited for bytes may be within the limit now

    # Sessions

    def open_session(self, peer: Peer) -> Session:
        """The session of a client that has just connected."""
        user = self.users.get(peer.uid)
        if user is None:
            user = self.users[peer.uid] = User(peer.uid, self.limits.bytes_per_user)
        user.sessions += 1
        session = Session(self, peer, user)
        self.sessions.add(session)
        return session

    def session_closed(self, session: Session) -> None:
        """A session has let go of everything (called by it)."""
        self.sessions.discard(session)
        session.user.sessions -= 1
        self.forget_if_gone(session.user)

    def forget_if_gone(self, user: User) -> None:
        """Close the account of a user who has no session any more and no work that runs."""
        if user.sessions == 0 and user.runs == 0:
            self.users.pop(user.uid, None)

    def new_session_number(self) -> int:
        """The number of the next client session."""
        number = self._next_session
        self._next_session += 1
        return number

    def session_ended(self, number: int) -> None:
        """Have the providers forget what was bound to a client session."""
        for entry in self.catalog:
            if entry.provider.registers:
                self.call_provider(entry, entry.provider.session_ended, number)

    def uncount(self, user: User, lookups: int) -> None:
        """Lookups have left the tables: their places in the limits are free."""
        user.lookups -= lookups
        self.lookups -= lookups
        if self.lookups == 0 and self.no_lookup_left is not None:
            self.no_lookup_left()

    def find(self, handle: int) -> Lookup | None:
        """The lookup with this number, whoever's it is (for management)."""
        for session in self.sessions:
            lookup = session.lookups.get(handle) or session.oneshots.get(handle)
            if lookup is not None:
                return lookup
        return None

    # Begin

    def begin(
        self,
        session: Session,
        restrictions: QuerySet = _EMPTY,
        control_flags: int = FIELD_BITS,
        provider_id: str | None = None,
        policy: str = "all",
        watch: bool = False,
        timeout: float | None = None,
        oneshot: bool = False,
        explanation: Explanation | None = None,
    ) -> Lookup:
        """Check the arguments, make the lookup, start the work; never waits.

        Args:
            session: whose lookup it is.
            restrictions: what is asked for.
            control_flags: LUP_*.
            provider_id: ask this provider alone.
            policy: "all" providers at once, or the "first" that has an answer.
            watch: deliver changes after the existing set.
            timeout: seconds for the whole lookup; None: no bound.
            oneshot: the lookup of one `nspd.Lookup`: it gets no handle, and whoever
                begins it has it `enter` the session's table if it has to wait.
            explanation: who is to be told what happens; None: nobody.

        Raises:
            WSAError: nothing was begun.
        """
        entries, query = self._admit(
            session, restrictions, control_flags, provider_id, policy, watch
        )
        part: Callable[[Lookup, Entry], Part] = Part
        if explanation is not None:
            query = explanation.admitted(query)
            part = explanation.part
        handle = self._next_handle
        lookup = Lookup(self, session, handle, query)
        lookup.parts = tuple([part(lookup, entry) for entry in entries])
        if policy == "first":
            lookup.sequences = (deque(lookup.parts),)
        elif self.catalog.leveled and not control_flags & _NON_AUTHORITATIVE:
            lookup.sequences = tuple(
                deque([lookup.parts[place] for place in places]) for places in sequences(entries)
            )
        if watch:
            for asked in lookup.parts:
                if not asked.entry.provider.watches:
                    asked.skip()
        lookup.begin()
        if session.cancel_on_begin and not oneshot:
            self._cancel_waiting(session)
        self._next_handle += 1
        self.begun += 1
        if not oneshot:
            lookup.enter(session.lookups)
        if timeout is not None:
            if timeout <= 0:
                lookup.stop_asking()
            else:
                lookup.budget = self.clock.call_later(timeout, lookup.run_out_of_time)
        if self.observer is not None:
            self.observer.lookup_begun(lookup)
        return lookup

    def _admit(
        self,
        session: Session,
        restrictions: QuerySet,
        control_flags: int,
        provider_id: str | None,
        policy: str,
        watch: bool,
    ) -> tuple[list[Entry], Query]:
        """Check the arguments and limits of a lookup: whom to ask, and what.

        Raises:
            WSAError: it is refused.
        """
        if self.draining:
            raise errors.NotReady("the daemon is going away")
        if (member := oversized_member(restrictions)) is not None:
            raise errors.InvalidArgument(f"{member} is too large", data={"member": member})
        if control_flags & _BOTH_CONTAINER_FLAGS == _BOTH_CONTAINER_FLAGS:
            raise errors.InvalidArgument("LUP_CONTAINERS and LUP_NOCONTAINERS exclude each other")
        if watch and policy == "first":
            raise errors.InvalidArgument('policy "first" cannot watch')
        if restrictions.provider_id is not None:
            provider_id = _one_provider(provider_id, restrictions)
        entries = self.catalog.choose(
            provider_id, restrictions.namespace or 0, restrictions.service_instance_name
        )
        if watch and not any(entry.provider.watches for entry in entries):
            raise errors.NotSupported("no provider here reports changes")
        user = session.user
        if not session.peer.administrator:
            if user.lookups >= self.limits.lookups_per_user:
                raise errors.NotEnoughMemory("limits.lookups_per_user is reached")
            if user.bytes >= user.byte_limit:
                raise errors.NotEnoughMemory("limits.bytes_per_user is reached")
        if self.lookups >= self.limits.lookups:
            raise errors.NotEnoughMemory("limits.lookups is reached")
        query = Query(
            restrictions=_as_query(restrictions),
            control_flags=scope_of(control_flags) | fields_of_begin(control_flags),
            watch=watch,
            uid=user.uid,
        )
        return entries, query

    def answer_at_hand(
        self,
        session: Session,
        restrictions: QuerySet,
        control_flags: int,
        provider_id: str | None,
        policy: str,
    ) -> tuple[list[QuerySet], list[Verdict]] | None:
        """A whole lookup in one step, if all of the answer is at hand.

        That is what most lookups are, and they need neither a `Lookup` nor its
        parts. None: it has to be begun, with the same arguments.

        Raises:
            WSAError: as `begin`.
        """
        entries, query = self._admit(
            session, restrictions, control_flags, provider_id, policy, False
        )
        one_after_another = policy == "first" or self.catalog.leveled
        if self.observer is not None or (one_after_another and len(entries) > 1):
            return None
        fields = query.control_flags & FIELD_BITS
        whole = carries_all(fields)
        found: list[QuerySet] = []
        verdicts: list[Verdict] = []
        for entry in entries:
            asked = self.clock.now()
            answer, failure = self.call_provider(entry, entry.provider.answer, query)
            if failure is not None or answer is None or type(answer.records) is not tuple:
                return None
            records = answer.records
            for record in records:
                stamped = entry.stamped(record)
                found.append(stamped if whole else narrow(stamped, fields))
            verdicts.append(
                Verdict(
                    provider_id=entry.provider_id,
                    namespace=entry.namespace,
                    identifier=entry.identifier,
                    outcome="answered" if records else "empty",
                    error=None,
                    setting=None,
                    records=len(records),
                    elapsed=self.clock.now() - asked,
                )
            )
        if not 0 < len(found) <= _FEW:
            return None
        self.begun += 1
        for entry, verdict in zip(entries, verdicts, strict=True):
            entry.note(verdict.outcome, verdict.records, verdict.elapsed)
        return found, verdicts

    def _cancel_waiting(self, session: Session) -> None:
        for lookup in [lk for lk in session.lookups.values() if lk.waiting.first is not None]:
            lookup.end()

    def ask(self, part: Part) -> errors.WSAError | None:
        """Ask one provider for a lookup: take its answer, join shared work, or start some.

        Returns the error with which the provider refused, if it did.
        """
        entry, lookup = part.entry, part.lookup
        query = lookup.query
        if query.story is not None:
            query = part.told(query)
        answer, failure = self.call_provider(entry, entry.provider.answer, query)
        if failure is None and answer is not None:
            part.answer(answer)
            return None
        if failure is None:
            failure = self._read_run(part)
            if failure is None:
                return None
        part.fail(failure)
        code = provider_code(failure.code)
        return None if code is None else errors.error_for(code, failure.detail, failure.data)

    def _read_run(self, part: Part) -> Failure | None:
        entry, lookup = part.entry, part.lookup
        key, failure = self._sharing_key(entry, lookup.query)
        if failure is not None:
            return failure
        if key is not None:
            running = self._shared.get(key)
            if running is not None and running.joinable:
                part.read(running)
                return None
        administrator = lookup.session.peer.administrator
        if not self._may_start(entry, lookup.session.user, exempt=administrator):
            part.finish("failed", errors.WSAENOBUFS, "limits.detached_per_provider")
            return Failure(
                errors.WSAENOBUFS,
                f"too much cancelled work of the {entry.identifier} provider still runs "
                "(limits.detached_per_provider)",
            )
        run = Run(self, entry, lookup, exempt=administrator, key=key)
        part.read(run)
        run.start()
        if key is not None:
            self._shared[key] = run
        return None

    def _sharing_key(self, entry: Entry, query: Query) -> tuple[Hashable | None, Failure | None]:
        if query.watch:
            return None, None
        provider = entry.provider
        key, failure = self.call_provider(entry, provider.sharing_key, query)
        if key is None:
            return None, failure
        user = None if provider.shares_across_users else query.uid
        return (entry.provider_id, key, scope_of(query.control_flags), user), None

    def _may_start(self, entry: Entry, user: User, *, exempt: bool) -> bool:
        cap = self.limits.detached_per_provider
        if entry.provider.workers is not None:
            cap = min(cap, entry.provider.workers)
        if entry.detached >= cap:
            return False
        return exempt or entry.detached_of.get(user.uid, 0) < max(1, cap * 3 // 4)

    def unshare(self, run: Run) -> None:
        """From this step on nobody can join the run."""
        if run.key is not None and self._shared.get(run.key) is run:
            del self._shared[run.key]

    def count_detached(self, run: Run, change: int) -> None:
        """Work has become detached (+1), or detached work has ended (-1)."""
        run.entry.detached += change
        run.owner.detached += change
        by_user = run.entry.detached_of
        uid = run.owner.uid
        by_user[uid] = by_user.get(uid, 0) + change
        if not by_user[uid]:
            del by_user[uid]
        if change > 0:
            self.detached_ever += 1
            self.detached[run] = None
            if self.observer is not None:
                self.observer.work_detached(run)
        else:
            self.detached.pop(run, None)
            if self.observer is not None:
                self.observer.work_returned(run)

    def call_provider(
        self, entry: Entry, function: Callable[..., _T], *args: Any
    ) -> tuple[_T | None, Failure | None]:
        """Call a plain function of a provider; whatever it raises is its failure."""
        try:
            return function(*args), None
        except errors.WSAError as error:
            return None, failure_of(error)
        except Exception:
            self.log.exception("provider failed", provider=entry.identifier)
            detail = f"the {entry.identifier} provider failed"
            return None, Failure(errors.WSASYSCALLFAILURE, detail)

    # SetServiceEx

    def set_service(
        self,
        session: Session,
        registration: QuerySet,
        operation: int,
        control_flags: int = 0,
        provider_id: str | None = None,
        visibility: str = "user",
        lifetime: str = "permanent",
        ttl: float | None = None,
        *,
        done: Callable[[Failure | None], None],
    ) -> None:
        """Check a change and put it behind those that this client sent before.

        ``done`` is called once, when the change is durable or has failed.

        Raises:
            WSAError: the change is refused at once; ``done`` is then not called.
        """
        if self.draining:
            raise errors.NotReady("the daemon is going away")
        peer = session.peer
        if not peer.may_register:
            raise errors.AccessDenied("this user may not register names (access.register)")
        if operation not in list(ServiceOperation):
            raise errors.NotSupported(f"there is no operation {operation}")
        if control_flags & ~SERVICE_MULTIPLE:
            raise errors.InvalidArgument(f"unknown flags {control_flags & ~SERVICE_MULTIPLE:#x}")
        if (member := oversized_member(registration)) is not None:
            raise errors.InvalidArgument(f"{member} is too large", data={"member": member})
        if not registration.service_instance_name:
            raise errors.InvalidArgument("a registration needs a service_instance_name")
        entries = self.catalog.choose(
            _one_provider(provider_id, registration),
            registration.namespace or Namespace.ALL,
            registration.service_instance_name,
        )
        entries = [entry for entry in entries if entry.provider.registers]
        if not entries:
            raise errors.NotSupported("no provider here takes registrations")
        if not registration.namespace and len(entries) > 1:
            # Whose names are others refuses this one, and would hide why it was not made.
            entries = in_order(entries, 0, registration.service_instance_name) or entries
        machine = visibility == "machine"
        if machine and not peer.may_machine:
            raise errors.AccessDenied(
                "this user may not register for the machine (access.register_machine)"
            )
        change = Change(
            registration=registration,
            operation=operation,
            multiple=bool(control_flags & SERVICE_MULTIPLE),
            machine=machine,
            uid=peer.uid,
            administrator=peer.administrator,
            session=session.id if lifetime == "session" else None,
            ttl=ttl,
            limit=None if peer.administrator else self.limits.registrations_per_user,
        )
        session.enqueue(Setting(entries, change, done))

    # The catalog

    def enable_provider(
        self, provider_id: str, enable: bool, then: Callable[[], None] = _nothing
    ) -> None:
        """Switch a provider on or off; off cancels its part of the lookups that run (C10).

        ``then`` is called when all calls that this ends are settled.

        Raises:
            InvalidArgument: there is no such provider.
        """
        entry = self.catalog.find(provider_id)
        if not self.catalog.enable(entry, enable) or enable:
            then()
            return
        alone: list[Lookup] = []
        over = Life(corked=True)
        over.alive = False
        for session in self.sessions:
            for lookup in [*session.lookups.values(), *session.oneshots.values()]:
                if self._without(lookup, entry):
                    session.forget(lookup)
                    lookup.life = over
                    alone.append(lookup)
        self.sweeper.sweep(alone, then)

    def _without(self, lookup: Lookup, entry: Entry) -> bool:
        """Take a provider out of a lookup; whether it was the only one, and not through."""
        for part in lookup.parts:
            if part.entry is entry and part.outcome is None:
                if len(lookup.parts) == 1:
                    return True
                part.cancel()
                lookup.part_ended(part)
        return False

    def flush_caches(self) -> None:
        """Have every provider forget what it has cached."""
        for entry in self.catalog:
            self.call_provider(entry, entry.provider.flush)


def _one_provider(provider_id: str | None, query_set: QuerySet) -> str | None:
    """The GUID given as parameter, as member, or not at all."""
    member = query_set.provider_id
    if provider_id is None or member is None:
        return provider_id or member
    if provider_id.lower() != member.lower():
        raise errors.InvalidArgument("provider_id and the query set name different providers")
    return provider_id


def _as_query(restrictions: QuerySet) -> QuerySet:
    """The restrictions without the members that mean nothing in a query."""
    if (
        restrictions.comment is None
        and restrictions.addresses is None
        and restrictions.output_flags is None
    ):
        return restrictions
    return msgspec.structs.replace(restrictions, comment=None, addresses=None, output_flags=None)


class _Services:
    """What the daemon offers one provider (`nspd.core.provider.Host`)."""

    def __init__(self, log: Any, workers: Workers) -> None:
        self.log = log
        self._workers = workers

    async def run_blocking(self, function: Callable[..., _T], *args: Any) -> _T:
        result = await self._workers.run(function, *args)
        await give_way_if_cancelled()
        return result


DEFAULT_WORKERS = 40
"""Threads of a provider that blocks without saying how many it needs."""


@asynccontextmanager
async def open_router(
    entries: Sequence[Entry],
    *,
    log: Any,
    limits: Limits | None = None,
    end_grace: float = 0.1,
) -> AsyncIterator[Router]:
    """A router with its providers running, for as long as the context lasts.

    Opening order: the providers in catalog order, the group of their work, the
    clock and the sweeper. Closing is the reverse: work that still runs is
    cancelled and waited for before its provider closes.
    """
    async with AsyncExitStack() as stack:
        call_soon = threadsafe_caller()
        for entry in entries:
            provider = entry.provider
            workers = Workers(provider.workers or DEFAULT_WORKERS, call_soon)
            services = _Services(log.bind(provider=entry.identifier), workers)
            await stack.enter_async_context(provider.running(services))
        work = await stack.enter_async_context(open_work_group())
        router = Router(
            Catalog(entries),
            limits or Limits(),
            clock=Clock(time_source(), log),
            work=work,
            log=log,
            end_grace=end_grace,
        )
        service = await stack.enter_async_context(anyio.create_task_group())
        service.start_soon(router.clock.run)
        service.start_soon(router.sweeper.run)
        try:
            yield router
        finally:
            # A session kept beyond this point is refused, instead of starting lost work.
            router.draining = True
            service.cancel_scope.cancel()
