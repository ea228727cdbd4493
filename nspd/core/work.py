"""Provider work: one async task that can be cancelled by itself.

All work of the daemon runs in one group, not in a group for each connection:
such a group could not close while a stubborn or shared task runs in it.

A `Work` is a task and its cancel scope, or what stands for one, in one object. Its
cancellation is asked for once, by a plain function, and is a fact from then on
(``cancel_called``), whether or not the task has noticed (``cancelled_caught``).

The tasks are the backend's own: starting one through an anyio task group costs more
than everything else that a short lookup does (docs/design.md has the figures). So
there is one module for each backend, and `nspd.core.backend` chooses.
"""

from __future__ import annotations

import contextvars
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

current_work: contextvars.ContextVar[Work] = contextvars.ContextVar("nspd_work")
"""The work whose task is running."""


async def give_way_if_cancelled() -> None:
    """Let a cancellation that came during a call that nothing could interrupt take effect now."""
    work = current_work.get(None)
    if work is not None and work.cancel_called:
        await work.give_way()


class Work(ABC):
    """One task, as in a cancel scope. Made by `WorkGroup.start`; ends by itself.

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
        """Cancel the task, and what it has started; only the first call does anything.

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
        self._body = nothing
        self._done = nobody
        done(error)

    def _without_own_cancellation(
        self, raised: BaseException, cancelled: type[BaseException]
    ) -> BaseException | None:
        """What is left of what the body raised, if it felt the cancellation asked for (C15).

        Args:
            raised: a cancellation, or a group.
            cancelled: the backend's exception for cancellations.
        """
        if not self.cancel_called:
            return raised  # by nobody who may: that is an error
        felt: BaseException | None = raised
        left: BaseException | None = None
        if isinstance(raised, BaseExceptionGroup):
            felt, left = raised.split(cancelled)
        self.cancelled_caught = felt is not None
        return left

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


async def nothing() -> None:
    """The body of work that is over."""


def nobody(error: BaseException | None) -> None:
    """Whom to tell that the daemon is stopping: that is no lookup's outcome (C15)."""


def comes_of_cancelling(
    group: BaseExceptionGroup[BaseException], cancelled: type[BaseException]
) -> bool:
    """Whether a task group's error holds nothing that must stop the process."""
    return group.split((Exception, cancelled))[1] is None
