"""What End owes its caller besides the release of the waiting calls: the truth about the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from nspd.core.run import Run

WorkState = Literal["none", "stopped", "detached"]


class Ending:
    """The result of ending one lookup (C8).

    ``cancelled`` is known at once; ``work`` is None until the last of the work
    that this End stopped has ended, at the latest until ``end_grace`` is over.
    """

    __slots__ = ("_owed", "_then", "cancelled", "work")

    def __init__(self, cancelled: int) -> None:
        self.cancelled = cancelled
        """Calls that were answered 10111."""
        self.work: WorkState | None = "none"
        self._owed = 0
        self._then: Callable[[Ending], None] | None = None

    def owe(self, run: Run) -> None:
        """The End has stopped this run, or found it stopping: its end is part of the answer."""
        if run.detached:
            self.work = "detached"
        elif self.work != "detached":
            self.work = None
            self._owed += 1
            run.endings.append(self)

    def then(self, known: Callable[[Ending], None]) -> None:
        """Call ``known`` when ``work`` is known: at once, or later."""
        if self.work is not None:
            known(self)
        else:
            self._then = known

    def run_over(self) -> None:
        """One of the runs has ended."""
        self._owed -= 1
        if self._owed == 0 and self.work is None:
            self._settle("stopped")

    def run_detached(self) -> None:
        """One of the runs goes on beyond ``end_grace``."""
        if self.work is None:
            self._settle("detached")

    def _settle(self, work: WorkState) -> None:
        self.work = work
        if self._then is not None:
            then, self._then = self._then, None
            then(self)
