"""The router: what sessions ask for becomes lookups, and calls of providers.

It owns the catalog, the clock, the group that all provider work runs in, the
sweeper, and the accounts of users. Nothing in it waits: requests change state
in plain functions, and only providers' work and the two service tasks (clock
and sweeper) are async. An operation with many rules of its own is a function
in a module of its own, which takes the router.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from nspd.core.accounts import Accounts
from nspd.core.admission import admit
from nspd.core.backend import open_work_group, time_source
from nspd.core.catalog import Catalog, Entry
from nspd.core.clock import Clock
from nspd.core.graces import Graces
from nspd.core.host import running_providers
from nspd.core.leveling import sequences
from nspd.core.limits import Limits
from nspd.core.lookup import Lookup
from nspd.core.outcome import Failure, failure_of
from nspd.core.part import Part
from nspd.core.registering import set_service
from nspd.core.session import Session
from nspd.core.sharing import SharedRuns
from nspd.core.sweeper import Sweeper
from nspd.core.switching import enable_provider
from nspd.core.users import Peer
from nspd.core.work import WorkGroup
from nspd.model import errors
from nspd.model.flags import FIELD_BITS, LookupFlags
from nspd.model.queryset import QuerySet

if TYPE_CHECKING:
    from nspd.core.explain import Explanation

_T = TypeVar("_T")

_NON_AUTHORITATIVE = int(LookupFlags.NON_AUTHORITATIVE)
_EMPTY = QuerySet()


class Router(Accounts):
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
        super().__init__(limits)
        self.catalog = catalog
        self.clock = clock
        self.work = work
        self.log = log
        self.graces = Graces(clock, end_grace, log)
        """For how long End's reply waits for the work to stop."""
        self.sweeper = Sweeper(log)
        self.begun = 0
        """Lookups begun since the start."""
        self.draining = False
        self.shared = SharedRuns()
        """Runs that equal lookups may join."""
        # From a random start, so that a handle kept over a restart is not another's.
        self._next_handle = secrets.randbelow(2**52) + 1
        self._next_session = 1

    @property
    def running(self) -> int:
        """Tasks that want their turn: work that has not ended, and the sweeper while it sweeps."""
        return self.work.running + (not self.sweeper.idle)

    @property
    def started(self) -> int:
        """Work started since the start."""
        return self.work.started

    # Sessions

    def open_session(self, peer: Peer) -> Session:
        """The session of a client that has just connected."""
        session = Session(self, peer, self.account_of(peer.uid))
        self.session_opened(session)
        return session

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
        entries, query, size = admit(
            self, session, restrictions, control_flags, provider_id, policy, watch
        )
        part: Callable[[Lookup, Entry], Part] = Part
        if explanation is not None:
            query = explanation.admitted(query)
            part = explanation.part
        handle = self._next_handle
        lookup = Lookup(self, session, handle, query, size)
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

    def _cancel_waiting(self, session: Session) -> None:
        for lookup in [lk for lk in session.lookups.values() if lk.waiting.first is not None]:
            lookup.end()

    # Providers

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

    set_service = set_service
    enable_provider = enable_provider

    def flush_caches(self) -> None:
        """Have every provider forget what it has cached."""
        for entry in self.catalog:
            self.call_provider(entry, entry.provider.flush)


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
        await stack.enter_async_context(running_providers(entries, log))
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
