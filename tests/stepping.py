"""Doing something before the n-th step of a task: the way to be at every await, one by one."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import sniffio
import trio


@types.coroutine
def stepped(
    inner: Coroutine[Any, Any, Any], before: Callable[[int], None]
) -> Generator[Any, Any, Any]:
    """Run a coroutine, calling ``before`` with the number of each step that it takes."""
    step = 0
    value: Any = None
    error: BaseException | None = None
    while True:
        before(step)
        step += 1
        try:
            if error is None:
                yielded = inner.send(value)
            else:
                caught, error = error, None
                yielded = inner.throw(caught)
        except StopIteration as stop:
            return stop.value
        try:
            value = yield yielded
        except BaseException as thrown:  # noqa: BLE001 - handed on to the inner coroutine
            error = thrown


class Strike:
    """Calls a function once, before the n-th step that any task takes from `begin` on."""

    def __init__(self, step: int) -> None:
        self._left = step
        self._strike: Callable[[], object] | None = None
        self.struck = False
        self.failed: BaseException | None = None

    def begin(self, strike: Callable[[], object]) -> None:
        """Count from now on."""
        self._strike = strike

    def count(self) -> None:
        """A task is about to take a step."""
        if self._strike is None or self.struck:
            return
        if self._left:
            self._left -= 1
            return
        self.struck = True
        try:
            self._strike()
        except BaseException as error:  # noqa: BLE001 - trio would only log it; see `every_step`
            self.failed = error


class _Counting(trio.abc.Instrument):
    def __init__(self, strike: Strike, own: object) -> None:
        self._strike = strike
        self._own = own

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is not self._own:
            self._strike.count()


@contextmanager
def every_step(strike: Strike) -> Iterator[None]:
    """Have the steps of all tasks counted but those of the one that is running.

    On asyncio only of tasks that are made within this context.
    """
    if sniffio.current_async_library() == "trio":
        instrument = _Counting(strike, trio.lowlevel.current_task())
        trio.lowlevel.add_instrument(instrument)
        try:
            yield
        finally:
            trio.lowlevel.remove_instrument(instrument)
    else:
        loop = asyncio.get_running_loop()

        async def counted(inner: Coroutine[Any, Any, Any]) -> Any:
            return await stepped(inner, lambda step: strike.count())

        def make(loop: asyncio.AbstractEventLoop, inner: Any, **options: Any) -> asyncio.Task[Any]:
            return asyncio.Task(counted(inner), loop=loop, **options)

        loop.set_task_factory(make)
        try:
            yield
        finally:
            loop.set_task_factory(None)
    if strike.failed is not None:
        raise strike.failed
