"""Aiming at a moment by which side was first."""

from __future__ import annotations

from random import Random

from nspd.race.aim import Aim


def aimed(*too_early: bool) -> float:
    """How long an aim hesitates that has learnt this, in seconds."""
    aim = Aim()
    for early in too_early:
        aim.learn(too_early=early)
    return aim.drawn(Random(1))


def test_learns() -> None:
    """Having come too early it waits longer, having come too late not as long."""
    assert aimed(*[False] * 5) < aimed() < aimed(*[True] * 5)


def test_bounded() -> None:
    """However often it came too early, it waits a tenth of a second, give or take a fifth."""
    assert 0.08 <= aimed(*[True] * 100) <= 0.12
    assert 0 < aimed(*[False] * 1_000) <= 2e-6


def test_learns_again() -> None:
    """What it learnt from coming too early, it forgets when it comes too late as often."""
    assert aimed(*[True] * 100, *[False] * 100) < 1e-4
