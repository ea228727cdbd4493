"""Ends many lookups without holding up anybody else.

Cancelling 100,000 scopes in one go takes seconds. So whoever ends many lookups
(a lost connection, Rundown, a provider switched off) first takes them out of
every table in one step, and hands them over here to be closed in slices.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import checkpoint

from nspd.core.guard import call_guarded

if TYPE_CHECKING:
    from nspd.core.lookup import Lookup

SLICE = 128
"""Lookups closed before others get their turn; about a millisecond."""


class Sweeper:
    """Closes lookups that are in no table any more; served by one task, `run`.

    What fails on the way is a bug: it is logged, and the sweep goes on.
    """

    def __init__(self, log: Any) -> None:
        """Make a sweeper that has nothing to do.

        Args:
            log: a structlog logger.
        """
        self._log = log
        self._queue: deque[tuple[list[Lookup], Callable[[], None] | None]] = deque()
        self._more = anyio.Event()

    @property
    def idle(self) -> bool:
        """Whether nothing is left to close."""
        return not self._queue

    def sweep(self, lookups: Sequence[Lookup], then: Callable[[], None] | None = None) -> None:
        """Close the lookups, and then call ``then``; a few are closed at once."""
        left = [*reversed(lookups)]
        self._slice(left)
        if left:
            self._queue.append((left, then))
            self._more.set()
        elif then is not None:
            self._follow(then)

    def _slice(self, left: list[Lookup]) -> None:
        # Each is let go of as it is closed: freeing 100,000 in one go takes long, too.
        for _ in range(min(SLICE, len(left))):
            lookup = left.pop()
            call_guarded(self._log, "closing a lookup failed", lookup.close, lookup=lookup.handle)

    def _follow(self, then: Callable[[], None]) -> None:
        call_guarded(self._log, "what follows a sweep failed", then)

    async def run(self) -> None:
        """Serve the queue until cancelled."""
        while True:
            await self._more.wait()
            self._more = anyio.Event()
            while self._queue:
                left, then = self._queue.popleft()
                self._slice(left)
                if left:
                    self._queue.append((left, then))
                elif then is not None:
                    self._follow(then)
                await checkpoint()
