"""Gates: a record waits for a token, and somebody else says when."""

from __future__ import annotations

from collections import deque

import anyio

MOST_GATES = 16_384
"""Gates that may hold tokens for which nobody has come; beyond, the oldest loses its own."""


class Gates:
    """The gates by name: tokens are taken one at a time, first come, first served.

    A gate at which nobody waits and that holds no token is nothing, and is not kept.
    """

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}
        self._waiting: dict[str, deque[anyio.Event]] = {}
        self._generation = 0

    def __len__(self) -> int:
        """Gates that are kept."""
        return len(self._tokens) + len(self._waiting)

    def add(self, gate: str, tokens: int) -> None:
        """Let so many records more pass a gate."""
        waiting = self._waiting.get(gate)
        while tokens and waiting:
            waiting.popleft().set()
            tokens -= 1
        if waiting is not None and not waiting:
            del self._waiting[gate]
        if tokens:
            self._tokens[gate] = self._tokens.get(gate, 0) + tokens
            if len(self._tokens) > MOST_GATES:
                del self._tokens[next(iter(self._tokens))]

    async def take(self, gate: str) -> None:
        """Wait for a token of a gate; a cancelled wait takes none."""
        tokens = self._tokens.get(gate)
        if tokens is not None:
            self._use(gate, tokens)
            return
        turn, generation = anyio.Event(), self._generation
        queue = self._waiting.setdefault(gate, deque())
        queue.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                if generation == self._generation:
                    self.add(gate, 1)
            else:
                queue.remove(turn)
                if not queue and self._waiting.get(gate) is queue:
                    del self._waiting[gate]
            raise

    def _use(self, gate: str, tokens: int) -> None:
        if tokens > 1:
            self._tokens[gate] = tokens - 1
        else:
            del self._tokens[gate]

    def forget(self) -> None:
        """Start anew; who waits at a gate now will not be let through it."""
        self._generation += 1
        self._tokens.clear()
        self._waiting.clear()
