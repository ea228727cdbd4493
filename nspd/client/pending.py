"""A call on its way: who waits for it, and what became of it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Raw

from nspd.model.errors import WSAError


class Pending:
    """One request without its reply yet. It is settled once; the first outcome counts."""

    __slots__ = ("abandoned", "error", "request_id", "result", "settled", "wake")

    def __init__(self, wake: Callable[[], None]) -> None:
        """Make an unsettled call.

        Args:
            wake: called once, when the call is settled; must not block.
        """
        self.wake = wake
        self.request_id: int | None = None
        """None while nothing was sent for it."""
        self.settled = False
        self.abandoned = False
        """The caller has left; what arrives is nobody's."""
        self.result: Raw | None = None
        self.error: WSAError | None = None

    def arrive(self, result: Raw | None, error: WSAError | None) -> None:
        """The daemon's reply, or the error that stands for it, has come."""
        self.settle(result, error)
        if self.abandoned and result is not None:
            self.late(result)

    def settle(self, result: Raw | None, error: WSAError | None) -> None:
        """Note the outcome and wake the caller."""
        if self.settled:
            return
        self.settled = True
        self.result = result
        self.error = error
        self.wake()

    def take(self) -> Raw:
        """The outcome of a settled call, for its caller; may be called once.

        Raises:
            WSAError: it failed.
        """
        error, self.error = self.error, None
        if error is not None:
            try:
                raise error
            finally:
                # The traceback refers to this frame; without this the exception would
                # keep itself, and whatever its callers hold, until it is collected.
                del error
        assert self.result is not None
        return self.result

    def abandon(self) -> None:
        """The caller has left, perhaps with the outcome already there and not taken."""
        self.abandoned = True
        if self.result is not None:
            self.late(self.result)

    def late(self, result: Raw) -> None:
        """A result that nobody took; the ordinary one is dropped."""


class BeginCall(Pending):
    """A Begin. If its caller leaves, the handle that comes all the same is ended."""

    __slots__ = ("_end",)

    def __init__(self, wake: Callable[[], None], end: Callable[[Raw], None]) -> None:
        super().__init__(wake)
        self._end = end

    def late(self, result: Raw) -> None:
        self._end(result)


class MonitorCall(Pending):
    """A Monitor: its events come as notifications until it is answered."""

    __slots__ = ("event",)

    def __init__(self, wake: Callable[[], None], event: Callable[[Raw], None]) -> None:
        super().__init__(wake)
        self.event = event


class StartupCall(Pending):
    """The Startup that went out ahead of the first call that needs a session."""

    __slots__ = ("_heard",)

    def __init__(self, heard: Callable[[Raw | None, WSAError | None], None]) -> None:
        super().__init__(_nobody)
        self._heard = heard

    def arrive(self, result: Raw | None, error: WSAError | None) -> None:
        super().arrive(result, error)
        self._heard(result, error)


def _nobody() -> None:
    """Wake nobody: the outcome is asked for when something else fails."""
