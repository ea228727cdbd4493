"""The loop of a driver: coroutines that wait for sockets and for moments, and nothing else.

A driver shares the machine with the daemon that it drives, and must cost less
than that; the event loops that nspd runs on do more than is needed here, and
cost more (docs/race.md has the figures). One loop belongs to one thread.
"""

from __future__ import annotations

import heapq
import select
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from itertools import count
from types import coroutine
from typing import Any, Generic, Protocol, TypeVar

_T = TypeVar("_T")

_LOOK_AT_DEADLINES = 0.1
"""Seconds between two looks at the deadlines of tasks."""

_COARSE = 2e-3
"""Seconds: epoll counts milliseconds, so a shorter wait is left to select."""

_BUFFER = 262_144

IN, OUT, GONE = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP | select.EPOLLERR


class HasFileno(Protocol):
    """A socket or a pipe."""

    def fileno(self) -> int:
        """Its file descriptor."""


class Task(Generic[_T]):
    """A coroutine under way."""

    __slots__ = ("_coroutine", "deadline", "done", "error", "ready", "result", "thrown", "waiters")

    result: _T

    def __init__(self, coroutine: Coroutine[Any, Any, _T]) -> None:
        self._coroutine = coroutine
        self.done = False
        self.ready = False
        """It is in the loop's queue."""
        self.error: BaseException | None = None
        """What ended it, if not its return."""
        self.thrown: BaseException | None = None
        """What its wait is to raise."""
        self.deadline: float | None = None
        """When its wait raises TimeoutError, in seconds of the monotonic clock."""
        self.waiters: list[Task[Any]] = []

    def step(self) -> None:
        """Run it until it waits again."""
        thrown, self.thrown = self.thrown, None
        try:
            if thrown is None:
                self._coroutine.send(None)
            else:
                self._coroutine.throw(thrown)
        except StopIteration as stop:
            self.done, self.result = True, stop.value
        except BaseException as error:  # noqa: BLE001 - whoever joins the task gets it
            self.done, self.error = True, error

    def close(self) -> None:
        """Let it clean up, and never run it again."""
        self.done = True
        self._coroutine.close()


@coroutine
def _suspended() -> Generator[None, None, None]:
    yield


class Loop:
    """Tasks, timers and descriptors of one thread."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._ready: deque[Task[Any]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._tasks: set[Task[Any]] = set()
        self._look = 0.0
        self._main: Task[Any] | None = None
        self.buffer = memoryview(bytearray(_BUFFER))
        """For whoever reads: to allocate as much for each read would cost more than the read."""
        self.current: Task[Any]
        """The task that runs now."""

    # Descriptors

    def watch(self, fd: int, mask: int, ready: Callable[[int], None]) -> None:
        """Call ``ready`` with the events of a descriptor, as long as there are any."""
        if fd in self._callbacks:
            self._epoll.modify(fd, mask)
        else:
            self._epoll.register(fd, mask)
        self._callbacks[fd] = ready

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor; one that is not watched is no error."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    # Tasks

    def spawn(self, coroutine: Coroutine[Any, Any, _T]) -> Task[_T]:
        """Start a coroutine; it runs when those before it wait."""
        task = Task(coroutine)
        self._tasks.add(task)
        self.resume(task)
        return task

    def resume(self, task: Task[Any]) -> None:
        """Let a task that is suspended go on. It may be told so for nothing, or twice."""
        if not task.ready:
            task.ready = True
            self._ready.append(task)

    def throw(self, task: Task[Any], error: BaseException) -> None:
        """Have a task's wait raise this."""
        if not task.done:
            task.thrown = error
            self.resume(task)

    async def suspend(self) -> None:
        """Wait until somebody resumes this task, for whatever reason."""
        await _suspended()

    async def turn(self) -> None:
        """Let every other task that can run do so, and look at the sockets."""
        self.resume(self.current)
        await _suspended()

    async def join(self, task: Task[_T]) -> _T:
        """Wait for a task, and return its result or raise what ended it."""
        while not task.done:
            task.waiters.append(self.current)
            await _suspended()
        if task.error is not None:
            raise task.error
        return task.result

    # Time

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """Call a function at a time of the monotonic clock."""
        heapq.heappush(self._timers, (when, next(self._numbers), function))

    async def sleep_until(self, when: float) -> None:
        """Wait for a moment of the monotonic clock."""
        task = self.current
        self.call_at(when, lambda: self.resume(task))
        while time.monotonic() < when:
            await _suspended()

    async def sleep(self, seconds: float) -> None:
        """Wait for so long."""
        await self.sleep_until(time.monotonic() + seconds)

    # Running

    def run(self, main: Coroutine[Any, Any, _T], within: float | None = None) -> _T:
        """Run a coroutine to its end, and drop what it has started and not joined.

        Args:
            main: the coroutine.
            within: seconds after which its wait raises TimeoutError; None: none.

        Raises:
            BaseException: what it raised, or any task that nobody waits for.
        """
        task = self.spawn(main)
        self._main = task
        if within is not None:
            task.deadline = time.monotonic() + within
        try:
            while not task.done:
                self._once()
            if task.error is not None:
                raise task.error
        finally:
            for left in self._tasks:
                left.close()
            self._tasks.clear()
            self._ready.clear()
            self._callbacks.clear()
            self._epoll.close()
        return task.result

    def _once(self) -> None:
        self._poll()
        now = time.monotonic()
        timers = self._timers
        while timers and timers[0][0] <= now:
            heapq.heappop(timers)[2]()
        if now >= self._look:
            self._look = now + _LOOK_AT_DEADLINES
            for task in self._tasks:
                if task.deadline is not None and task.deadline <= now:
                    task.deadline = None
                    self.throw(task, TimeoutError())
        ready = self._ready
        for _ in range(len(ready)):
            task = ready.popleft()
            task.ready = False
            if not task.done:
                self.current = task
                self._step(task)

    def _step(self, task: Task[Any]) -> None:
        task.step()
        if task.done:
            self._over(task)

    def _over(self, task: Task[Any]) -> None:
        self._tasks.discard(task)
        if task.error is not None and not task.waiters and task is not self._main:
            raise task.error
        for waiter in task.waiters:
            self.resume(waiter)

    def _poll(self) -> None:
        timeout = 0.0
        if not self._ready:
            until = self._look
            if self._timers:
                until = min(until, self._timers[0][0])
            timeout = max(until - time.monotonic(), 0.0)
        if 0.0 < timeout < _COARSE:
            select.select([self._epoll], [], [], timeout)
            timeout = 0.0
        for fd, events in self._epoll.poll(timeout):
            # An earlier callback of this round may have closed it.
            callback = self._callbacks.get(fd)
            if callback is not None:
                callback(events)
