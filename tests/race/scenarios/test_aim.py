"""Aiming at a moment by which side was first."""

from __future__ import annotations

from random import Random

import pytest

from nspd.race.scenarios.aim import Aim

pytestmark = pytest.mark.anyio


class Clock:
    """A clock that moves on by 10 microseconds whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-5
        return self.now


async def hesitation(*too_early: bool) -> float:
    """How long an aim hesitates that has learnt this, in seconds."""
    clock = Clock()
    aim = Aim(Random(1), clock)
    for early in too_early:
        aim.learn(too_early=early)
    await aim.hesitate()
    return clock.now


async def test_learns() -> None:
    """Having come too early it waits longer, having come too late not as long."""
    assert await hesitation(*[False] * 5) < await hesitation() < await hesitation(*[True] * 5)


async def test_bounded() -> None:
    """However often it came too early, it waits a tenth of a second, give or take a fifth."""
    assert 0.08 <= await hesitation(*[True] * 100) <= 0.121


async def test_learns_again() -> None:
    """What it learnt from coming too early, it forgets when it comes too late as often."""
    assert await hesitation(*[True] * 100, *[False] * 100) < 1e-4
