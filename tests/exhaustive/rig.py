"""The core under test: every event of the model, done to a real router.

One router serves all schedules, each with clients of its own, as a daemon does;
so what one leaves behind is found when the next is over, at the latest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest.mock import patch

import anyio

from nspd.core import sweeper
from nspd.core.catalog import Entry
from nspd.core.ending import Ending
from nspd.core.limits import Limits
from nspd.core.lookup import Lookup
from nspd.core.outcome import Failure, Outcome
from nspd.core.provider import Query, Results
from nspd.core.router import open_router
from nspd.core.session import Session
from nspd.core.waiting import Waiter
from nspd.core.work import Work
from nspd.model import errors
from nspd.model.queryset import QuerySet
from tests.core.world import ALICE, BOB, SCRIPTED, Log, Scripted, World
from tests.exhaustive.loops import Hand
from tests.exhaustive.model import FAILED, ROOM
from tests.exhaustive.state import Event, Fact

CALL_TIMEOUT, BUDGET, END_GRACE = 1.0, 5.0, 1000.0
"""Seconds, far apart: none of them runs out because another does; none but the last outlasts
the 10 seconds for which a run may be joined."""
GAP = 0.001
"""Seconds between the time-outs of two calls in a row, so that each comes alone."""


class Violation(AssertionError):
    """The core did what the contract forbids."""

    def __init__(self, scenario: str, schedule: str, backend: str, what: str) -> None:
        super().__init__(scenario, schedule, backend, what)
        self.scenario = scenario
        self.schedule = schedule
        self.backend = backend
        self.what = what

    def __str__(self) -> str:
        again = f"{self.scenario} '{self.schedule}' --backend {self.backend}"
        return f"{self.what}\nagain: python -m tests.exhaustive {again}"


class Puppet(Scripted):
    """A provider that does what it is told to, run by run."""

    def __init__(self, *, stubborn: bool) -> None:
        super().__init__(key=lambda query: "the same")
        self._stubborn = stubborn
        self.facts: list[Fact] = []
        self.orders: list[deque[str]] = []
        self._bells: dict[int, anyio.Event] = {}
        self._over = False

    def tell(self, run: int, order: str) -> None:
        """Have the run send a record, return, or fail."""
        self.orders[run].append(order)
        if run in self._bells:
            self._bells.pop(run).set()

    def let_go(self) -> None:
        """No more orders will come: whatever runs, ends."""
        self._over = True
        while self._bells:
            self._bells.popitem()[1].set()

    async def _order(self, run: int) -> str:
        while not self.orders[run]:
            if self._over:
                return "done"
            self._bells[run] = bell = anyio.Event()
            await bell.wait()
        return self.orders[run].popleft()

    async def lookup(self, query: Query, results: Results) -> None:
        run = int(query.restrictions.service_instance_name or "")
        self.facts.append(("begun", run))
        if not self._stubborn:
            await self._obey(run, results)
            return
        try:
            await self._obey(run, results)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._obey(run, results, 1000)
            raise

    async def _obey(self, run: int, results: Results, sent: int = 0) -> None:
        while (order := await self._order(run)) == "record":
            sent += 1
            await results.send(QuerySet(service_instance_name=f"{run}.{sent}"))
        if order == "fail":
            raise errors.error_for(FAILED, "as told")


class Call(Waiter):
    """One NextEx of a client."""

    __slots__ = ("_facts", "_number")

    def __init__(self, facts: list[Fact], number: int) -> None:
        super().__init__()
        self._facts = facts
        self._number = number

    def settle(self, outcome: Outcome) -> None:
        name = outcome.code if isinstance(outcome, Failure) else outcome.service_instance_name
        self._facts.append(("reply", self._number, name))


class Client:
    """One client and its lookup."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.handle = 0
        self.budget_at = 0.0
        self.lookup: Lookup | None = None


class Rig:
    """Serves schedules one after the other: `open`, `do` for each event, `close`."""

    def __init__(self, *, timeouts: bool, budget: bool, stubborn: bool, together: bool) -> None:
        self._together = together
        self._timeout = CALL_TIMEOUT if timeouts else None
        self._budget = BUDGET if budget else None
        self.puppet = Puppet(stubborn=stubborn)
        self.facts: list[Fact] = []
        self.clients: list[Client] = []
        self.waiting: dict[int, Call] = {}
        self._cancelled: set[Work] = set()
        self.log = Log()
        self.serving = False
        self.hand: Hand
        self.world: World

    async def serve(self, hand: Hand) -> None:
        """Keep a router open until cancelled."""
        self.hand = hand
        async with open_router(
            [Entry(self.puppet)],
            log=self.log,
            limits=Limits(ready_records=ROOM),
            end_grace=END_GRACE,
        ) as router:
            self.world = World(router, self.log)
            self.serving = True
            try:
                await anyio.sleep_forever()
            finally:
                self.serving = False
                self.puppet.let_go()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note each time that work is told to stop, and that its task is told once (C9).

        The sweeper's slices are of one lookup, so that a second one comes later.
        """
        cancel = Work.cancel
        delivers = [(kind, kind._deliver) for kind in Work.__subclasses__()]

        def noted(work: Work, *, deliver: bool = True) -> None:
            before = work.cancel_called
            cancel(work, deliver=deliver)
            if work.cancel_called and not before:
                self.facts.append(("cancelled",))

        def noted_once(deliver: Callable[[Work], None]) -> Callable[[Work], None]:
            def noted_delivery(work: Work) -> None:
                if work in self._cancelled:
                    self.facts.append(("cancelled again",))
                self._cancelled.add(work)
                deliver(work)

            return noted_delivery

        with ExitStack() as stack:
            stack.enter_context(patch.object(Work, "cancel", noted))
            stack.enter_context(patch.object(sweeper, "SLICE", 1))
            for kind, deliver in delivers:
                stack.enter_context(patch.object(kind, "_deliver", noted_once(deliver)))
            yield

    # One schedule

    def open(self, lookups: int) -> None:
        """Connect the clients."""
        self.facts = self.puppet.facts = []
        self.puppet.orders = [deque() for _ in range(lookups)]
        self._started = self.hand.now()
        self._calls = 0
        self.waiting = {}
        self._cancelled = set()
        users = (ALICE,) if self._together else (ALICE, BOB)[:lookups]
        sessions = [self.world.session(user) for user in users]
        self._users = [session.user for session in sessions]
        self.clients = [Client(sessions[k % len(sessions)]) for k in range(lookups)]

    def do(self, event: Event) -> None:
        """Have one event happen (but for a turn)."""
        kind, of = event
        method = _EVENTS.get(kind)
        if method is not None:
            method(self, of)
        else:
            self.puppet.tell(of, kind)

    def _reply(self, number: int, outcome: object) -> None:
        self.facts.append(("reply", number, outcome))

    def _number(self) -> int:
        self._calls += 1
        return self._calls

    def begin(self, k: int) -> None:
        client, number = self.clients[k], self._number()
        restrictions = QuerySet(namespace=SCRIPTED, service_instance_name=str(k))
        budget = None if self._budget is None else self._budget + k * GAP
        try:
            client.lookup = client.session.begin(restrictions, timeout=budget)
        except errors.WSAError as error:
            return self._reply(number, error.code)
        client.handle = client.lookup.handle
        client.budget_at = self.hand.now() + (budget or 0.0)
        return self._reply(number, 0)

    def next(self, k: int) -> None:
        client, number = self.clients[k], self._number()
        lookup = client.session.lookups.get(client.handle)
        if lookup is None:
            return self._reply(number, errors.WSA_INVALID_HANDLE)
        call = Call(self.facts, number)
        self.waiting[number] = call
        outcome = lookup.take()
        if outcome is not None:
            return call.settle(outcome)
        timeout = self._timeout
        if timeout is not None:
            timeout = self._due(number) - self.hand.now()
        return lookup.wait(call, timeout)

    def _due(self, number: int) -> float:
        return self._started + CALL_TIMEOUT + number * GAP

    def end(self, k: int) -> None:
        client, number = self.clients[k], self._number()
        lookup = client.session.lookups.get(client.handle)
        if lookup is None:
            return self._reply(number, errors.WSA_INVALID_HANDLE)

        def known(ending: Ending) -> None:
            self._reply(number, (ending.work, ending.cancelled))

        return lookup.end().then(known)

    def cancel(self, number: int) -> None:
        self.waiting[number].withdraw()

    def rundown(self, k: int) -> None:
        self.clients[k].session.rundown(partial(self._reply, self._number(), None))

    def disconnect(self, k: int) -> None:
        self.clients[k].session.close()

    def timeout(self, number: int) -> None:
        self.hand.pass_until(self._due(number))

    def budget(self, k: int) -> None:
        self.hand.pass_until(self.clients[k].budget_at)

    def grace(self, run: int) -> None:
        self.hand.pass_until(self.hand.now() + END_GRACE)

    def lives_on(self, k: int, *, newly: bool) -> str | None:
        """What is left of a lookup that is gone: its handle is unknown (C4), a second End fails."""
        client = self.clients[k]
        if client.handle in client.session.lookups:
            return f"the handle of lookup {k} lives on"
        if newly and client.lookup is not None:
            try:
                client.lookup.end()
            except errors.InvalidHandle:
                return None
            return f"lookup {k} was ended twice"
        return None

    @property
    def census(self) -> tuple[int, int]:
        """Lookups open and work detached, as the router counts them."""
        router = self.world.router
        return router.lookups, len(router.detached)

    def close(self) -> dict[str, object]:
        """What is counted and is not at nothing, with every client gone and all work over."""
        self.clients = []
        left: dict[str, object] = dict(self.world.leftovers())
        for user in self._users:
            counts = (user.sessions, user.lookups, user.bytes, user.runs, user.detached)
            if any(counts) or user.starved:
                left[f"user {user.uid}"] = (*counts, len(user.starved))
        if self.log.surprises:
            left["log"] = self.log.surprises
        return left


_EVENTS = {
    name: getattr(Rig, name)
    for name in (
        "begin",
        "next",
        "end",
        "cancel",
        "rundown",
        "disconnect",
        "timeout",
        "budget",
        "grace",
    )
}
