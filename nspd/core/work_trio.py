"""Provider work on trio: tasks of one nursery, without a scope for each.

Entering and leaving a scope costs as much as the rest of a task, in time as in
memory. So ended work is moved from under one that goes on to under one that is
cancelled (`nspd.core.moving`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable

import trio

from nspd.core.moving import Mover, open_mover
from nspd.core.task_trio import supervise
from nspd.core.work import Work, WorkGroup, comes_of_cancelling, current_work, nobody


class TrioWork(Work):
    """A task of the group's nursery. How it is cancelled, the two kinds of it say."""

    __slots__ = ("_group", "task")

    _group: TrioGroup

    def __init__(
        self, body: Callable[[], Awaitable[None]], done: Callable[[BaseException | None], None]
    ) -> None:
        super().__init__(body, done)
        self.task: trio.lowlevel.Task | None = None
        """While the body runs."""

    @abstractmethod
    def _cancel_task(self) -> None:
        """Let it feel the cancellation, again if it was calmed."""

    @abstractmethod
    def _calm(self) -> None:
        """Let it be, if the release of trio allows for that."""

    @abstractmethod
    def _leave(self, task: trio.lowlevel.Task) -> RuntimeError | None:
        """What is wrong if the body, which has ended, has left scopes of its own open."""

    def _deliver(self) -> None:
        self._cancel_task()

    async def give_way(self) -> None:
        self._cancel_task()
        await trio.lowlevel.checkpoint()

    def press(self) -> None:
        self._cancel_task()  # within this call, if the task waits for something
        if self._is_told:
            self._is_told = False  # and if not, it has until the next time to feel it
        else:
            self._calm()

    # What its task does (nspd.core.task_trio)

    def begin(self) -> bool:
        """Whether the task has to run the body: it was not cancelled before."""
        self.started = True
        current_work.set(self)
        if not self.cancel_called:
            self.task = trio.lowlevel.current_task()
        return not self.cancel_called

    @abstractmethod
    def enter(self) -> Awaitable[None]:
        """The body, with all in place to cancel it."""

    def left_of(self, raised: BaseException) -> BaseException | None:
        """What is the work's own of what its body has raised.

        Raises:
            BaseExceptionGroup: it goes on, all of it: something in it must stop the process.
        """
        if isinstance(raised, Exception):
            return raised
        if self._group.stopping:
            self._done = nobody
        if isinstance(raised, BaseExceptionGroup) and not comes_of_cancelling(
            raised, trio.Cancelled
        ):
            self._group.give_up()
            raise raised
        return self._without_own_cancellation(raised, trio.Cancelled)

    def give_up(self) -> None:
        """Something goes on that must stop the process."""
        self._group.give_up()

    def end(self, error: BaseException | None) -> None:
        """All is over, in the task's last step."""
        if self.task is not None:
            wrong = self._leave(self.task)
            if wrong is not None:
                wrong.__context__ = error
                error = wrong
            self.task = None  # the two point at each other
        self.finished = True
        self._group.running -= 1
        self._settle(error)


class MovedWork(TrioWork):
    """Work that is cancelled by being moved to where everything is, and calmed by moving back."""

    __slots__ = ("_mover",)

    _mover: Mover

    def _cancel_task(self) -> None:
        # While the group stops all is cancelled in either place; and trio, which is just
        # going through the tasks to tell each, must find them where they were.
        if self.task is not None and not self._group.stopping:
            self._mover.cancel(self.task)

    def _calm(self) -> None:
        if self.task is not None:
            self._mover.calm(self.task)

    def enter(self) -> Awaitable[None]:
        return self._body()

    def _leave(self, task: trio.lowlevel.Task) -> RuntimeError | None:
        return self._mover.leave(task)


class ScopedWork(TrioWork):
    """Work in scopes of its own, where a release of trio has not what `MovedWork` needs.

    The outer scope is cancelled from the start, and the inner one has a shield against that
    as long as the work is not cancelled: a scope is cancelled for good, a shield can be
    given back.
    """

    __slots__ = ("_inner", "_outer")

    _inner: trio.CancelScope
    _outer: trio.CancelScope

    def _cancel_task(self) -> None:
        self._inner.shield = False

    def _calm(self) -> None:
        self._inner.shield = not self._group.stopping

    def enter(self) -> Awaitable[None]:
        self._outer = trio.CancelScope()
        self._outer.cancel()
        self._inner = trio.CancelScope(shield=not self._group.stopping)
        self._outer.__enter__()
        self._inner.__enter__()
        self._group.shielded.add(self)
        return self._body()

    def _leave(self, task: trio.lowlevel.Task) -> RuntimeError | None:
        self._group.shielded.discard(self)
        wrong: RuntimeError | None = None
        for scope in (self._inner, self._outer):
            try:
                scope.__exit__(None, None, None)
            except RuntimeError as misnested:
                wrong = misnested
        return wrong


class TrioGroup(WorkGroup):
    """All work on trio, in a nursery that `keep` holds open until `stop`."""

    def __init__(self, whole: trio.CancelScope) -> None:
        super().__init__()
        self._whole = whole
        self.opened = trio.Event()
        self._nursery: trio.Nursery
        self._open = trio.CancelScope(shield=True)
        self._mover: Mover | None
        self.shielded: set[ScopedWork] = set()
        """Work that is stopped only when its shield is taken away."""

    async def keep(self) -> None:
        """Hold the nursery of all work, until the group is stopped; then wait for the work."""
        with trio.CancelScope() as cancelled:
            cancelled.cancel()
            with self._open:
                async with trio.open_nursery() as self._nursery:
                    self._mover = await open_mover(self._nursery.cancel_scope, cancelled)
                    self.opened.set()
                    await trio.sleep_forever()

    def start(
        self, body: Callable[[], Awaitable[None]], done: Callable[[BaseException | None], None]
    ) -> Work:
        work: TrioWork
        if self._mover is None:
            work = ScopedWork(body, done)
        else:
            work = MovedWork(body, done)
            work._mover = self._mover
        work._group = self
        self._nursery.start_soon(supervise, work)
        self.running += 1
        self.started += 1
        return work

    def stop(self) -> None:
        """Cancel all work, that which is calmed, too."""
        self.stopping = True
        for work in self.shielded:
            work._cancel_task()
        self._open.cancel()

    def give_up(self) -> None:
        """Stop whoever holds the group open, too: something must stop the process."""
        self.stop()
        self._whole.cancel()
