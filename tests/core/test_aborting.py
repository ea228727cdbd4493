"""Aborting what a task of trio's waits for, just before its scope is cancelled."""

from __future__ import annotations

import types
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from typing import cast

import outcome
import pytest
import trio
from trio.lowlevel import Abort

from nspd.core.aborting import Aborter, open_aborter

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["trio"]),
]


async def _aborter() -> Aborter:
    aborter: Aborter | None = None
    with trio.CancelScope() as cancelled:
        cancelled.cancel()
        aborter = await open_aborter()
    assert aborter is not None, "it let the cancellation through"
    return aborter


class Task:
    """One that waits within a scope; see `waiting`."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.task: trio.lowlevel.Task
        self.raised: BaseException | None = None
        """What its wait ended with."""
        self.over = trio.Event()

    async def main(self, wait: Callable[[], Awaitable[object]]) -> None:
        self.task = trio.lowlevel.current_task()
        with self.scope:
            try:
                await wait()
            except trio.Cancelled as cancelled:
                self.raised = cancelled
        self.over.set()


@asynccontextmanager
async def waiting(wait: Callable[[], Awaitable[object]]) -> AsyncIterator[Task]:
    """A task at that wait, or a few steps into it."""
    task = Task()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(task.main, wait)
        await trio.testing.wait_all_tasks_blocked()
        yield task
        nursery.cancel_scope.cancel()


async def test_the_wait_ends_with_trios_exception() -> None:
    """It is raised where the task waits, in its next step, and not within the call."""
    aborter = await _aborter()
    async with waiting(trio.sleep_forever) as task:
        aborter.abort(task.task, task.scope)
        assert not task.over.is_set()
        await task.over.wait()
        assert isinstance(task.raised, trio.Cancelled)


async def test_the_scope_finds_nothing_left_to_do() -> None:
    """What the task is woken with stays what it is."""
    aborter = await _aborter()
    async with waiting(trio.sleep_forever) as task:
        aborter.abort(task.task, task.scope)
        woken_with = task.task._next_send
        task.scope.cancel()
        assert task.task._next_send is woken_with
        await task.over.wait()
        assert isinstance(task.raised, trio.Cancelled)


async def test_what_it_waited_for_lets_go_of_it() -> None:
    """The task leaves the queue that it stood in: nothing is handed to it any more."""
    aborter = await _aborter()
    lot = trio.lowlevel.ParkingLot()
    async with waiting(lot.park) as task:
        assert len(lot) == 1
        aborter.abort(task.task, task.scope)
        assert len(lot) == 0
        await task.over.wait()


async def test_each_gets_an_exception_of_its_own() -> None:
    """Two tasks that are aborted do not share a traceback."""
    aborter = await _aborter()
    async with waiting(trio.sleep_forever) as one, waiting(trio.sleep_forever) as other:
        aborter.abort(one.task, one.scope)
        aborter.abort(other.task, other.scope)
        await one.over.wait()
        await other.over.wait()
        assert None is not one.raised is not other.raised is not None


async def test_scopes_within_are_no_shields() -> None:
    """A task that waits within other scopes is aborted all the same."""
    within = trio.CancelScope(), trio.CancelScope()

    async def wait() -> None:
        with within[0], within[1]:
            await trio.sleep_forever()

    aborter = await _aborter()
    async with waiting(wait) as task:
        aborter.abort(task.task, task.scope)
        await task.over.wait()
        assert isinstance(task.raised, trio.Cancelled)


@pytest.mark.parametrize("shields", [(True, False), (False, True)])
async def test_behind_a_shield_it_is_not_aborted(shields: tuple[bool, bool]) -> None:
    """However deep that is."""

    async def wait() -> None:
        with trio.CancelScope(shield=shields[0]), trio.CancelScope(shield=shields[1]):
            await go_on.wait()

    go_on = trio.Event()
    aborter = await _aborter()
    async with waiting(wait) as task:
        aborter.abort(task.task, task.scope)
        await trio.testing.wait_all_tasks_blocked()
        go_on.set()
        await task.over.wait()
        assert task.raised is None


@pytest.mark.parametrize("elsewhere", [False, True], ids=["not entered", "another's"])
async def test_outside_of_the_scope_it_is_not_aborted(elsewhere: bool) -> None:
    """Only who waits within the scope is."""
    aborter = await _aborter()
    async with waiting(trio.sleep_forever) as task, waiting(trio.sleep_forever) as other:
        aborter.abort(task.task, other.scope if elsewhere else trio.CancelScope())
        await trio.testing.wait_all_tasks_blocked()
        assert not task.over.is_set()


async def test_who_has_what_he_waited_for_is_not_aborted() -> None:
    """What came before the cancellation is not lost."""
    there = trio.Event()
    aborter = await _aborter()
    async with waiting(there.wait) as task:
        there.set()
        aborter.abort(task.task, task.scope)
        await task.over.wait()
        assert task.raised is None


async def test_what_cannot_be_aborted_is_asked_once() -> None:
    """Trio asks no wait twice; who is asked may raise the exception when he comes to it."""
    asked: list[Callable[[], object]] = []

    def refuse(raise_cancel: Callable[[], object]) -> Abort:
        asked.append(raise_cancel)
        return Abort.FAILED

    async def wait() -> None:
        await trio.lowlevel.wait_task_rescheduled(refuse)

    aborter = await _aborter()
    async with waiting(wait) as task:
        aborter.abort(task.task, task.scope)
        task.scope.cancel()
        assert len(asked) == 1
        assert not task.over.is_set()
        trio.lowlevel.reschedule(task.task, outcome.capture(asked[0]))
        await task.over.wait()
        assert isinstance(task.raised, trio.Cancelled)


_STATUS = object()


@pytest.mark.parametrize(
    ("of_task", "of_scope"),
    [
        ({}, {}),
        ({"_cancel_status": None}, {"_cancel_status": None}),
        ({"_cancel_status": _STATUS}, {}),
        ({}, {"_cancel_status": _STATUS}),
        ({"_cancel_status": object()}, {"_cancel_status": _STATUS}),
        (
            {"_cancel_status": types.SimpleNamespace(_scope=trio.CancelScope())},
            {"_cancel_status": _STATUS},
        ),
    ],
)
async def test_other_insides(of_task: dict[str, object], of_scope: dict[str, object]) -> None:
    """A release of trio may not have what is read here: then nothing is aborted."""
    asked: list[object] = []
    task = types.SimpleNamespace(_abort_func=asked.append, **of_task)
    scope = types.SimpleNamespace(**of_scope)
    aborter = await _aborter()
    aborter.abort(cast("trio.lowlevel.Task", task), cast("trio.CancelScope", scope))
    assert asked == []


async def test_no_way_to_abort() -> None:
    """As in a release of trio that keeps it elsewhere: the task goes on waiting."""
    aborter = await _aborter()
    async with waiting(trio.sleep_forever) as task:
        elsewhere = types.SimpleNamespace(_cancel_status=task.task._cancel_status)
        aborter.abort(cast("trio.lowlevel.Task", elsewhere), task.scope)
        await trio.testing.wait_all_tasks_blocked()
        assert not task.over.is_set()


async def test_a_whole_outcome() -> None:
    """What a task is woken with can do all that an outcome can, should trio ask for it."""

    def waits() -> Generator[str, object, None]:
        try:
            yield "waits"
        except trio.Cancelled:
            yield "cancelled"

    async def waits_too() -> AsyncGenerator[str, object]:
        try:
            yield "waits"
        except trio.Cancelled:
            yield "cancelled"

    aborter = await _aborter()
    async with waiting(trio.sleep_forever) as task:
        aborter.abort(task.task, task.scope)
        woken_with = task.task._next_send
        assert isinstance(woken_with, outcome.Outcome)
    generator = waits()
    next(generator)
    assert woken_with.send(generator) == "cancelled"
    asynchronous = waits_too()
    await anext(asynchronous)
    assert await woken_with.asend(asynchronous) == "cancelled"
