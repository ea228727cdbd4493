"""Which scenario is next, alone and in a mixture."""

from __future__ import annotations

from collections import Counter
from random import Random

from nspd.race.draw import Draw
from nspd.race.plan import MIXED
from nspd.race.scenarios import SCENARIOS


def test_alone() -> None:
    """A scenario by itself is run again and again, under its own name."""
    draw = Draw("drain", SCENARIOS)
    assert {draw.one(Random(1)).name for _ in range(20)} == {"drain"}
    assert draw.title(SCENARIOS["drain"]) == "drain"
    assert draw.rare == []


def test_mixed_by_weight() -> None:
    """In a mixture each is drawn as often as its weight says, but for those that have a time."""
    draw, random = Draw(MIXED, SCENARIOS), Random(1)
    drawn = Counter(draw.one(random).name for _ in range(50_000))
    often = {name: each for name, each in SCENARIOS.items() if each.every is None}
    whole = sum(each.weight for each in often.values())
    assert drawn.keys() == often.keys()
    for name, scenario in often.items():
        expected = 50_000 * scenario.weight / whole
        assert 0.8 * expected - 10 <= drawn[name] <= 1.2 * expected + 10
    assert [scenario.name for scenario in draw.rare] == ["drain"]


def test_nothing_detached() -> None:
    """Where no more work may be detached, only those are drawn that leave none."""
    draw, random = Draw(MIXED, SCENARIOS), Random(1)
    drawn = {draw.one_that_detaches_nothing(random).name for _ in range(1_000)}
    assert drawn.isdisjoint({"stubborn", "thread", "drain"})
    assert "end-vs-next" in drawn
