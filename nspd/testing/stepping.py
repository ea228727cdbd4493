"""Doing something before the n-th step of a coroutine: the way to be at each of its awaits."""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

from nspd.testing.blocking import Stopwatch
from nspd.testing.violation import require


@types.coroutine
def stepped(
    coroutine: Coroutine[Any, Any, Any],
    before: Callable[[int], None] = lambda step: None,
    *,
    what: str = "",
) -> Generator[Any, Any, Any]:
    """Run a coroutine step by step; a step ends where it waits.

    Args:
        coroutine: what is run.
        before: called with the number of each step, from 0, before it is taken.
        what: if given, no step may block, and this is its name for people.

    Raises:
        ContractViolation: a step blocked; or anything that the coroutine raises.
    """
    step = 0
    blocked = 0.0
    advance: Callable[[], Any] = partial(coroutine.send, None)
    while True:
        before(step)
        stopwatch = Stopwatch()
        try:
            yielded = advance()
        except StopIteration as stop:
            # Not before it has come to its end: left in its middle, it could not be cleaned up.
            blocked = max(blocked, stopwatch.blocked)
            require(not what or not blocked, f"{what} blocked the event loop for {blocked:.2f} s")
            return stop.value
        blocked = max(blocked, stopwatch.blocked)
        step += 1
        try:
            value = yield yielded
        except BaseException as thrown:  # noqa: BLE001 - handed on to the coroutine
            advance = partial(coroutine.throw, thrown)
        else:
            advance = partial(coroutine.send, value)
