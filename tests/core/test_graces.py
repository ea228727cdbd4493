"""Cancelled work that outlives its grace: one queue, one timer."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, cast

import pytest

from nspd.core import graces
from nspd.core.clock import Clock
from nspd.core.graces import Graces
from tests.core.world import Log


class Cancelled:
    """A run that was cancelled, as far as the queue looks at it."""

    def __init__(self, outlived: list[Cancelled], *, fails: bool = False) -> None:
        self.ended: float | None = None
        self._outlived = outlived
        self._fails = fails
        self.then: Callable[[], None] = lambda: None

    def outlive_grace(self) -> None:
        """Take note."""
        self._outlived.append(self)
        self.then()
        if self._fails:
            raise LookupError("as planned")


class Rig:
    """A queue whose time a test lets pass."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.now = 100.0
        self.tick = 0.0
        """For so long it takes to look at the time."""
        self.log = Log()
        self.clock = Clock(self._look, self.log)
        self.graces = Graces(self.clock, seconds, self.log)
        self.outlived: list[Cancelled] = []

    def _look(self) -> float:
        self.now += self.tick
        return self.now

    def begin(self, **traits: Any) -> Cancelled:
        """One more run is cancelled."""
        run = Cancelled(self.outlived, **traits)
        self.graces.begin(cast(Any, run))
        return run

    def end(self, run: Cancelled) -> None:
        """It ends."""
        run.ended = self.now
        self.graces.forget_ended()

    def after(self, seconds: float) -> None:
        """Let time pass, and have the clock look at it."""
        self.now += seconds
        while self.clock._fire(self.now):
            pass

    @property
    def timers(self) -> int:
        """Entries of the clock that will still do something."""
        return sum(1 for entry in self.clock._heap if entry[2].action is not None)


def test_each_has_the_whole_grace() -> None:
    """Runs are told in their order, each when its own time is over, and once."""
    rig = Rig()
    first = rig.begin()
    rig.after(0.25)
    second = rig.begin()
    rig.after(0.5)
    assert rig.outlived == []
    rig.after(0.25)
    assert rig.outlived == [first]
    rig.after(0.125)
    assert rig.outlived == [first]
    rig.after(0.125)
    assert rig.outlived == [first, second]
    rig.after(10.0)
    assert (rig.outlived, len(rig.graces), rig.timers) == ([first, second], 0, 0)


def test_who_ends_in_time_is_not_told_and_not_kept() -> None:
    """When the last has ended nothing is left, not even the timer."""
    rig = Rig()
    runs = [rig.begin() for _ in range(3)]
    assert rig.timers == 1
    for run in runs:
        rig.end(run)
    gone = [weakref.ref(run) for run in runs]
    del runs, run
    assert [each() for each in gone] == [None] * 3
    assert (len(rig.graces), rig.timers) == (0, 0)
    rig.after(2.0)
    assert rig.outlived == []
    again = rig.begin()
    rig.after(1.0)
    assert rig.outlived == [again]


def test_who_ends_behind_one_that_goes_on_is_not_told() -> None:
    """It is let go of with the one before it."""
    rig = Rig()
    stuck, ended, late = rig.begin(), rig.begin(), rig.begin()
    rig.end(ended)
    assert len(rig.graces) == 3
    rig.after(1.0)
    assert (rig.outlived, len(rig.graces)) == ([stuck, late], 0)


def test_one_that_goes_on_does_not_have_all_behind_it_kept() -> None:
    """Of 10,000 that ended behind it, few stand in the queue."""
    rig = Rig()
    stuck = rig.begin()
    most = 0
    for _ in range(10_000):
        rig.end(rig.begin())
        most = max(most, len(rig.graces))
    assert 2 < most <= graces._SWEEP_FROM + 1
    rig.after(1.0)
    assert rig.outlived == [stuck]


@pytest.mark.parametrize("more", [1, 5, 100, 200])
def test_who_is_cancelled_in_the_step_in_which_others_are_told_waits_its_time(more: int) -> None:
    """An End that is answered may end other lookups at once: each is told once, in its time."""
    rig = Rig()
    first = [rig.begin() for _ in range(70)]
    later: list[Cancelled] = []

    def begin_more() -> None:
        if not later:
            rig.end(first[-1])
            later.extend(rig.begin() for _ in range(more))

    first[0].then = begin_more
    rig.after(1.0)
    assert rig.outlived == first[:-1]
    assert rig.timers == 1
    rig.after(0.5)
    assert rig.outlived == first[:-1]
    rig.after(0.5)
    assert rig.outlived == first[:-1] + later
    assert (len(rig.graces), rig.timers) == (0, 0)


def test_a_failure_is_logged_and_costs_no_other_its_end() -> None:
    """A bug at one of them must not leave the others waiting for ever."""
    rig = Rig()
    rig.log.announced.add("detaching work failed")
    failing, other = rig.begin(fails=True), rig.begin()
    rig.after(1.0)
    assert rig.outlived == [failing, other]
    assert rig.log.entries == [("exception", "detaching work failed")]


def test_many_are_told_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due together does not hold up everybody else until it is done."""
    monkeypatch.setattr(graces, "_SLICE", 3)
    rig = Rig()
    runs = [rig.begin() for _ in range(8)]
    rig.now += 1.0
    rig.tick = 1e-6
    told = []
    while rig.timers:
        rig.clock._fire(rig.now)
        told.append(len(rig.outlived))
    assert told == [3, 6, 8]
    assert rig.outlived == runs
