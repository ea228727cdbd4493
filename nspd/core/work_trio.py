"""Provider work on trio: tasks of one nursery, each behind a shield of its own.

Here, too, cancelling is cheap for work that waits (`nspd.core.aborting`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from nspd.core.aborting import Aborter, open_aborter
from nspd.core.work import Work, WorkGroup, comes_of_cancelling, current_work, nobody


class TrioWork(Work):
    """All of this backend's work runs within a scope that is cancelled from the start.

    Each has a shield against that, and to cancel its scope is to take the shield away.
    So one scope is enough both to cancel work and to leave it alone again (`press`):
    trio's scopes are cancelled for good, and each costs as much as the rest of a task.
    """

    __slots__ = ("_group", "_scope", "_task")
    __deletable__ = ("_task",)  # mypyc asks for this

    _group: TrioGroup
    _scope: trio.CancelScope
    _task: trio.lowlevel.Task

    def _deliver(self) -> None:
        # In this order: what is aborted already the scope passes over.
        self._group.aborter.abort(self._task, self._scope)
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
        current_work.set(self)
        error: BaseException | None = None
        scope: trio.CancelScope | None = None
        try:
            if not self.cancel_called:
                self._task = trio.lowlevel.current_task()
                self._scope = scope = trio.CancelScope(shield=not self._group.stopping)
                # Left by `_leave`: an exception that passes a `with` is raised once more.
                scope.__enter__()
                await self._body()
        except trio.Cancelled as stopped:
            if self._group.stopping:
                self._done = nobody
                raise
            error = self._without_own_cancellation(stopped, trio.Cancelled)
        except Exception as failed:  # noqa: BLE001 - the supervisor: a provider may fail in any way
            error = failed
        except BaseExceptionGroup as several:
            if self._group.stopping:
                self._done = nobody
                raise
            if not comes_of_cancelling(several, trio.Cancelled):
                self._group.give_up()
                raise
            error = self._without_own_cancellation(several, trio.Cancelled)
        except BaseException:  # such as KeyboardInterrupt: it goes on, and stops the process
            self._group.give_up()
            raise
        finally:
            self.finished = True
            if scope is not None:
                error = _leave(scope, error)
                del self._task  # the two point at each other
            self._group.ended(self)
            self._settle(error)
            error = None  # its traceback points at this very frame

    def stop(self) -> None:
        """Let the daemon's stopping through, as far as the task has got."""
        if self.started:
            self._scope.shield = False


def _leave(scope: trio.CancelScope, error: BaseException | None) -> BaseException | None:
    """Leave the scope; what the work ended with, or that it has left scopes of its own open."""
    try:
        scope.__exit__(None, None, None)
    except RuntimeError as misnested:
        misnested.__context__ = error
        return misnested
    return error


class TrioGroup(WorkGroup):
    """All work on trio, in a nursery that `keep` holds open until `stop`."""

    def __init__(self, whole: trio.CancelScope) -> None:
        super().__init__()
        self._whole = whole
        self.opened = trio.Event()
        self._nursery: trio.Nursery
        self._open = trio.CancelScope(shield=True)
        self._at_work: set[TrioWork] = set()
        self.aborter: Aborter

    async def keep(self) -> None:
        """Hold the nursery of all work, until the group is stopped; then wait for the work."""
        async with trio.open_nursery() as self._nursery:
            self._nursery.cancel_scope.cancel()
            self.aborter = await open_aborter()
            self.opened.set()
            with self._open:
                await trio.sleep_forever()

    def start(
        self, body: Callable[[], Awaitable[None]], done: Callable[[BaseException | None], None]
    ) -> Work:
        work = TrioWork(body, done)
        work._group = self
        self._nursery.start_soon(work.main)
        self._at_work.add(work)
        self.running += 1
        self.started += 1
        return work

    def ended(self, work: TrioWork) -> None:
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
