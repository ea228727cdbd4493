"""What End owes its caller: the truth about the work (C8)."""

from __future__ import annotations

from typing import cast

from nspd.core.ending import Ending
from nspd.core.run import Run


class FakeRun:
    """What an ending looks at of a run."""

    def __init__(self, *, detached: bool = False) -> None:
        self.detached = detached
        self.endings: list[Ending] = []


def owe(ending: Ending, *, detached: bool = False) -> None:
    """One more run that the ending waits for."""
    ending.owe(cast(Run, FakeRun(detached=detached)))


def test_nothing_owed_is_none_at_once() -> None:
    """Without work to stop the answer is there."""
    told: list[str | None] = []
    Ending(2).then(lambda known: told.append(known.work))
    assert told == ["none"]


def test_stopped_when_the_last_run_is_over() -> None:
    """The answer comes once, with the last of the runs."""
    ending, told = Ending(0), list[str | None]()
    owe(ending)
    owe(ending)
    ending.then(lambda known: told.append(known.work))
    ending.run_over()
    assert (ending.work, told) == (None, [])
    ending.run_over()
    assert (ending.work, told) == ("stopped", ["stopped"])


def test_detached_as_soon_as_one_goes_on() -> None:
    """One run beyond the grace settles the answer; what follows changes nothing."""
    ending, told = Ending(0), list[str | None]()
    owe(ending)
    owe(ending)
    ending.then(lambda known: told.append(known.work))
    ending.run_detached()
    ending.run_detached()
    ending.run_over()
    ending.run_over()
    assert (ending.work, told) == ("detached", ["detached"])


def test_detached_work_found_at_end() -> None:
    """Work that its budget has detached before makes the answer "detached", in any order."""
    first, second = Ending(0), Ending(0)
    owe(first, detached=True)
    owe(first)
    owe(second)
    owe(second, detached=True)
    assert (first.work, second.work) == ("detached", "detached")
    second.run_over()
    assert second.work == "detached"
