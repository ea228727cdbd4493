"""What the model knows: events, facts, and the state of lookups and runs between two events."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

Fact = tuple[Any, ...]
Facts = tuple[Fact, ...]


class Event(NamedTuple):
    """Something that happens. ``of``: the number of a lookup, of a run, or of a call."""

    kind: str
    of: int = 0

    def __str__(self) -> str:
        return "." if self.kind == "turn" else f"{self.kind}:{self.of}"


TURN = Event("turn")
"""Every task takes steps until none can."""


class Run(NamedTuple):
    """One run of the provider; it has the number of the lookup that began it."""

    phase: str = "new"
    """new, working, stopping, detached or over; "stillborn": stopped before its first step."""
    given: int = 0
    orders: tuple[str, ...] = ()
    """What the provider was told to do and has not yet done: record, done, fail."""
    owed: tuple[tuple[int, int], ...] = ()
    """Ends to be told how the work ended, each with the number of calls that it cancelled."""
    woken: bool = True
    """Its task was made ready since the tasks last had their turn."""


class Lookup(NamedTuple):
    """One lookup, and the client that it belongs to."""

    client: str = "up"
    """up, rundown or gone."""
    phase: str = "unborn"
    """unborn, live or gone; dying: gone for its client, and about to be swept."""
    run: int = -1
    read: int = 0
    upto: int | None = None
    """How many records there are in all, once no more can come; None before."""
    code: int = 0
    """What it ends with if there is no record."""
    waiting: tuple[int, ...] = ()


class State(NamedTuple):
    """Everything that the contract knows of."""

    lookups: tuple[Lookup, ...]
    runs: tuple[Run, ...] = ()
    """By the number of the lookup; one that joined another's run has one that is over."""
    due: tuple[Event, ...] = ()
    """What the clock will do at its next turn."""
    calls: int = 0
    stubborn: bool = False
    """The provider, once cancelled, goes on in a shielded scope until told to end."""
    together: bool = False
    """All lookups are one client's."""
    sweeps: tuple[int, ...] = ()
    """Rundowns to be answered when nothing is dying any more."""


def start(lookups: int = 1, *, stubborn: bool = False, together: bool = False) -> State:
    """Clients that are connected and have called Startup."""
    runs = (Run("over", woken=False),) * lookups
    return State((Lookup(),) * lookups, runs, stubborn=stubborn, together=together)


def census(state: State) -> tuple[int, int]:
    """Lookups that are open, and work that goes on after its End."""
    live = sum(lookup.phase == "live" for lookup in state.lookups)
    return live, sum(run.phase == "detached" for run in state.runs)


class Draft:
    """A state while an event takes effect."""

    def __init__(self, state: State, facts: Facts = ()) -> None:
        self.state = state
        self.lookups = list(state.lookups)
        self.runs = list(state.runs)
        self.due = state.due
        self.calls = state.calls
        self.sweeps = state.sweeps
        self.facts = list(facts)

    def result(self) -> tuple[State, Facts]:
        state = self.state._replace(
            lookups=tuple(self.lookups),
            runs=tuple(self.runs),
            due=self.due,
            calls=self.calls,
            sweeps=self.sweeps,
        )
        return state, tuple(self.facts)

    def copy(self) -> Self:
        return type(self)(*self.result())

    def change(self, k: int, **members: Any) -> None:
        self.lookups[k] = self.lookups[k]._replace(**members)

    def change_run(self, r: int, **members: Any) -> None:
        self.runs[r] = self.runs[r]._replace(**members)

    def reply(self, call: int, outcome: object) -> None:
        self.facts.append(("reply", call, outcome))

    def call(self) -> int:
        self.calls += 1
        return self.calls

    def readers(self, r: int) -> list[int]:
        return [
            k
            for k, lookup in enumerate(self.lookups)
            if lookup.phase in ("live", "dying") and lookup.run == r and lookup.upto is None
        ]

    @property
    def dying(self) -> int | None:
        """The lookup to be swept next."""
        phases = [lookup.phase for lookup in self.lookups]
        return phases.index("dying") if "dying" in phases else None
