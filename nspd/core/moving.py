"""Moving a task of trio's to where everything is cancelled, and back.

Trio keeps a tree of what is cancelled, a node of which stands for each scope that
a task has entered. A task that is moved from under one node to under another feels what
that one feels. So it can be cancelled without a scope of its own, which costs as
much as the rest of a task; and it can be left alone again, while scopes are
cancelled for good.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, NoReturn, TypeAlias, TypeVar

import outcome
import trio

if TYPE_CHECKING:
    from trio._core._run import CancelStatus

ResultT = TypeVar("ResultT")
RaiseCancel: TypeAlias = Callable[[], NoReturn]


class Mover:
    """Moves tasks from here, where they were started and are left alone, to there, and back."""

    __slots__ = ("_cancelled", "_here", "_raise_cancel", "_there")

    def __init__(self, here: CancelStatus, there: CancelStatus, raise_cancel: RaiseCancel) -> None:
        """Made by `open_mover`, which has seen to it that trio has what is used here."""
        self._here = here
        self._there = there
        self._raise_cancel = raise_cancel
        self._cancelled = _Cancelled(raise_cancel)

    def cancel(self, task: trio.lowlevel.Task) -> None:
        """Have the task feel that it is cancelled, and all that it has started in its nurseries.

        It feels it in its next step if it waits, and from then on wherever it may wait.
        """
        if task._cancel_status is self._here:
            self._abort(task)
            task._activate_cancel_status(self._there)
        else:
            self._move_scopes(task, self._there)

    def calm(self, task: trio.lowlevel.Task) -> None:
        """Leave the task alone again; what it has felt already it goes on with."""
        if task._cancel_status is self._there:
            task._activate_cancel_status(self._here)
        else:
            self._move_scopes(task, self._here)

    def leave(self, task: trio.lowlevel.Task) -> RuntimeError | None:
        """To be called when the task is about to end.

        Returns:
            what is wrong if it has left scopes open. They are closed then: trio would keep
            what stands for them for as long as the nursery of the task is open.
        """
        status = task._cancel_status
        if status is self._here or status is self._there:
            return None
        outermost = self._outermost(task)
        task._activate_cancel_status(self._here)
        if outermost is not None:
            outermost.close()
        return RuntimeError("a cancel scope was left open")

    def _abort(self, task: trio.lowlevel.Task) -> None:
        """Have trio's exception raised where the task waits, if it does.

        Trio itself would make the exception, raise and catch it, strip its traceback,
        wrap it, and have it raised again in the task. This is the same by the same means
        (`trio.lowlevel.wait_task_rescheduled`), but raises it there in the first place.
        """
        abort = task._abort_func
        if abort is None:
            return
        if abort(self._raise_cancel) is trio.lowlevel.Abort.SUCCEEDED:
            trio.lowlevel.reschedule(task, self._cancelled)
        else:
            task._abort_func = None  # it was asked, and nothing is asked twice

    def _move_scopes(self, task: trio.lowlevel.Task, place: CancelStatus) -> None:
        outermost = self._outermost(task)
        if outermost is not None:
            outermost.parent = place

    def _outermost(self, task: trio.lowlevel.Task) -> CancelStatus | None:
        """The outermost scope that the task has entered; None if it is in none, or in disorder.

        Trio cuts off, and cancels for good, what was not left in the order in which it
        was entered.
        """
        outermost: CancelStatus | None = None
        status: CancelStatus | None = task._cancel_status
        while status is not self._here and status is not self._there:
            if status is None:
                return None
            outermost, status = status, status.parent
        return outermost


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


async def open_mover(here: trio.CancelScope, there: trio.CancelScope) -> Mover | None:
    """What moves tasks between two scopes, as long as both are open.

    Args:
        here: a nursery's, in which the tasks are started.
        there: one around it, which is cancelled. Another in between shields from that.

    Returns:
        None if this release of trio has other insides than are handled here.
    """
    if not (_is_known_task(trio.lowlevel.current_task()) and _is_known_scope(here)):
        return None
    assert here._cancel_status is not None is not there._cancel_status
    return Mover(here._cancel_status, there._cancel_status, await _learn_to_cancel())


def _is_known_task(task: trio.lowlevel.Task) -> bool:
    names = "_abort_func", "_activate_cancel_status", "_cancel_status"
    return all(hasattr(task, name) for name in names)


def _is_known_scope(scope: trio.CancelScope) -> bool:
    status = getattr(scope, "_cancel_status", None)
    return hasattr(status, "parent") and hasattr(status, "close")


async def _learn_to_cancel() -> RaiseCancel:
    """Learn from trio how to raise its exception, which has no public constructor."""
    given: list[RaiseCancel] = []

    def abort(raise_cancel: RaiseCancel) -> trio.lowlevel.Abort:
        given.append(raise_cancel)
        return trio.lowlevel.Abort.SUCCEEDED

    with trio.CancelScope() as scope:
        scope.cancel()
        await trio.lowlevel.wait_task_rescheduled(abort)
    return given[0]
