"""Drives the core through every schedule, and holds each fact that it shows against the model.

The tree of schedules is walked depth first, each from its beginning: a live task
cannot be copied. What has been checked once on the way to a fork is only done
again on the way to the next branch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple, NoReturn

from tests.ahead import Processes
from tests.exhaustive.loops import BACKENDS, Hand
from tests.exhaustive.model import step, stirring
from tests.exhaustive.rig import Rig, Violation
from tests.exhaustive.schedules import Scenario, choices
from tests.exhaustive.state import TURN, Event, Fact, Facts, State, census, start


class Node:
    """All states in which the contract may be after what was seen, and what follows from them."""

    __slots__ = ("_after", "_choices", "_scenario", "census", "gone", "states", "stirring")

    _known: ClassVar[dict[tuple[Scenario, tuple[State, ...]], Node]] = {}

    def __init__(self, scenario: Scenario, states: tuple[State, ...]) -> None:
        self.states = states
        self.stirring = any(map(stirring, states))
        self.census = tuple(map(census, states))
        lookups = states[0].lookups  # what clients did is the same in all
        self.gone = [k for k, lookup in enumerate(lookups) if lookup.phase in ("gone", "dying")]
        self._scenario = scenario
        self._after: dict[Event, dict[Facts, Node]] = {}
        self._choices: dict[tuple[Event | None, Node | None, bool], tuple[Event, ...]] = {}

    @classmethod
    def of(cls, scenario: Scenario, states: Iterable[State]) -> Node:
        """The one node of these states."""
        key = scenario, tuple(dict.fromkeys(states))
        node = cls._known.get(key)
        if node is None:
            node = cls._known[key] = cls(*key)
        return node

    def after(self, event: Event) -> dict[Facts, Node]:
        """Every legal sequence of facts, and where it leads."""
        legal = self._after.get(event)
        if legal is None:
            found: dict[Facts, list[State]] = {}
            for state in self.states:
                for after, facts in step(state, event):
                    found.setdefault(facts, []).append(after)
            legal = {facts: Node.of(self._scenario, after) for facts, after in found.items()}
            self._after[event] = legal
        return legal

    def choices(self, last: Event | None, before: Node | None, pruned: bool) -> tuple[Event, ...]:
        """The events to try here; ``last`` came in ``before``, None if that was a turn."""
        found = self._choices.get((last, before, pruned))
        if found is None:
            options = [
                event
                for state in self.states
                for earlier in (before.states if before is not None else [None])
                for event in choices(self._scenario, state, last, earlier, pruned=pruned)
            ]
            found = tuple(dict.fromkeys(options))
            self._choices[last, before, pruned] = found
        return found


def _beginning(scenario: Scenario) -> Node:
    first = start(scenario.lookups, stubborn=scenario.stubborn, together=scenario.together)
    return Node.of(scenario, [first])


class _Fork:
    """A place where more than one event can come next, and the branch taken now."""

    __slots__ = ("facts", "index", "node", "options")

    def __init__(self, options: Sequence[Event]) -> None:
        self.options = options
        self.index = 0
        self.facts: Facts = ()
        """What was seen on that branch, up to the next fork."""
        self.node: Node

    @property
    def event(self) -> Event:
        return self.options[self.index]


def _advance(path: list[_Fork]) -> bool:
    """Go to the next leaf of the tree; False after the last."""
    while path:
        if path[-1].index + 1 < len(path[-1].options):
            path[-1].index += 1
            return True
        path.pop()
    return False


class Report(NamedTuple):
    """What an exploration found to be so."""

    schedules: int
    endings: frozenset[Facts]
    """Every sequence of facts that was seen."""
    seconds: float
    """Processor time that it took, in all processes."""

    def __str__(self) -> str:
        return f"{self.schedules:,} schedules in {self.seconds:.1f} s"


class _Runner:
    """Runs one schedule: does each event, and follows it in the model."""

    def __init__(self, rig: Rig, scenario: Scenario, hand: Hand, events: int = 0) -> None:
        self.left = events
        """Events that may still come."""
        self._rig = rig
        self._hand = hand
        self._scenario = scenario
        self.done: list[Event] = []
        self.seen: list[Fact] = []
        self.node = _beginning(scenario)
        self.last: Event | None = None
        self.before: Node | None = None
        rig.open(scenario.lookups)

    async def do(self, event: Event) -> Facts:
        """One event, and everything that the contract says of it."""
        before = self.node
        facts = await self._happen(event)
        if not self._rig.serving:
            self.fail("the router has come down")
        legal = before.after(event)
        after = legal.get(facts)
        if after is None:
            self.fail(f"seen {list(facts)}, legal {' or '.join(map(str, map(list, legal)))}")
        self.node = after
        if self._rig.census not in after.census:
            self.fail(f"the census is {self._rig.census}, legal {after.census}")
        if not after.stirring and self._hand.stirring:
            self.fail("a task can take a step of which the model does not know")
        for k in after.gone:
            wrong = self._rig.lives_on(k, newly=k not in before.gone)
            if wrong is not None:
                self.fail(wrong)
        return facts

    async def again(self, fork: _Fork) -> None:
        """One event that was checked in the schedule before this."""
        if await self._happen(fork.event) != fork.facts:
            self.fail(f"seen {list(self.seen)}, which is not what was seen the time before")
        self.node = fork.node

    async def _happen(self, event: Event) -> Facts:
        self.done.append(event)
        if event == TURN:
            self.last = self.before = None
            await self._hand.rest()
        else:
            self.left -= 1
            self.last, self.before = event, self.node
            try:
                self._rig.do(event)
            except Exception as error:  # noqa: BLE001 - whatever it is, the schedule is to be named
                self.fail(f"raised {error!r}")
        facts = tuple(self._rig.facts)
        if facts:
            self.seen += facts
            self._rig.facts.clear()
        return facts

    def options(self, *, pruned: bool) -> tuple[Event, ...]:
        """The events that can come next."""
        return self.node.choices(self.last, self.before, pruned)

    @property
    def _state(self) -> State:
        return self.node.states[0]

    def fail(self, what: str) -> NoReturn:
        """Give up this schedule."""
        schedule = " ".join(map(str, self.done))
        raise Violation(self._scenario.name, schedule, self._hand.backend, what)

    async def close(self) -> None:
        """Everybody leaves and all work ends: one reply to each request, and nothing is left."""
        for k in range(self._scenario.lookups):
            if self._state.lookups[k].client != "gone":
                await self.do(Event("disconnect", k))
        if self._scenario.stubborn:
            for r in range(self._scenario.lookups):
                await self.do(Event("done", r))
        if self.last is not None:
            await self.do(TURN)
        replies = sorted(fact[1] for fact in self.seen if fact[0] == "reply")
        if replies != list(range(1, self._state.calls + 1)):
            self.fail(f"the ledger of replies is {replies}")
        left = self._rig.close()
        if left:
            self.fail(f"left behind: {left}")


def explore(
    scenario: Scenario,
    events: int,
    backend: str = "asyncio",
    *,
    pruned: bool = True,
    beginning: Sequence[Event] = (),
    note: Callable[[Sequence[Event]], object] | None = None,
) -> Report:
    """Drive the core through every schedule of so many events, or those with this beginning.

    Args:
        scenario: what can happen.
        events: how much of it, turns not counted.
        backend: one of `BACKENDS`.
        pruned: leave out what is equivalent to something else.
        beginning: only schedules that begin so.
        note: is told each schedule.

    Raises:
        Violation: at the first one that the contract forbids.
    """
    rig = _rig(scenario)
    since = time.process_time()

    async def walk(hand: Hand) -> Report:
        path = [_Fork((event,)) for event in beginning]
        checked = 0
        schedules = 0
        endings: set[Facts] = set()
        while True:
            runner = _Runner(rig, scenario, hand, events)
            for fork in path[:checked]:
                await runner.again(fork)
            for fork in path[checked:]:
                fork.facts, fork.node = await runner.do(fork.event), runner.node
            while runner.left and (options := runner.options(pruned=pruned)):
                fork = _Fork(options)
                path.append(fork)
                fork.facts, fork.node = await runner.do(fork.event), runner.node
            if note is not None:
                note(tuple(runner.done))
            await runner.close()
            schedules += 1
            endings.add(tuple(runner.seen))
            if not _advance(path):
                return Report(schedules, frozenset(endings), time.process_time() - since)
            checked = len(path) - 1

    with rig.watched():
        report: Report = BACKENDS[backend](rig.serve, walk)
    return report


def begin_on_every_core(
    processes: Processes, scenario: Scenario, events: int
) -> Callable[[], Report]:
    """Begin the same on asyncio for more than three events, shared out among processes.

    Returns:
        What waits for the report; a violation fails it (`tests.ahead.Begun.result`).
    """
    beginnings: list[Sequence[Event]] = []
    explore(scenario, _SHARED_OUT_BY, note=beginnings.append)
    shares = [
        processes.begin(explore, scenario, events, beginning=beginning) for beginning in beginnings
    ]

    def report() -> Report:
        reports = [share.result() for share in shares]
        return Report(
            sum(report.schedules for report in reports),
            frozenset[Facts]().union(*(report.endings for report in reports)),
            sum(report.seconds for report in reports),
        )

    return report


_SHARED_OUT_BY = 3
"""Events that tell one process's share of the schedules from another's."""


def first_violation(scenario: Scenario, events: int, backend: str) -> Violation | None:
    """The shortest schedule of at most so many events that is against the contract, if any is."""
    for most in range(1, events + 1):
        try:
            explore(scenario, most, backend)
        except Violation as found:
            return found
    return None


def replay(scenario: Scenario, schedule: str, backend: str = "asyncio") -> Facts:
    """Run one schedule, as a violation names it; what was seen.

    Raises:
        Violation: the contract forbids that.
    """
    rig = _rig(scenario)

    async def run(hand: Hand) -> Facts:
        runner = _Runner(rig, scenario, hand)
        for text in schedule.split():
            kind, _, of = text.partition(":")
            await runner.do(TURN if text == "." else Event(kind, int(of)))
        await runner.close()
        return tuple(runner.seen)

    with rig.watched():
        seen: Facts = BACKENDS[backend](rig.serve, run)
    return seen


def _rig(scenario: Scenario) -> Rig:
    return Rig(
        timeouts=scenario.timeouts,
        budget=scenario.budget,
        stubborn=scenario.stubborn,
        together=scenario.together,
    )
