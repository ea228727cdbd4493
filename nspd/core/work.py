"""Provider work: one async task in one cancel scope of its own.

All work of the daemon runs in one group, not in a group for each connection:
such a group could not close while a stubborn or shared task runs in it.

A `Work` is a task and the scope around it in one object. Its cancellation is
asked for once, by a plain function, and is a fact from then on
(``cancel_called``), whether or not the task has noticed (``cancelled_caught``).

The tasks are the backend's own and the scopes anyio's and trio's, entered
inside the task: starting a task through an anyio task group costs more than
everything else that a short lookup does (docs/design.md has the figures).
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType

import anyio
import sniffio
import trio

_current: contextvars.ContextVar[Work] = contextvars.ContextVar("nspd_work")


async def give_way_if_cancelled() -> None:
    """Let a cancellation that came during a call that nothing could interrupt take effect now."""
    work = _current.get(None)
    if work is not None and work.cancel_called:
        await work.give_way()


class Work(ABC):
    """One task in one cancel scope. Made by `WorkGroup.start`; ends by itself.

    ``done(error)`` is called exactly once, in the task's last step: with None
    when the body returned, was cancelled by `cancel`, or never ran; else with
    the exception. A cancellation that is neither this work's nor the group's
    (the body awaited something that somebody else cancelled) is such an error.
    """

    __slots__ = (
        "_body",
        "_done",
        "_is_told",
        "cancel_called",
        "cancelled_caught",
        "finished",
        "started",
    )

    def __init__(
        self, body: Callable[[], Awaitable[None]], done: Callable[[BaseException | None], None]
    ) -> None:
        self._body = body
        self._done = done
        self.started = False
        self.finished = False
        self.cancel_called = False
        self.cancelled_caught = False
        self._is_told = False  # cancelled, but not delivered

    def cancel(self, *, deliver: bool = True) -> None:
        """Cancel the scope; only the first call does anything.

        Work whose task has not taken its first step never runs its body.

        Args:
            deliver: False: the body has been told to return, and feels the cancellation
                only when it gives way, or is pressed.
        """
        if not self.cancel_called and not self.finished:
            self.cancel_called = True
            if self.started:
                if deliver:
                    self._deliver()
                else:
                    self._is_told = True

    def _settle(self, error: BaseException | None) -> None:
        """Tell how it ended, and let go of who asked: they hold this work, too."""
        done = self._done
        self._body = _nothing
        self._done = _nobody
        done(error)

    @abstractmethod
    def _deliver(self) -> None:
        """Let the running task feel the cancellation."""

    @abstractmethod
    async def give_way(self) -> None:
        """Raise the cancellation in the task itself, again if it swallowed it before.

        Within a shielded scope it returns: a clean-up must not be cut short.
        """

    @abstractmethod
    def press(self) -> None:
        """Cancel a task that goes on once more, in case it would give way now; then let it be.

        Pressing it all the time would eat a whole core. A task that has only been told
        may be pressed until the next call.
        """


class WorkGroup(ABC):
    """Holds all work of the daemon; leaving it cancels what still runs, and waits."""

    def __init__(self) -> None:
        self.running = 0
        """Tasks that have not ended."""
        self.started = 0
        """Tasks started so far."""
        self.stopping = False

    @abstractmethod
    def start(
        self, body: Callable[[], Awaitable[None]], done: Callable[[BaseException | None], None]
    ) -> Work:
        """Start work; its first step comes later, never within this call."""


async def _nothing() -> None:
    """The body of work that is over."""


def _nobody(error: BaseException | None) -> None:
    """Whom to tell that the daemon is stopping: that is no lookup's outcome (C15)."""


def _comes_of_cancelling(
    group: BaseExceptionGroup[BaseException], cancelled: type[BaseException]
) -> bool:
    """Whether a task group's error holds nothing that must stop the process."""
    return group.split((Exception, cancelled))[1] is None


def threadsafe_caller() -> Callable[[Callable[[], object]], None]:
    """What has the running event loop call a plain function, usable from any thread."""
    if sniffio.current_async_library() == "trio":
        return trio.lowlevel.current_trio_token().run_sync_soon
    loop = asyncio.get_running_loop()

    def call_soon(function: Callable[[], object]) -> None:
        loop.call_soon_threadsafe(function)

    return call_soon


def time_source() -> Callable[[], float]:
    """The running event loop's clock as a plain function: anyio's own asks for the loop first."""
    if sniffio.current_async_library() == "trio":
        # What `trio.current_time` calls, which looks for it each time.
        return trio.lowlevel.current_clock().current_time
    loop = asyncio.get_running_loop()
    if type(loop).__module__.partition(".")[0] == "uvloop":
        # The same clock, but uvloop's own reading of it is rounded to a millisecond.
        return time.monotonic
    return loop.time


@asynccontextmanager
async def open_work_group() -> AsyncIterator[WorkGroup]:
    """The group for the running backend, open as long as the context."""
    if sniffio.current_async_library() == "trio":
        async with trio.open_nursery() as nursery:
            group = _TrioGroup(nursery.cancel_scope)
            nursery.start_soon(group.keep)
            try:
                await group.opened.wait()
                yield group
            finally:
                group.stop()
    else:
        async with _AsyncioGroup() as asyncio_group:
            yield asyncio_group


class _AsyncioWork(Work):
    __slots__ = ("_group", "_scope", "task")

    _group: _AsyncioGroup
    _scope: anyio.CancelScope
    task: asyncio.Task[None]

    def _deliver(self) -> None:
        awaited = _awaited_by(self.task, self._scope)
        if awaited is None:
            self._scope.cancel()
            return
        # What the scope would do first. It would also look again at every turn of the
        # loop, which for most work costs more than all the rest of its end.
        if not awaited.done():
            self.task.cancel()
        self._group.look_after(self)

    def insist(self) -> None:
        """Cancel the scope of work that goes on in spite of a cancelled task."""
        if not self.finished:
            self._scope.cancel()

    async def give_way(self) -> None:
        self._scope.cancel()
        if anyio.current_effective_deadline() == -math.inf:
            raise asyncio.CancelledError
        await asyncio.sleep(0)  # what is shielded may send for long, and others want their turn

    def press(self) -> None:
        if self.finished:
            return
        self._calm()
        deliver = getattr(self._scope, "_deliver_cancellation", None)
        if not self._scope.cancel_called:
            self._scope.cancel()
        elif deliver is not None:
            deliver(self._scope)
        self._calm()

    def _calm(self) -> None:
        # anyio's scope cancels its task again at every turn of the loop, and has
        # no way to say "once is enough"; what it has is the handle of that turn.
        # Without one it would begin anew when the task leaves a scope within.
        # The test swallowed-cancel fails should a release of anyio change this.
        again = getattr(self._scope, "_cancel_handle", self)
        if again is None:
            again = self.task.get_loop().call_soon(self._calm)  # never comes to that, see below
            self._scope._cancel_handle = again  # type: ignore[attr-defined]
        if again is not self:
            again.cancel()

    async def main(self) -> None:
        self.started = True
        _current.set(self)
        error: BaseException | None = None
        try:
            if not self.cancel_called:
                with self._group.new_scope() as self._scope:
                    await self._body()
                self.cancelled_caught = self._scope.cancelled_caught
        except asyncio.CancelledError as stopped:
            if self._group.stopping:
                self._done = _nobody
                raise
            if self.cancel_called:
                self.cancelled_caught = True
            else:
                error = stopped
        except Exception as failed:  # noqa: BLE001 - the supervisor: a provider may fail in any way
            error = failed
        except BaseExceptionGroup as several:
            if self._group.stopping:
                self._done = _nobody
                raise
            if not _comes_of_cancelling(several, asyncio.CancelledError):
                raise
            error = several
            if self.cancel_called:
                felt, error = several.split(asyncio.CancelledError)
                self.cancelled_caught = felt is not None
        finally:
            self.finished = True
            self._group.ended(self)
            self._settle(error)
            error = None  # its traceback points at this very frame


def _awaited_by(
    task: asyncio.Task[None], scope: anyio.CancelScope
) -> asyncio.Future[object] | None:
    """What a task waits for, if no other scope, which may be a shield, is within this one.

    Then cancelling the scope comes to cancelling the task, unless what it waits for is
    there already: anyio gives it that first, lest it be lost. Both know of this, but
    have no public way to say it; if a release of them changes, the answer is None.
    """
    if task not in getattr(scope, "_tasks", ()):
        return None  # but in that of the other scope
    awaited = getattr(task, "_fut_waiter", None)
    return awaited if isinstance(awaited, asyncio.Future) else None


class _AsyncioGroup(WorkGroup):
    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._cancelled: list[_AsyncioWork] = []
        self._to_insist: list[_AsyncioWork] = []
        # Held here, for the loop holds its tasks weakly.
        self._at_work: set[_AsyncioWork] = set()
        # What `anyio.CancelScope` makes on this backend, which it looks up each time.
        self.new_scope: Callable[[], anyio.CancelScope] = type(anyio.CancelScope())
        self._context = contextvars.Context()
        # Else anyio asks for the current task whenever it wants to know this.
        self._context.run(sniffio.current_async_library_cvar.set, "asyncio")

    async def __aenter__(self) -> _AsyncioGroup:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stopping = True
        stopped: set[asyncio.Task[None]] = set()
        outer: asyncio.CancelledError | None = None
        # The end of one work may start another: each is stopped once, and waited for.
        while tasks := {work.task for work in self._at_work if not work.task.done()}:
            for task in tasks - stopped:
                task.cancel()
            stopped |= tasks
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError as cancelled:
                # Tasks are never left behind; the cancellation goes on afterwards.
                outer = cancelled
        if outer is not None:
            raise outer

    def start(
        self, body: Callable[[], Awaitable[None]], done: Callable[[BaseException | None], None]
    ) -> Work:
        work = _AsyncioWork(body, done)
        work._group = self
        # A copy of an empty context: nothing leaks from the connection that asked.
        task = self._loop.create_task(work.main(), context=self._context.copy())
        work.task = task
        self._at_work.add(work)
        self.running += 1
        self.started += 1
        return work

    def look_after(self, work: _AsyncioWork) -> None:
        """Insist on a cancellation unless the task, which has been cancelled, ends at once."""
        if not (self._cancelled or self._to_insist):
            self._loop.call_soon(self._look)
        self._cancelled.append(work)

    def _look(self) -> None:
        # A task cancelled since the last look may not have had its turn yet.
        due, self._to_insist, self._cancelled = self._to_insist, self._cancelled, []
        for work in due:
            work.insist()
        if self._to_insist:
            self._loop.call_soon(self._look)

    def ended(self, work: _AsyncioWork) -> None:
        """Forget work whose task is in its last step (called by it)."""
        self._at_work.discard(work)
        self.running -= 1
        del work.task  # the two point at each other


class _TrioWork(Work):
    """All of this backend's work runs within a scope that is cancelled from the start.

    Each has a shield against that, and to cancel it is to take the shield away. So
    one scope is enough both to cancel work and to leave it alone again (`press`):
    trio's scopes are cancelled for good, and each costs as much as the rest of a task.
    """

    __slots__ = ("_group", "_scope")

    _group: _TrioGroup
    _scope: trio.CancelScope

    def _deliver(self) -> None:
        self._scope.shield = False

    async def give_way(self) -> None:
        self._scope.shield = False
        await trio.lowlevel.checkpoint()

    def press(self) -> None:
        # Unblocking happens within the assignment, if the task waits for something.
        self._scope.shield = False
        if self._is_told:
            self._is_told = False  # and if not, it has until the next time to feel it
        else:
            self._scope.shield = not self._group.stopping

    async def main(self) -> None:
        self.started = True
        _current.set(self)
        error: BaseException | None = None
        try:
            if not self.cancel_called:
                with trio.CancelScope(shield=not self._group.stopping) as self._scope:
                    await self._body()
        except trio.Cancelled as stopped:
            if self._group.stopping:
                self._done = _nobody
                raise
            if self.cancel_called:
                self.cancelled_caught = True
            else:
                error = stopped
        except Exception as failed:  # noqa: BLE001 - the supervisor: a provider may fail in any way
            error = failed
        except BaseExceptionGroup as several:
            if self._group.stopping:
                self._done = _nobody
                raise
            if not _comes_of_cancelling(several, trio.Cancelled):
                self._group.give_up()
                raise
            error = several
            if self.cancel_called:
                felt, error = several.split(trio.Cancelled)
                self.cancelled_caught = felt is not None
        except BaseException:  # such as KeyboardInterrupt: it goes on, and stops the process
            self._group.give_up()
            raise
        finally:
            self.finished = True
            self._group.ended(self)
            self._settle(error)
            error = None  # its traceback points at this very frame

    def stop(self) -> None:
        """Let the daemon's stopping through, as far as the task has got."""
        if self.started:
            self._scope.shield = False


class _TrioGroup(WorkGroup):
    def __init__(self, whole: trio.CancelScope) -> None:
        super().__init__()
        self._whole = whole
        self.opened = trio.Event()
        self._nursery: trio.Nursery
        self._open = trio.CancelScope(shield=True)
        self._at_work: set[_TrioWork] = set()

    async def keep(self) -> None:
        """Hold the nursery of all work, until the group is stopped; then wait for the work."""
        async with trio.open_nursery() as self._nursery:
            self._nursery.cancel_scope.cancel()
            self.opened.set()
            with self._open:
                await trio.sleep_forever()

    def start(
        self, body: Callable[[], Awaitable[None]], done: Callable[[BaseException | None], None]
    ) -> Work:
        work = _TrioWork(body, done)
        work._group = self
        self._nursery.start_soon(work.main)
        self._at_work.add(work)
        self.running += 1
        self.started += 1
        return work

    def ended(self, work: _TrioWork) -> None:
        """Forget work whose task is in its last step (called by it)."""
        self._at_work.discard(work)
        self.running -= 1

    def stop(self) -> None:
        """Cancel all work, that which is calmed, too."""
        self.stopping = True
        for work in self._at_work:
            work.stop()
        self._open.cancel()

    def give_up(self) -> None:
        """Stop whoever holds the group open, too: something must stop the process."""
        self.stop()
        self._whole.cancel()
