"""Event loops turned by hand: tasks take steps only when a schedule says so.

On asyncio that is `SteppedLoop`; on trio it is trio's own scheduler, which is
told to run until nothing can go on, with the order of its tasks fixed.
"""

from __future__ import annotations

from asyncio.events import _set_running_loop
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from importlib import import_module
from typing import Any, Protocol, TypeVar
from unittest.mock import patch

import trio
from sniffio import current_async_library_cvar
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.exhaustive.stepped import SteppedLoop

_T = TypeVar("_T")


class Hand(Protocol):
    """What turns the loop."""

    @property
    def backend(self) -> str:
        """Its name among `BACKENDS`."""

    def now(self) -> float:
        """The time in seconds."""

    def pass_until(self, when: float) -> None:
        """Let time pass; what is then due happens when tasks take their turns."""

    def rest(self) -> Awaitable[None]:
        """Let every task take steps until none can."""

    @property
    def stirring(self) -> bool:
        """Whether a task can take a step, as far as the loop can tell."""


Service = Callable[["Hand"], Awaitable[None]]
"""A task of the loop, there from the first event to the last; it ends when cancelled."""


def run_on_asyncio(service: Service, main: Callable[[Hand], Coroutine[Any, Any, _T]]) -> _T:
    """Run the schedules outside of any task, as the daemon's poller runs requests."""
    hand = SteppedLoop()
    _set_running_loop(hand.as_loop)
    library = current_async_library_cvar.set("asyncio")
    try:
        serving = hand.create_task(service(hand))
        hand.take_turns()
        if serving.done():
            serving.result()
        schedules = main(hand)
        try:
            while True:
                schedules.send(None)
                hand.take_turns()
        except StopIteration as over:
            result: _T = over.value
        finally:
            serving.cancel()
            hand.take_turns()
        if not serving.cancelled():
            serving.result()
        assert not hand.complaints, hand.complaints
        return result
    finally:
        current_async_library_cvar.reset(library)
        _set_running_loop(None)


class _TrioHand:
    def __init__(self, clock: MockClock, backend: str) -> None:
        self.backend = backend
        self._clock = clock

    def now(self) -> float:
        return trio.current_time()

    def pass_until(self, when: float) -> None:
        self._clock.jump(max(0.0, when - trio.current_time()))

    @property
    def stirring(self) -> bool:
        return trio.lowlevel.current_statistics().tasks_runnable > 0

    async def rest(self) -> None:
        await wait_all_tasks_blocked()


class _Order:
    """In place of trio's dice, which decide in which order a batch of tasks goes."""

    def __init__(self, *, reverse: bool) -> None:
        self._value = 0.0 if reverse else 1.0

    def random(self) -> float:
        return self._value


def run_on_trio(
    service: Service, main: Callable[[Hand], Coroutine[Any, Any, _T]], *, reverse: bool = False
) -> _T:
    """Run the schedules in a task of trio's. Tasks go first come, first served, or in reverse."""
    clock = MockClock()
    hand = _TrioHand(clock, "trio-reversed" if reverse else "trio")
    outcome: list[_T] = []
    failures: list[Exception] = []

    async def both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service, hand)
            await hand.rest()
            try:
                outcome.append(await main(hand))
            except Exception as error:  # noqa: BLE001 - raised below, and not in a group
                failures.append(error)
            nursery.cancel_scope.cancel()

    scheduler = import_module("trio._core._run")
    with (
        patch.object(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", False),
        patch.object(scheduler, "_r", _Order(reverse=reverse)),
    ):
        try:
            trio.run(both, clock=clock)
        except Exception as error:  # noqa: BLE001 - raised below, after that of the schedules
            failures.append(error)
    if failures:
        raise failures[0]
    return outcome[0]


BACKENDS: dict[str, Callable[[Service, Callable[[Hand], Coroutine[Any, Any, Any]]], Any]] = {
    "asyncio": run_on_asyncio,
    "trio": run_on_trio,
    "trio-reversed": partial(run_on_trio, reverse=True),
}
