"""A mutation run makes the changes that it says, and tells which of them are noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.mutations import Mutant, mutants
from bench.noticing import Footprint, Probe, noticed_here
from nspd.core.waiting import Waiter

ROOT = Path(__file__).parents[1]

COMMAND = [sys.executable, "-m", "bench.mutants"]

SOURCE = """
from a import b

class C:
    __slots__ = ("d",)

    def e(self, f: int = 2) -> bool:
        "Nothing that is only text is changed."
        assert f
        if self.d is None and not f:
            self.d = f - 1
        self.g(f)
        return f < 3

    def h(self) -> bool:
        return False
"""


def test_changes() -> None:
    """Each is one change of what a program does; declarations, checks and text are left alone."""
    assert [(mutant.line, mutant.change) for mutant in mutants("m", SOURCE)] == [
        (7, "2  ->  plus 1"),
        (10, "self.d is None and (not f)  ->  negated"),
        (10, "self.d is None and (not f)  ->  operator Or"),
        (10, "self.d is None and (not f)  ->  without the last"),
        (10, "self.d is None  ->  operator IsNot"),
        (10, "not f  ->  without not"),
        (11, "self.d = f - 1  ->  left out"),
        (11, "f - 1  ->  operator Add"),
        (11, "1  ->  plus 1"),
        (12, "self.g(f)  ->  left out"),
        (13, "return f < 3  ->  return None"),
        (13, "f < 3  ->  operator LtE"),
        (13, "3  ->  plus 1"),
        (16, "False  ->  negated"),
    ]


def test_every_change_is_in_its_source() -> None:
    """Each mutant is a program, and no two are the same."""
    sources = [mutant.source for mutant in mutants("m", SOURCE)]
    for source in sources:
        compile(source, "m", "exec")
    assert len({*sources, SOURCE}) == len(sources) + 1


def _of_waiting(change: str) -> Mutant:
    source = (ROOT / "nspd" / "core" / "waiting.py").read_text("utf-8")
    return next(each for each in mutants("waiting", source) if each.change == change)


def test_a_test_that_fails_anyhow_notices_nothing(tmp_path: Path) -> None:
    """What fails without the change, too, is passed over; the change is made in a fork alone."""
    before = Waiter.refuse.__code__
    probes = [
        Probe("fails anyhow", lambda: False),
        Probe("passes", lambda: True),
        Probe("notices", lambda: Waiter.refuse.__code__ is before),
    ]
    prints = {probe.name: Footprint(0.0, frozenset()) for probe in probes}
    told = tmp_path / "told"
    mutant = _of_waiting("self.settle(failure)  ->  left out")
    noticed_here(mutant, probes, prints, lambda names: False, told)
    assert json.loads(told.read_text("utf-8")) == ["passes", "notices"]
    noticed_here(mutant, probes[:2], prints, lambda names: False, told)
    assert json.loads(told.read_text("utf-8")) == []
    assert Waiter.refuse.__code__ is before


def test_what_is_noticed() -> None:
    """A call that is not told of its time-out is noticed; the command says so and is content."""
    mutant = _of_waiting("self.settle(TIMED_OUT if lookup.life.alive else CANCELLED)  ->  left out")
    done = subprocess.run(
        [*COMMAND, "--only", mutant.id, "--tests", "tests/core/test_lookup.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "1 of 1 caught: 100.0 %\n")
