"""So much detached work and no more: a race must not run into the daemon's caps by itself."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from nspd.race.loop import Loop, Task


class Permits:
    """A number of permits, handed out first come, first served."""

    def __init__(self, loop: Loop, number: int) -> None:
        self._loop = loop
        self.free = number
        self._most = number
        self._waiting: deque[tuple[Task[Any], int]] = deque()

    async def take(self, number: int) -> None:
        """Wait for so many permits (all there are, if it is more) and take them.

        The wait does not count towards the task's deadline.
        """
        number = min(number, self._most)
        task = self._loop.current
        deadline, asked = task.deadline, time.monotonic()
        task.deadline = None
        own = (task, number)
        self._waiting.append(own)
        try:
            while self._waiting[0] is not own or self.free < number:
                await self._loop.suspend()
            self.free -= number
        finally:
            self._waiting.remove(own)
            self._wake()
            if deadline is not None:
                task.deadline = deadline + time.monotonic() - asked

    def give_back(self, number: int, after: float = 0.0) -> None:
        """Give permits back, ``after`` seconds from now."""
        number = min(number, self._most)
        self._loop.call_at(time.monotonic() + after, lambda: self._given_back(number))

    def _given_back(self, number: int) -> None:
        self.free += number
        self._wake()

    def _wake(self) -> None:
        if self._waiting:
            self._loop.resume(self._waiting[0][0])
