"""Which orders of events there are, without those that cannot differ from another.

A schedule is a list of events (`state.Event`). Between two turns of the tasks
(written ".") events pile up, as they do in a daemon that carries out a chunk of
requests. Which events can come next, the model says; the core is then driven
through each, and every fact that it shows is held against the model at once.

What is pruned, and why nothing is lost:

* A turn when no task can take a step: it does nothing. (`explore` asserts it.)
* A record, an end of the provider's, or a time-out, right after a NextEx or a
  ``$/cancelRequest`` before which it could have come as well. Such an event only
  makes a task ready, and these two requests neither stop nor start a task nor
  ask whether one is ready; so the two can be swapped. End, Begin, Rundown and a
  lost connection touch the task: for them both orders are kept.
* NextEx of one client after NextEx of another in one step: each reads with a
  cursor of its own, so the two can be swapped. Likewise only lookup 0 begins
  first: the names could be exchanged.
* Requests on a handle that is gone: `Rig.lives_on` makes them after every
  step. Events for a provider that is over, and cancels of calls that were
  answered: nobody is left whom they could reach.

A shorter schedule is the beginning of a longer one, and every step is checked;
so only those that cannot go on are run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.exhaustive.model import room, stirring
from tests.exhaustive.state import TURN, Event, State


class Scenario(NamedTuple):
    """What can happen in the schedules of one exploration."""

    name: str
    lookups: int = 1
    timeouts: bool = False
    """Every NextEx has a time-out."""
    budget: bool = False
    """Every Begin has one."""
    stubborn: bool = False
    """The provider goes on after its cancellation, until told to end or beyond end_grace."""
    together: bool = False
    """All lookups are of one client; else each is another user's."""


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("one", timeouts=True),
        Scenario("budget", budget=True),
        Scenario("stubborn", stubborn=True, budget=True),
        Scenario("shared", lookups=2, timeouts=True),
        Scenario("shared-budget", lookups=2, budget=True),
        Scenario("shared-stubborn", lookups=2, stubborn=True),
        Scenario("one-client", lookups=2, timeouts=True, together=True),
    )
}


def enabled(scenario: Scenario, state: State) -> Iterator[Event]:
    """Every event that can happen and reach somebody."""
    for k, lookup in enumerate(state.lookups):
        if k and state.lookups[k - 1].phase == "unborn":
            return
        if lookup.client == "gone":
            continue
        if lookup.phase == "unborn":
            yield Event("begin", k)
        if lookup.phase == "live":
            yield Event("next", k)
            yield Event("end", k)
        for call in lookup.waiting:
            yield Event("cancel", call)
        if not (state.together and k):
            if lookup.client == "up" and _rundown_tells(state, k):
                yield Event("rundown", k)
            yield Event("disconnect", k)
    for r, run in enumerate(state.runs):
        if run.phase not in ("over", "stillborn") and not {"done", "fail"} & {*run.orders}:
            yield Event("record", r)
            yield Event("done", r)
            yield Event("fail", r)
    yield from _next_deadline(scenario, state)


def _rundown_tells(state: State, k: int) -> bool:
    """Whether Rundown ends anything, or keeps the first Begin from coming."""
    of_client = state.lookups if state.together else state.lookups[k : k + 1]
    return (k == 0 and state.lookups[0].phase == "unborn") or any(
        lookup.phase == "live" for lookup in of_client
    )


def _next_deadline(scenario: Scenario, state: State) -> Iterator[Event]:
    """Time passes up to the next deadline, no further: else two would come as one."""
    calls = sorted(call for lookup in state.lookups for call in lookup.waiting)
    ahead = [Event("timeout", call) for call in calls] if scenario.timeouts else []
    if scenario.budget:
        ahead += [
            Event("budget", k)
            for k, lookup in enumerate(state.lookups)
            if lookup.phase == "live" and lookup.upto is None
        ]
    if scenario.stubborn:
        ahead += [Event("grace", r) for r, run in enumerate(state.runs) if run.phase == "stopping"]
    yield from [event for event in ahead if event not in state.due][:1]


_WAKING = frozenset({"record", "done", "fail", "timeout", "budget", "grace"})
"""Events that only make a task ready."""
_TASKLESS = frozenset({"next", "cancel"})
"""Requests that have nothing to do with any task."""


def choices(
    scenario: Scenario, state: State, last: Event | None, before: State | None, *, pruned: bool
) -> Iterator[Event]:
    """The events to try in a state, of which no other order is tried that comes to the same."""
    earlier: frozenset[Event] = frozenset()
    if last is not None and before is not None and last.kind in _TASKLESS:
        earlier = frozenset(enabled(scenario, before))
    for event in enabled(scenario, state):
        kind, of = event
        swapped = kind in _WAKING and event in earlier
        twin = last is not None and kind == last.kind == "next" and of < last.of
        if not pruned or not (swapped or twin or _lost(state, event)):
            yield event
    if last is not None and stirring(state):
        yield TURN


def _lost(state: State, event: Event) -> bool:
    """Whether an event is heard by nobody, or only later and then no different."""
    kind, of = event
    if kind in ("record", "done", "fail"):
        run = state.runs[of]
        if run.phase == "stopping":
            return bool(run.orders) and not state.stubborn
        return run.phase in ("new", "working") and len(run.orders) > room(state, of)
    if kind == "disconnect":
        phase = state.lookups[of].phase
        if phase == "gone":
            return state.runs[of].phase == "over" and not state.together
        return phase == "unborn" and of > 0
    return False
