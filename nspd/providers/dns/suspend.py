"""Noticing that the machine has slept: the event loop's clock stood still meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NoReturn

import anyio

LOOK_EVERY = 1.0
"""Seconds between two looks."""

_WORTH_TELLING = 1.0


def time_asleep() -> float:
    """Seconds that this machine has slept since it was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


async def watch(woken: Callable[[], None], asleep: Callable[[], float] | None = None) -> NoReturn:
    """Call whenever the machine has slept for a second or more.

    Args:
        woken: called soon after the machine is awake again.
        asleep: gives the seconds slept in all; by default `time_asleep`.
    """
    asleep = asleep or time_asleep
    known = asleep()
    while True:
        await anyio.sleep(LOOK_EVERY)
        now = asleep()
        if now - known >= _WORTH_TELLING:
            known = now
            woken()
