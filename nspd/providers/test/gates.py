"""Gates: a record waits for a token, and somebody else says when."""

from __future__ import annotations

from collections import deque

import anyio


class Gate:
    """Tokens, taken one at a time, first come, first served."""

    def __init__(self) -> None:
        self._tokens = 0
        self._waiting: deque[anyio.Event] = deque()

    def add(self, tokens: int) -> None:
        """Let so many records more pass."""
        while tokens and self._waiting:
            self._waiting.popleft().set()
            tokens -= 1
        self._tokens += tokens

    async def take(self) -> None:
        """Wait for a token; a cancelled wait takes none."""
        if self._tokens:
            self._tokens -= 1
            return
        turn = anyio.Event()
        self._waiting.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self.add(1)
            else:
                self._waiting.remove(turn)
            raise


class Gates:
    """The gates by name; one that nobody has named yet has no token."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}

    def __getitem__(self, name: str) -> Gate:
        return self._gates.setdefault(name, Gate())

    def forget(self) -> None:
        """Start anew; who waits at a gate now will not be let through it."""
        self._gates.clear()
