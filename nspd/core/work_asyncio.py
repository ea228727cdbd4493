"""Provider work on asyncio: its own tasks, in anyio's scopes.

Here cancelling is cheap for work that just waits: its task is cancelled, and its
scope only if the task goes on.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Awaitable, Callable
from types import TracebackType

import anyio
import sniffio

from nspd.core.work import Work, WorkGroup, comes_of_cancelling, current_work, nobody


class AsyncioWork(Work):
    """A task of asyncio's in a scope of anyio's."""

    __slots__ = ("_group", "_scope", "task")
    __deletable__ = ("task",)  # mypyc asks for this

    _group: AsyncioGroup
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
        current_work.set(self)
        error: BaseException | None = None
        try:
            if not self.cancel_called:
                with self._group.new_scope() as self._scope:
                    await self._body()
                self.cancelled_caught = self._scope.cancelled_caught
        except asyncio.CancelledError as stopped:
            if self._group.stopping:
                self._done = nobody
                raise
            error = self._without_own_cancellation(stopped, asyncio.CancelledError)
        except Exception as failed:  # noqa: BLE001 - the supervisor: a provider may fail in any way
            error = failed
        except BaseExceptionGroup as several:
            if self._group.stopping:
                self._done = nobody
                raise
            if not comes_of_cancelling(several, asyncio.CancelledError):
                raise
            error = self._without_own_cancellation(several, asyncio.CancelledError)
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


class AsyncioGroup(WorkGroup):
    """All work on asyncio: who leaves it has the tasks cancelled, and waits for them."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._cancelled: list[AsyncioWork] = []
        self._to_insist: list[AsyncioWork] = []
        # Held here, for the loop holds its tasks weakly.
        self._at_work: set[AsyncioWork] = set()
        # What `anyio.CancelScope` makes on this backend, which it looks up each time.
        self.new_scope: Callable[[], anyio.CancelScope] = type(anyio.CancelScope())
        self._context = contextvars.Context()
        # Else anyio asks for the current task whenever it wants to know this.
        self._context.run(sniffio.current_async_library_cvar.set, "asyncio")

    async def __aenter__(self) -> AsyncioGroup:
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
        work = AsyncioWork(body, done)
        work._group = self
        # A copy of an empty context: nothing leaks from the connection that asked.
        task = self._loop.create_task(work.main(), context=self._context.copy())
        work.task = task
        self._at_work.add(work)
        self.running += 1
        self.started += 1
        return work

    def look_after(self, work: AsyncioWork) -> None:
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

    def ended(self, work: AsyncioWork) -> None:
        """Forget work whose task is in its last step (called by it)."""
        self._at_work.discard(work)
        self.running -= 1
        del work.task  # the two point at each other
