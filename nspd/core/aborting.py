"""Cancelling what a task of trio's waits for, without cancelling a scope.

Cancelling a scope has its state computed anew, and that of all within it; the
exception made and raised; caught, stripped of its traceback, wrapped, and raised
again in the task. For work that just waits it all comes to this: what it waits for
is aborted (`trio.lowlevel.wait_task_rescheduled`), and the exception raised there.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator
from typing import NoReturn, TypeAlias, TypeVar

import outcome
import trio

ResultT = TypeVar("ResultT")
RaiseCancel: TypeAlias = Callable[[], NoReturn]


class Aborter:
    """Made by `open_aborter`; may be used for as long as trio runs."""

    __slots__ = ("_cancelled", "_raise_cancel")

    def __init__(self, raise_cancel: RaiseCancel) -> None:
        self._raise_cancel = raise_cancel
        self._cancelled = _Cancelled(raise_cancel)

    def abort(self, task: trio.lowlevel.Task, scope: trio.CancelScope) -> bool:
        """Raise trio's exception for a cancellation where a task waits, in its next step.

        Returns:
            False: it is not known to wait within this scope. It may wait behind a shield,
            or not at all, or for something that cannot be aborted, or have a nursery
            open, or trio has changed: then the scope has to be cancelled.
        """
        if task.child_nurseries or not _feels(task, scope):
            return False
        abort: Callable[[RaiseCancel], trio.lowlevel.Abort] | None
        abort = getattr(task, "_abort_func", None)
        if abort is None:
            return False
        if abort(self._raise_cancel) is trio.lowlevel.Abort.SUCCEEDED:
            trio.lowlevel.reschedule(task, self._cancelled)
            return True
        task._abort_func = None  # nothing is aborted twice
        return False


def _feels(task: trio.lowlevel.Task, scope: trio.CancelScope) -> bool:
    """Whether a cancellation of the scope would reach a task: trio has no public way to ask."""
    outer = getattr(scope, "_cancel_status", None)
    status = getattr(task, "_cancel_status", None)
    while status is not outer:
        if status is None or status._scope.shield:
            return False
        status = status._parent
    return outer is not None


class _Cancelled(outcome.Outcome[object]):
    """What a wait comes to that was aborted. The exception is made where it is raised."""

    def __init__(self, raise_cancel: RaiseCancel) -> None:
        self._raise_cancel = raise_cancel

    def unwrap(self) -> NoReturn:
        self._raise_cancel()

    def send(self, gen: Generator[ResultT, object, object]) -> ResultT:
        return outcome.capture(self._raise_cancel).send(gen)

    async def asend(self, agen: AsyncGenerator[ResultT, object]) -> ResultT:
        return await outcome.capture(self._raise_cancel).asend(agen)


async def open_aborter() -> Aborter:
    """Learn from trio how to raise its exception, which has no public constructor.

    To be called within a scope that is cancelled.
    """
    given: list[RaiseCancel] = []

    def abort(raise_cancel: RaiseCancel) -> trio.lowlevel.Abort:
        given.append(raise_cancel)
        return trio.lowlevel.Abort.SUCCEEDED

    with contextlib.suppress(trio.Cancelled):
        await trio.lowlevel.wait_task_rescheduled(abort)
    return Aborter(given[0])
