"""Telling whether a plain function blocks the thread that calls it."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any, TypeVar

from nspd.testing.violation import require

_T = TypeVar("_T")

NOTICEABLE = 0.05
"""Seconds for which a function may give the processor up before it counts as blocking."""

_WHO = getattr(resource, "RUSAGE_THREAD", None)


class Stopwatch:
    """Measures how long the thread waits, as opposed to how long others have the processor."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._waits = _voluntary_waits()

    @property
    def blocked(self) -> float:
        """Seconds since it was made, if the thread has waited meanwhile; else 0."""
        elapsed = time.perf_counter() - self._begun
        return elapsed if _voluntary_waits() > self._waits and elapsed > NOTICEABLE else 0.0


def _voluntary_waits() -> int:
    # A thread that is only slow, or preempted, does not give the processor up by itself.
    return resource.getrusage(_WHO).ru_nvcsw if _WHO is not None else 1


def at_once(what: str, function: Callable[..., _T], *args: Any) -> _T:
    """Call a function that must not block; its result.

    Args:
        what: its name, for people.
        function: called with the arguments.

    Raises:
        ContractViolation: it blocked; or anything that it raises.
    """
    stopwatch = Stopwatch()
    try:
        return function(*args)
    finally:
        blocked = stopwatch.blocked
        require(not blocked, f"{what} blocked for {blocked:.2f} s; it must answer at once")
