"""Moving a task of trio's to where everything is cancelled, and back."""

from __future__ import annotations

import types
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing
from typing import cast

import outcome
import pytest
import trio
from trio.lowlevel import Abort
from trio.testing import wait_all_tasks_blocked

from nspd.core import moving
from nspd.core.moving import Mover, open_mover

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["trio"]),
]


class Place:
    """A nursery in which tasks are left alone, within a scope that is cancelled."""

    def __init__(self, nursery: trio.Nursery, mover: Mover) -> None:
        self.nursery = nursery
        self.mover = mover

    @property
    def scopes(self) -> int:
        """What trio keeps of scopes, entered within the nursery and not left."""
        status = self.nursery.cancel_scope._cancel_status
        assert status is not None
        return len(status.children)

    async def begin(self, body: Callable[[], Awaitable[object]]) -> Task:
        """A task at what it waits for, or at the second thing if it has that at once."""
        task = Task(body)
        self.nursery.start_soon(task.main)
        await wait_all_tasks_blocked()
        return task

    def cancel(self, task: Task) -> None:
        self.mover.cancel(task.task)

    def calm(self, task: Task) -> None:
        self.mover.calm(task.task)


class Task:
    """Whom the mover moves."""

    def __init__(self, body: Callable[[], Awaitable[object]]) -> None:
        self._body = body
        self.task: trio.lowlevel.Task
        self.raised: BaseException | None = None
        """What its body ended with."""
        self.over = trio.Event()

    async def main(self) -> None:
        self.task = trio.lowlevel.current_task()
        try:
            await self._body()
        except (trio.Cancelled, RuntimeError) as raised:
            self.raised = raised
        self.over.set()


@asynccontextmanager
async def a_place() -> AsyncIterator[Place]:
    with trio.CancelScope() as there:
        there.cancel()
        with trio.fail_after(10, shield=True):
            async with trio.open_nursery() as nursery:
                mover = await open_mover(nursery.cancel_scope, there)
                assert mover is not None
                yield Place(nursery, mover)
                nursery.cancel_scope.cancel()


class Swallows:
    """A body that swallows each cancellation, and waits again."""

    def __init__(self) -> None:
        self.felt = 0

    async def __call__(self) -> None:
        while self.felt < 1000:
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                self.felt += 1


async def test_the_wait_ends_with_trios_exception() -> None:
    """It is raised where the task waits, in its next step, and not within the call."""
    async with a_place() as place:
        task = await place.begin(trio.sleep_forever)
        place.cancel(task)
        assert not task.over.is_set()
        await task.over.wait()
        assert isinstance(task.raised, trio.Cancelled)


async def test_the_exception_is_raised_once() -> None:
    """Trio itself would have raised and caught it before it wakes the task with it."""
    async with a_place() as place:
        task = await place.begin(trio.sleep_forever)
        place.cancel(task)
        assert task.task._next_send is not None
        assert not isinstance(task.task._next_send, outcome.Error)
        await task.over.wait()


async def test_it_is_felt_wherever_the_task_waits_from_then_on() -> None:
    """As of a scope that is cancelled."""
    body = Swallows()
    async with a_place() as place:
        task = await place.begin(body)
        place.cancel(task)
        await task.over.wait()
        assert body.felt == 1000


async def test_a_calmed_task_is_left_alone() -> None:
    """Until it is cancelled again."""
    body = Swallows()
    async with a_place() as place:
        task = await place.begin(body)
        for felt in 1, 2, 3:
            place.cancel(task)
            place.calm(task)
            await wait_all_tasks_blocked()
            assert body.felt == felt
        body.felt = 1000


async def test_moving_it_twice_is_moving_it_once() -> None:
    """To either side."""
    body = Swallows()
    async with a_place() as place:
        task = await place.begin(body)
        place.calm(task)
        place.cancel(task)
        place.cancel(task)
        place.calm(task)
        place.calm(task)
        await wait_all_tasks_blocked()
        assert body.felt == 1
        body.felt = 1000


async def test_a_task_that_does_not_wait_feels_it_when_it_does() -> None:
    """As the one that moves itself."""
    passed: list[str] = []

    async def body() -> None:
        place.mover.cancel(trio.lowlevel.current_task())
        passed.append("no wait")
        await trio.lowlevel.checkpoint()
        passed.append("a wait")

    async with a_place() as place:
        task = await place.begin(body)
        assert passed == ["no wait"]
        assert isinstance(task.raised, trio.Cancelled)


async def test_what_it_waited_for_lets_go_of_it() -> None:
    """The task leaves the queue that it stood in: nothing is handed to it any more."""
    lot = trio.lowlevel.ParkingLot()
    async with a_place() as place:
        task = await place.begin(lot.park)
        assert len(lot) == 1
        place.cancel(task)
        assert len(lot) == 0
        await task.over.wait()


async def test_each_gets_an_exception_of_its_own() -> None:
    """Two tasks that are cancelled do not share a traceback."""
    async with a_place() as place:
        one, other = [await place.begin(trio.sleep_forever) for _ in range(2)]
        place.cancel(one)
        place.cancel(other)
        await one.over.wait()
        await other.over.wait()
        assert None is not one.raised is not other.raised is not None


async def test_nobody_else_feels_it() -> None:
    """Others of the nursery go on, and may be cancelled later."""
    async with a_place() as place:
        one, other = [await place.begin(trio.sleep_forever) for _ in range(2)]
        place.cancel(one)
        await wait_all_tasks_blocked()
        assert (one.over.is_set(), other.over.is_set()) == (True, False)
        place.cancel(other)
        await other.over.wait()


async def test_who_has_what_he_waited_for_goes_on_with_it() -> None:
    """What came before the cancellation is not lost."""
    there = trio.Event()
    async with a_place() as place:
        task = await place.begin(there.wait)
        there.set()
        place.cancel(task)
        await task.over.wait()
        assert task.raised is None


async def test_what_cannot_be_aborted_is_asked_once() -> None:
    """Trio asks no wait twice; who is asked may raise the exception when he comes to it."""
    asked: list[Callable[[], object]] = []

    def refuse(raise_cancel: Callable[[], object]) -> Abort:
        asked.append(raise_cancel)
        return Abort.FAILED

    async def body() -> None:
        await trio.lowlevel.wait_task_rescheduled(refuse)

    async with a_place() as place:
        task = await place.begin(body)
        place.cancel(task)
        place.calm(task)
        place.cancel(task)
        assert len(asked) == 1
        assert not task.over.is_set()
        trio.lowlevel.reschedule(task.task, outcome.capture(asked[0]))
        await task.over.wait()
        assert isinstance(task.raised, trio.Cancelled)


async def _within(scopes: list[trio.CancelScope], wait: Callable[[], Awaitable[object]]) -> None:
    async with AsyncExitStack() as stack:
        for scope in scopes:
            stack.enter_context(scope)
        await wait()


@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_a_task_within_scopes_of_its_own(depth: int) -> None:
    """They are moved with it: they let the cancellation pass, and none takes it for its own."""
    scopes = [trio.CancelScope() for _ in range(depth)]
    async with a_place() as place:
        task = await place.begin(lambda: _within(scopes, trio.sleep_forever))
        assert place.scopes == 1
        place.cancel(task)
        await task.over.wait()
        assert isinstance(task.raised, trio.Cancelled)
        assert [scope.cancelled_caught for scope in scopes] == [False] * depth
        assert place.scopes == 0


@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_a_task_within_scopes_is_calmed(depth: int) -> None:
    """Then and after it has left them."""
    body, scopes, leave = Swallows(), [trio.CancelScope() for _ in range(depth)], trio.Event()

    async def swallows_once() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            await leave.wait()

    async def whole() -> None:
        await _within(scopes, swallows_once)
        await body()

    async with a_place() as place:
        task = await place.begin(whole)
        place.cancel(task)
        place.calm(task)
        await wait_all_tasks_blocked()
        leave.set()
        await wait_all_tasks_blocked()
        assert (body.felt, task.over.is_set()) == (0, False)
        place.cancel(task)
        place.calm(task)
        await wait_all_tasks_blocked()
        assert body.felt == 1
        body.felt = 1000


async def test_it_stays_cancelled_when_it_leaves_its_scopes() -> None:
    """And when it was cancelled outside of those that it enters."""
    body = Swallows()

    async def whole() -> None:
        await _within([trio.CancelScope()], once)
        await once()
        await _within([trio.CancelScope()], body)

    async def once() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            return

    async with a_place() as place:
        task = await place.begin(whole)
        place.cancel(task)
        await task.over.wait()
        assert body.felt == 1000


@pytest.mark.parametrize("shields", [(True, False), (False, True)])
async def test_a_shield_holds(shields: tuple[bool, bool]) -> None:
    """However deep that is; behind it the cancellation is felt."""

    async def body() -> None:
        await _within([trio.CancelScope(shield=shield) for shield in shields], go_on.wait)
        behind.append(True)
        await trio.sleep_forever()

    go_on = trio.Event()
    behind: list[bool] = []
    async with a_place() as place:
        task = await place.begin(body)
        place.cancel(task)
        await wait_all_tasks_blocked()
        assert not task.over.is_set()
        go_on.set()
        await task.over.wait()
        assert behind == [True]
        assert isinstance(task.raised, trio.Cancelled)


async def test_what_it_has_started_feels_it_too() -> None:
    """The tasks of its nurseries, and those of theirs."""
    bodies = [Swallows() for _ in range(3)]

    async def body() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bodies[0])
            nursery.start_soon(more)
            await trio.sleep_forever()

    async def more() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bodies[1])
            nursery.start_soon(bodies[2])

    async with a_place() as place:
        task = await place.begin(body)
        place.cancel(task)
        place.calm(task)
        await wait_all_tasks_blocked()
        # The first nursery is cancelled for good: its own task has raised in it.
        assert bodies[0].felt == 1000
        await task.over.wait()
        assert [each.felt for each in bodies] == [1000] * 3


@pytest.mark.parametrize("moved", [False, True])
async def test_nothing_is_wrong_with_a_task_that_has_left_its_scopes(moved: bool) -> None:
    """Wherever it stands."""
    wrong: list[RuntimeError | None] = []

    async def body() -> None:
        task = trio.lowlevel.current_task()
        with trio.CancelScope():
            await trio.lowlevel.checkpoint()
            if moved:
                place.mover.cancel(task)
        wrong.append(place.mover.leave(task))

    async with a_place() as place:
        await place.begin(body)
        assert wrong == [None]


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
async def test_scopes_that_were_left_open_are_closed(depth: int, moved: bool) -> None:
    """Trio would keep what stands for them."""
    wrong: list[RuntimeError | None] = []

    async def body() -> None:
        task = trio.lowlevel.current_task()
        for _ in range(depth):
            trio.CancelScope().__enter__()
        if moved:
            place.mover.cancel(task)
        wrong.append(place.mover.leave(task))

    async with a_place() as place:
        sibling = await place.begin(trio.sleep_forever)
        await place.begin(body)
        assert "left open" in str(wrong[0])
        assert place.scopes == 0
        assert not sibling.over.is_set()


async def test_a_task_that_trio_has_cut_off() -> None:
    """As when another task has left its scope: it can be neither moved nor calmed, but can end."""
    body = Swallows()
    wrong: list[RuntimeError | None] = []

    async def whole() -> None:
        task = trio.lowlevel.current_task()
        trio.CancelScope().__enter__()
        task._cancel_status.close()
        place.mover.cancel(task)
        place.mover.calm(task)
        await body()
        wrong.append(place.mover.leave(task))

    async with a_place() as place:
        sibling = await place.begin(trio.sleep_forever)
        task = await place.begin(whole)
        await task.over.wait()
        assert body.felt == 1000
        assert "left open" in str(wrong[0])
        assert not sibling.over.is_set()


_TASK = ("_abort_func", "_activate_cancel_status", "_cancel_status")


@pytest.mark.parametrize("lacks", _TASK)
def test_tasks_with_other_insides(anyio_backend: str, lacks: str) -> None:
    """A release of trio may not have one of what is handled here."""
    task = types.SimpleNamespace(**dict.fromkeys(_TASK))
    assert moving._is_known_task(cast("trio.lowlevel.Task", task))
    delattr(task, lacks)
    assert not moving._is_known_task(cast("trio.lowlevel.Task", task))


@pytest.mark.parametrize("lacks", ["parent", "close"])
def test_scopes_with_other_insides(anyio_backend: str, lacks: str) -> None:
    """The same of what stands for a scope."""
    status = types.SimpleNamespace(parent=None, close=None)
    scope = types.SimpleNamespace(_cancel_status=status)
    assert moving._is_known_scope(cast("trio.CancelScope", scope))
    delattr(status, lacks)
    assert not moving._is_known_scope(cast("trio.CancelScope", scope))
    del scope._cancel_status
    assert not moving._is_known_scope(cast("trio.CancelScope", scope))


@pytest.mark.parametrize("unknown", ["_is_known_task", "_is_known_scope"])
async def test_with_other_insides_nothing_is_moved(
    unknown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wants to move tasks is told so."""
    monkeypatch.setattr(moving, unknown, lambda it: False)
    with trio.CancelScope() as there:
        async with trio.open_nursery() as nursery:
            assert await open_mover(nursery.cancel_scope, there) is None


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

    async with a_place() as place:
        task = await place.begin(trio.sleep_forever)
        place.cancel(task)
        woken_with = task.task._next_send
        assert isinstance(woken_with, outcome.Outcome)
    with closing(waits()) as generator:
        next(generator)
        assert woken_with.send(generator) == "cancelled"
    async with aclosing(waits_too()) as asynchronous:
        await anext(asynchronous)
        assert await woken_with.asend(asynchronous) == "cancelled"
