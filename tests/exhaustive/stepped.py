"""An asyncio loop that takes steps only when told to, in virtual time and without sockets.

A schedule takes some hundred microseconds, and there are 100,000 of them; so
this is the least that tasks, futures and anyio's scopes run on.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import types
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from heapq import heappop, heappush
from itertools import count
from typing import Any

MOST_STEPS = 10_000
"""Steps of tasks between two events; more are a task that never comes to rest."""


class _Handle:
    """A callback that the loop will call."""

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
        when: float = 0.0,
    ) -> None:
        self._callback: Callable[..., object] | None = callback
        self._args = args
        self._context = context or contextvars.copy_context()
        self._when = when

    def cancel(self) -> None:
        self._callback = None
        self._args = ()

    def cancelled(self) -> bool:
        return self._callback is None

    def when(self) -> float:
        return self._when

    def run(self) -> None:
        callback, args = self._callback, self._args
        if callback is not None:
            self.cancel()
            self._context.run(callback, *args)


@types.coroutine
def _pause() -> Generator[None, None, None]:
    yield


class SteppedLoop:
    """The least loop that tasks, futures and anyio's scopes run on."""

    def __init__(self) -> None:
        self.backend = "asyncio"
        self._ready: deque[_Handle] = deque()
        self._timers: list[tuple[float, int, _Handle]] = []
        self._order = count()
        self._now = 0.0
        self.complaints: list[str] = []
        """What tasks and futures that failed unheard had to say."""
        self.as_loop: Any = self  # it has what is used of a loop, a sixth of what a loop has

    # What asyncio and anyio ask of a loop

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def get_task_factory(self) -> None:
        return None

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self.as_loop)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self.as_loop, **options)

    def call_soon(
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> _Handle:
        handle = _Handle(callback, args, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> _Handle:
        handle = _Handle(callback, args, context, when)
        if when < math.inf:
            heappush(self._timers, (when, next(self._order), handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, **options: Any
    ) -> _Handle:
        return self.call_at(self._now + delay, callback, *args, **options)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.complaints.append(context["message"])

    # What turns it

    def now(self) -> float:
        return self._now

    def pass_until(self, when: float) -> None:
        self._now = max(self._now, when)
        timers = self._timers
        while timers and timers[0][0] <= self._now:
            self._ready.append(heappop(timers)[2])

    @property
    def stirring(self) -> bool:
        return bool(self._ready) and any(not handle.cancelled() for handle in self._ready)

    def rest(self) -> Awaitable[None]:
        return _pause()

    def take_turns(self) -> None:
        ready = self._ready
        for _ in range(MOST_STEPS):
            if not ready:
                return
            ready.popleft().run()
        raise AssertionError("a task never comes to rest")
