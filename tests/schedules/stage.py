"""A house that is played step by step from plain code, on either backend, in virtual time.

Hypothesis calls plain functions, one after the other. Between two of them the
event loop stands still; within one it runs as far as that step needs. Time
passes only where a step says so.
"""

from __future__ import annotations

import asyncio
import queue
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import anyio
import trio
from trio.testing import MockClock

from tests.cases.harness import House
from tests.seeded import VirtualLoop

_T = TypeVar("_T")

PATIENCE = 30.0
"""Seconds of real time in which a step must be through."""

OpenHouse = Callable[[], AbstractAsyncContextManager[House]]


class Stage(ABC):
    """Opened by making it; `close` has the house check its books."""

    def __init__(self, open_house: OpenHouse) -> None:
        self.house: House
        self._open_house = open_house
        self._steps: deque[Callable[[], Awaitable[None]]] = deque()
        self._more: anyio.Event
        self._over = False
        self._failure: BaseException | None = None

    async def _play(self, opened: Callable[[], None]) -> None:
        """The task in which everything that the stage is told is done."""
        self._more = anyio.Event()
        async with self._open_house() as self.house:
            opened()
            while not self._over:
                while not self._steps:
                    await self._more.wait()
                    self._more = anyio.Event()
                await self._steps.popleft()()
            self._let_time_fly(True)

    def perform(self, step: Callable[[House], _T], ticks: int = 0) -> _T:
        """Do something in one step, and let every task take so many more after it."""

        async def do(house: House) -> _T:
            result = step(house)
            for _ in range(ticks):
                await anyio.lowlevel.checkpoint()
            return result

        return self.play(do)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

        async def sleep(house: House) -> None:
            self._let_time_fly(True)
            await anyio.sleep(seconds)
            self._let_time_fly(False)

        self.play(sleep)

    def play(self, step: Callable[[House], Awaitable[_T]]) -> _T:
        """Do something that may wait."""
        results: list[_T] = []
        errors: list[BaseException] = []

        async def do() -> None:
            try:
                results.append(await step(self.house))
            except Exception as error:  # noqa: BLE001 - raised again, to whoever plays
                errors.append(error)
            self._step_is_over()

        self._steps.append(do)
        self._run(lambda: bool(results or errors))
        if errors:
            raise errors[0]
        return results[0]

    def close(self) -> None:
        """End the play: the house closes, and checks ledger, census and log."""

        async def end(house: House) -> None:
            self._over = True

        self.play(end)
        self._finish()

    @abstractmethod
    def _let_time_fly(self, fly: bool) -> None:
        """Whether the clock jumps to the next deadline when nothing is left to do."""

    @abstractmethod
    def _run(self, done: Callable[[], bool]) -> None:
        """Run the event loop until this holds."""

    @abstractmethod
    def _step_is_over(self) -> None:
        """Told in the event loop when a step has been played."""

    @abstractmethod
    def _finish(self) -> None:
        """Run the event loop to the end of the play; raise what went wrong."""


class AsyncioStage(Stage):
    """The loop runs only while a step is played."""

    def __init__(self, open_house: OpenHouse) -> None:
        super().__init__(open_house)
        self._loop = VirtualLoop()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._played = opened
        self._task = self._loop.create_task(self._play(lambda: opened.set_result(None)))
        self._loop.run_until_complete(opened)

    def _let_time_fly(self, fly: bool) -> None:
        """It does so only when the loop runs, and that is so only in a step."""

    def _run(self, done: Callable[[], bool]) -> None:
        self._played = self._loop.create_future()
        self._more.set()
        either = asyncio.wait({self._played, self._task}, return_when=asyncio.FIRST_COMPLETED)
        self._loop.run_until_complete(either)
        if self._task.done():
            self._task.result()

    def _step_is_over(self) -> None:
        self._played.set_result(None)

    def _finish(self) -> None:
        try:
            self._loop.run_until_complete(self._task)
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()


class TrioStage(Stage):
    """Trio as a guest: its turns are taken only while a step is played."""

    def __init__(self, open_house: OpenHouse) -> None:
        super().__init__(open_house)
        self._turns: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._clock = MockClock()
        self._outcome: Any = None
        self._token: trio.lowlevel.TrioToken
        opened: list[bool] = []

        async def play() -> None:
            self._token = trio.lowlevel.current_trio_token()
            await self._play(lambda: opened.append(True))

        def over(outcome: Any) -> None:
            self._outcome = outcome

        trio.lowlevel.start_guest_run(
            play,
            run_sync_soon_threadsafe=self._turns.put,
            done_callback=over,
            clock=self._clock,
            host_uses_signal_set_wakeup_fd=True,
            restrict_keyboard_interrupt_to_checkpoints=True,
        )
        self._take_turns(lambda: bool(opened))

    def _let_time_fly(self, fly: bool) -> None:
        self._clock.autojump_threshold = 0 if fly else float("inf")

    def _run(self, done: Callable[[], bool]) -> None:
        self._token.run_sync_soon(self._more.set)
        self._take_turns(done)

    def _step_is_over(self) -> None:
        """`_run` asks after each turn."""

    def _take_turns(self, done: Callable[[], bool]) -> None:
        while not done():
            if self._outcome is not None:
                self._outcome.unwrap()
            self._turns.get(timeout=PATIENCE)()

    def _finish(self) -> None:
        while self._outcome is None:
            self._turns.get(timeout=PATIENCE)()
        self._outcome.unwrap()


STAGES: dict[str, type[Stage]] = {"asyncio": AsyncioStage, "trio": TrioStage}
