"""Aborting what a task of trio's waits for, just before its scope is cancelled.

A scope that finds a task waiting makes the exception, raises and catches it, strips
its traceback, wraps it, and has it raised again in the task. Whoever aborts the wait
first, by the same means (`trio.lowlevel.wait_task_rescheduled`), can have it raised
there in the first place, and the scope finds nothing left to do.
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

    def abort(self, task: trio.lowlevel.Task, scope: trio.CancelScope) -> None:
        """Have trio's exception raised where the task waits, in its next step.

        The scope has to be cancelled in the same step: all else that asks for it, such as
        scopes and nurseries within it, must find it so. That does what is not done
        here: nothing is, if the task does not wait, or waits behind a shield, or if a
        release of trio has other insides than those read here.
        """
        if not _feels(task, scope):
            return
        abort: Callable[[RaiseCancel], trio.lowlevel.Abort] | None
        abort = getattr(task, "_abort_func", None)
        if abort is None:
            return
        if abort(self._raise_cancel) is trio.lowlevel.Abort.SUCCEEDED:
            trio.lowlevel.reschedule(task, self._cancelled)
        else:
            task._abort_func = None  # it was asked, and nothing is asked twice


def _feels(task: trio.lowlevel.Task, scope: trio.CancelScope) -> bool:
    """Whether a cancellation of the scope would reach a task: trio has no public way to ask."""
    outer = getattr(scope, "_cancel_status", None)
    status = getattr(task, "_cancel_status", None)
    while status is not outer:
        # Where its insides are others, whatever is there may be a shield.
        if getattr(getattr(status, "_scope", None), "shield", True):
            return False
        status = getattr(status, "_parent", None)
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
