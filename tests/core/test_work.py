"""Provider work: one task in one cancel scope, supervised."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Awaitable, Callable

import anyio
import pytest
import trio
from anyio.lowlevel import checkpoint

import nspd.core.work_asyncio
from nspd.core import moving
from nspd.core.backend import open_work_group, time_source
from nspd.core.work import Work, give_way_if_cancelled
from nspd.core.work_trio import MovedWork, ScopedWork, TrioGroup
from tests.backends import backend
from tests.core.world import DEADLINE, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("insides")]


@pytest.fixture(params=["as released", "other insides"])
def insides(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """What work reads of tasks and scopes; a release of asyncio, anyio or trio may not have it."""
    if request.param == "other insides":
        monkeypatch.setattr(nspd.core.work_asyncio, "_awaited_by", lambda task, scope: None)
        monkeypatch.setattr(moving, "_is_known_scope", lambda scope: False)
    return bool(request.param == "as released")


class Ends:
    """Takes what `done` of a work is called with."""

    def __init__(self) -> None:
        self.errors: list[BaseException | None] = []

    def __call__(self, error: BaseException | None) -> None:
        self.errors.append(error)


async def _returns() -> None:
    """A body that has nothing to do."""


async def _hangs() -> None:
    await anyio.sleep_forever()


async def _fails() -> None:
    raise LookupError("as planned")


async def test_done_is_told_how_the_body_ended() -> None:
    """`done` is called once: with None after a return, with the exception after a failure."""
    async with open_work_group() as group:
        returned, failed = Ends(), Ends()
        group.start(_returns, returned)
        group.start(_fails, failed)
        assert (group.running, group.started) == (2, 2)
        await until(lambda: group.running == 0)
        assert returned.errors == [None]
        assert [type(error) for error in failed.errors] == [LookupError]


async def test_start_takes_no_step() -> None:
    """The body's first step is never within the call that starts it."""
    stepped: list[bool] = []

    async def body() -> None:
        stepped.append(True)

    async with open_work_group() as group:
        group.start(body, Ends())
        assert stepped == []
        await until(lambda: stepped)


async def test_cancel_before_the_first_step() -> None:
    """Work cancelled before its first step never runs its body, and is done all the same."""
    stepped: list[bool] = []

    async def body() -> None:
        stepped.append(True)

    async with open_work_group() as group:
        ends = Ends()
        work = group.start(body, ends)
        work.cancel()
        await until(lambda: work.finished)
        assert (stepped, ends.errors, group.running) == ([], [None], 0)


async def test_cancel_is_delivered_once() -> None:
    """The scope is cancelled by the first `cancel`; further ones, and late ones, do nothing."""
    async with open_work_group() as group:
        ends = Ends()
        work = group.start(_hangs, ends)
        await until(lambda: work.started)
        work.cancel()
        work.cancel()
        assert (work.cancel_called, work.cancelled_caught) == (True, False)
        await until(lambda: work.finished)
        assert (work.cancelled_caught, ends.errors) == (True, [None])
        work.cancel()

        over = group.start(_returns, Ends())
        await until(lambda: over.finished)
        over.cancel()
        assert not over.cancel_called


async def _stray_cancellation() -> BaseException:
    caught: BaseException | None = None
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await checkpoint()
        except anyio.get_cancelled_exc_class() as cancelled:
            caught = cancelled
    assert caught is not None
    return caught


async def _foreign() -> None:
    raise await _stray_cancellation()


async def _foreign_in_a_group() -> None:
    raise BaseExceptionGroup("of a task group", [await _stray_cancellation()])


async def _foreign_beside_an_error() -> None:
    raise BaseExceptionGroup("of a task group", [await _stray_cancellation(), LookupError()])


@pytest.mark.parametrize("body", [_foreign, _foreign_in_a_group, _foreign_beside_an_error])
async def test_nobodys_cancellation_is_an_error(body: Callable[[], Awaitable[None]]) -> None:
    """A cancellation that is neither the work's nor the group's is its failure alone (C15)."""
    async with open_work_group() as group:
        sibling = group.start(_hangs, Ends())
        ends = Ends()
        work = group.start(body, ends)
        await until(lambda: work.finished)
        assert [error is not None for error in ends.errors] == [True]
        assert not work.cancelled_caught
        for _ in range(5):
            await checkpoint()
        assert not sibling.finished
        reached_the_end = True
    assert reached_the_end


@pytest.mark.parametrize("in_a_group", [False, True])
async def test_the_groups_end_is_nobodys_outcome(in_a_group: bool) -> None:
    """Leaving the group cancels what runs, and `done` is not told: no lookup ended (C15)."""
    ends = Ends()

    async def body() -> None:
        if in_a_group:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_hangs)
                await anyio.sleep_forever()
        await anyio.sleep_forever()

    async with open_work_group() as group:
        work = group.start(body, ends)
        await until(lambda: work.started)
        await checkpoint()
    assert work.finished
    assert not work.cancel_called
    assert ends.errors == []


async def test_a_cancelled_host_leaves_no_task_behind() -> None:
    """A cancellation of who holds the group comes through once all work has ended."""
    with anyio.CancelScope() as scope:
        async with open_work_group() as group:
            work = group.start(_hangs, Ends())
            await until(lambda: work.started)
            scope.cancel()
            await checkpoint()
    assert scope.cancelled_caught
    assert work.finished


async def test_give_way_raises_again_what_was_swallowed() -> None:
    """`give_way` ends work that has swallowed its cancellation, even after `press`."""
    swallowed = anyio.Event()
    go_on = anyio.Event()
    passed: list[bool] = []

    async def body() -> None:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            swallowed.set()
        with anyio.CancelScope(shield=True):
            await go_on.wait()
        await work.give_way()
        passed.append(True)

    async with open_work_group() as group:
        ends = Ends()
        work: Work = group.start(body, ends)
        await until(lambda: work.started)
        await checkpoint()
        work.cancel()
        await until(swallowed.is_set)
        work.press()
        go_on.set()
        await until(lambda: work.finished)
        assert (passed, work.cancelled_caught, ends.errors) == ([], True, [None])


async def test_give_way_respects_a_shield() -> None:
    """Within a shielded clean-up `give_way` returns, so that the clean-up goes on."""
    steps: list[str] = []

    async def body() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await work.give_way()
                steps.append("cleaned up")

    async with open_work_group() as group:
        work: Work = group.start(body, Ends())
        await until(lambda: work.started)
        await checkpoint()
        work.cancel()
        await until(lambda: work.finished)
        assert (steps, work.cancelled_caught) == (["cleaned up"], True)


class Swallows:
    """A body that takes every cancellation for nothing, until it is released."""

    def __init__(self) -> None:
        self.resumed = 0
        """Cancellations so far."""
        self.released = anyio.Event()

    async def __call__(self) -> None:
        while not self.released.is_set():
            try:
                await self.wait()
            except anyio.get_cancelled_exc_class():
                self.resumed += 1

    async def wait(self) -> None:
        """What it does over and over."""
        await self.released.wait()

    async def resumed_in(self, turns: int) -> int:
        """How often it is cancelled in so many turns of the event loop."""
        before = self.resumed
        for _ in range(turns):
            await checkpoint()
        return self.resumed - before


@pytest.mark.parametrize("told", [False, True], ids=["cancelled", "only told"])
async def test_pressed_once_and_left_alone(told: bool) -> None:
    """Work that was pressed is left alone until it is pressed again, and then resumed once.

    If it had only been told to return, it is first pressed to be cancelled.
    """
    body = Swallows()
    async with open_work_group() as group:
        work = group.start(body, Ends())
        await until(lambda: work.started)
        await checkpoint()
        work.cancel(deliver=not told)
        if told:
            work.press()
        await until(lambda: body.resumed >= (1 if told else 5))
        work.press()
        await body.resumed_in(3)
        assert await body.resumed_in(50) == 0
        work.press()
        assert await body.resumed_in(50) == 1
        body.released.set()
        await until(lambda: work.finished)


class SwallowsWithin(Swallows):
    """The same, with other scopes within the work's own."""

    def __init__(self, within: str) -> None:
        super().__init__()
        self._within = within
        self.opened = anyio.Event()
        """Until then it waits behind a shield, if it has one."""
        self.was_shielded = False

    async def wait(self) -> None:
        if "shield" in self._within and not self.opened.is_set():
            with anyio.CancelScope(shield=True):
                self.was_shielded = True
                await self.opened.wait()
        if "task group" in self._within:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.released.wait)
                await self.released.wait()
        else:
            await self.released.wait()


@pytest.mark.parametrize("within", ["task group", "shield", "task group and shield"])
async def test_pressed_within_another_scope_it_is_left_alone_behind_that(within: str) -> None:
    """A scope that the work leaves after it was pressed does not begin to press it again."""
    body = SwallowsWithin(within)
    async with open_work_group() as group:
        work = group.start(body, Ends())
        await until(lambda: work.started)
        await body.resumed_in(3)
        work.cancel()
        await body.resumed_in(5)
        work.press()
        body.opened.set()
        await body.resumed_in(5)
        resumed = await body.resumed_in(50)
        body.released.set()
        await until(lambda: work.finished)
        assert resumed == 0
        assert body.was_shielded == ("shield" in within)


async def test_work_that_was_only_told_is_cancelled_when_it_is_pressed() -> None:
    """It need not wait for anything: the next step that can be cancelled is."""
    steps = 0

    async def body() -> None:
        nonlocal steps
        while steps < 10_000:
            await checkpoint()
            steps += 1

    async with open_work_group() as group:
        ends = Ends()
        work = group.start(body, ends)
        await until(lambda: work.started)
        work.cancel(deliver=False)
        for _ in range(20):
            await checkpoint()
        assert not work.finished
        work.press()
        for _ in range(20):
            await checkpoint()
        assert (work.finished, work.cancelled_caught, ends.errors) == (True, True, [None])
        assert steps < 100


async def test_a_cancellation_in_a_group_of_ones_own_is_no_error() -> None:
    """However the body lets its cancellation pass, `done` is told None."""

    async def body() -> None:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class() as cancelled:
            raise BaseExceptionGroup("of the body's own", [cancelled]) from None

    async with open_work_group() as group:
        ends = Ends()
        work = group.start(body, ends)
        await until(lambda: work.started)
        await checkpoint()
        work.cancel()
        await until(lambda: work.finished)
        assert (work.cancelled_caught, ends.errors) == (True, [None])


async def test_pressing_at_once_leaves_no_cancellation_that_comes_again() -> None:
    """The grace may be over before the daemon has looked whether the work has ended."""
    body = Swallows()
    async with open_work_group() as group:
        work = group.start(body, Ends())
        await until(lambda: work.started)
        await checkpoint()
        work.cancel()
        work.press()
        assert await body.resumed_in(5) in (1, 2)
        assert await body.resumed_in(50) == 0
        body.released.set()
        await until(lambda: work.finished)


async def test_swallowing_once_is_not_enough() -> None:
    """Each thing that the body waits for after its End is cancelled, too, soon enough."""
    swallowed = 0

    async def body() -> None:
        nonlocal swallowed
        for _ in range(3):
            with contextlib.suppress(anyio.get_cancelled_exc_class()):
                try:
                    await anyio.sleep_forever()
                finally:
                    swallowed += 1
        await anyio.sleep_forever()

    async with open_work_group() as group:
        ends = Ends()
        work = group.start(body, ends)
        await until(lambda: work.started)
        await checkpoint()
        work.cancel()
        for _ in range(20):
            await checkpoint()
        assert work.finished
        assert (swallowed, work.cancelled_caught, ends.errors) == (3, True, [None])


async def test_what_came_before_the_cancellation_is_not_lost() -> None:
    """Who has what he waited for goes on with it, and is cancelled at what he awaits next."""
    came: list[str] = []
    there = anyio.Event()

    async def body() -> None:
        await there.wait()
        came.append("what was waited for")
        await anyio.sleep_forever()
        came.append("more")

    async with open_work_group() as group:
        work = group.start(body, Ends())
        await until(lambda: work.started)
        await checkpoint()
        there.set()
        work.cancel()
        for _ in range(20):
            await checkpoint()
        assert (came, work.finished, work.cancelled_caught) == (["what was waited for"], True, True)


@pytest.mark.parametrize("when", ["before", "in between", "after"])
async def test_a_shield_holds(when: str) -> None:
    """A shielded step is not interrupted, whether it began before the cancellation or after."""
    steps: list[str] = []
    go_on = anyio.Event()

    async def body() -> None:
        try:
            if when != "before":
                await (anyio.sleep_forever() if when == "after" else checkpoint())
        finally:
            with anyio.CancelScope(shield=True):
                await go_on.wait()
                steps.append("cleaned up")
        await checkpoint()
        steps.append("not reached")

    async with open_work_group() as group:
        work = group.start(body, Ends())
        await until(lambda: work.started)
        if when != "in between":
            await checkpoint()
        work.cancel()
        for _ in range(20):
            await checkpoint()
        assert (steps, work.finished) == ([], False)
        go_on.set()
        await until(lambda: work.finished)
        assert (steps, work.cancelled_caught) == (["cleaned up"], True)


async def test_a_childs_shield_holds() -> None:
    """What a task group's children shield is theirs, too."""
    steps: list[str] = []
    go_on = anyio.Event()

    async def child() -> None:
        with anyio.CancelScope(shield=True):
            await go_on.wait()
            steps.append("child")

    async def body() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(child)
            await anyio.sleep_forever()

    async with open_work_group() as group:
        work = group.start(body, Ends())
        await until(lambda: work.started)
        for _ in range(3):
            await checkpoint()
        work.cancel()
        for _ in range(20):
            await checkpoint()
        assert (steps, work.finished) == ([], False)
        go_on.set()
        await until(lambda: work.finished)
        assert (steps, work.cancelled_caught) == (["child"], True)


async def test_outside_of_work_there_is_nothing_to_give_way_to() -> None:
    """A provider may call a worker from a task of its own, for no lookup (`Host.run_blocking`)."""
    await give_way_if_cancelled()


class Stop(BaseException):
    """Something that must stop the process, as KeyboardInterrupt does."""


async def test_what_must_stop_the_process_is_no_failure_of_a_provider() -> None:
    """In a group, too, it goes on its way; the work's reader is not told of it as an error."""

    async def body() -> None:
        raise BaseExceptionGroup("of a task group", [Stop(), LookupError()])

    ends = Ends()
    with contextlib.suppress(Stop, BaseExceptionGroup):
        async with open_work_group() as group:
            group.start(body, ends)
            await until(lambda: group.running == 0)
    assert ends.errors == [None]


@pytest.mark.parametrize("anyio_backend", [backend("trio")])
@pytest.mark.parametrize("raised", [Stop(), BaseExceptionGroup("of a task group", [Stop()])])
async def test_what_must_stop_the_process_stops_the_other_work(raised: BaseException) -> None:
    """On trio the group ends with it, and waits for nothing that would never end."""
    ends = Ends()
    steps: list[str] = []

    async def fails() -> None:
        raise raised

    async def lingers() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            steps.append("stopped")

    with anyio.move_on_after(DEADLINE) as patience, pytest.raises((Stop, BaseExceptionGroup)):
        async with open_work_group() as group:
            sibling = group.start(lingers, ends)
            await until(lambda: sibling.started)
            group.start(fails, Ends())
            await anyio.sleep_forever()
    assert not patience.cancel_called
    assert steps == ["stopped"]
    assert ends.errors == []


@pytest.mark.parametrize("anyio_backend", [backend("trio")])
async def test_what_must_stop_the_process_waits_for_no_clean_up() -> None:
    """Whoever holds the group open is stopped at once, and not when the slowest work is over."""
    clean_up = anyio.Event()

    async def slow() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await clean_up.wait()

    async def fails() -> None:
        raise Stop

    with anyio.move_on_after(DEADLINE) as patience, pytest.raises((Stop, BaseExceptionGroup)):
        async with open_work_group() as group:
            sibling = group.start(slow, Ends())
            await until(lambda: sibling.started)
            group.start(fails, Ends())
            try:
                await anyio.sleep_forever()
            finally:
                assert not sibling.finished
                clean_up.set()
    assert not patience.cancel_called
    assert sibling.finished


@pytest.mark.parametrize("anyio_backend", [backend("trio")])
async def test_stopping_work_is_not_calmed() -> None:
    """The clock may say that its grace is over just when the daemon stops."""

    async def stubborn() -> None:
        with contextlib.suppress(anyio.get_cancelled_exc_class()):
            await anyio.sleep_forever()
        work.press()
        work.press()
        await anyio.sleep_forever()

    with anyio.fail_after(DEADLINE):
        async with open_work_group() as group:
            work = group.start(stubborn, Ends())
            await until(lambda: work.started)
            await checkpoint()
    assert work.finished


async def test_calmed_work_is_stopped_with_the_group() -> None:
    """What was left alone after its End does not keep the daemon from stopping."""
    swallowed: list[bool] = []

    async def stubborn() -> None:
        with contextlib.suppress(anyio.get_cancelled_exc_class()):
            await anyio.sleep_forever()
        swallowed.append(True)
        await anyio.sleep_forever()

    with anyio.fail_after(DEADLINE):
        async with open_work_group() as group:
            work = group.start(stubborn, Ends())
            await until(lambda: work.started)
            await checkpoint()
            work.cancel()
            work.press()
            await until(lambda: len(swallowed) == 1)
            for _ in range(5):
                await checkpoint()
            assert not work.finished
    assert work.finished


async def test_errors_beside_the_cancellation_are_told() -> None:
    """What a cancelled provider's task group raises: its errors, without the cancellations."""
    ends = Ends()

    async def fails_when_cancelled() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise LookupError

    async def body() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fails_when_cancelled)
            tasks.start_soon(anyio.sleep_forever)
            await anyio.sleep_forever()

    async with open_work_group() as group:
        work = group.start(body, ends)
        await until(lambda: work.started)
        for _ in range(3):
            await checkpoint()
        work.cancel()
        await until(lambda: work.finished)
    (error,) = ends.errors
    assert isinstance(error, ExceptionGroup)
    assert [type(each) for each in error.exceptions] == [LookupError]


async def test_work_that_begins_while_the_group_stops_is_not_left_behind() -> None:
    """What the end of one work starts is stopped as well, and waited for."""
    late: list[Work] = []
    steps: list[str] = []

    async def stubborn() -> None:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await checkpoint()
                late.append(group.start(lingers, Ends()))
                await checkpoint()
            raise

    async def lingers() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            steps.append("stopped")

    with anyio.fail_after(DEADLINE):
        async with open_work_group() as group:
            work = group.start(stubborn, Ends())
            await until(lambda: work.started)
            await checkpoint()
    assert [work.finished for work in late] == [True]
    assert steps == ["stopped"]


async def test_cleaning_up_is_not_cancelled_again_while_the_group_stops() -> None:
    """Others may end meanwhile: a shield holds against the group's own end, too."""
    cleaned: list[bool] = []
    begun: list[bool] = []

    async def cleans_up() -> None:
        begun.append(True)
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                for _ in range(20):
                    await checkpoint()
            cleaned.append(True)

    async def takes_a_while() -> None:
        begun.append(True)
        with contextlib.suppress(anyio.get_cancelled_exc_class()):
            await anyio.sleep_forever()

    async with open_work_group() as group:
        group.start(cleans_up, Ends())
        group.start(takes_a_while, Ends())
        await until(lambda: len(begun) == 2)
    assert cleaned == [True]


@pytest.mark.parametrize("anyio_backend", [backend("uvloop")])
async def test_the_clock_on_uvloop_goes_on_within_a_turn() -> None:
    """uvloop's own is looked at once a turn, and rounded: a budget would end early or late."""
    clock = time_source()
    began, first = time.monotonic(), clock()
    while time.monotonic() - began < 0.003:
        pass
    assert 0.002 < clock() - first < DEADLINE


async def test_after_a_call_that_nothing_could_interrupt_work_gives_way() -> None:
    """`give_way_if_cancelled` knows whose task it is in, whatever was swallowed before."""
    passed: list[str] = []

    async def body() -> None:
        await give_way_if_cancelled()
        passed.append("not cancelled")
        with contextlib.suppress(anyio.get_cancelled_exc_class()):
            await anyio.sleep_forever()
        await give_way_if_cancelled()
        passed.append("cancelled")

    async with open_work_group() as group:
        ends = Ends()
        work = group.start(body, ends)
        await until(lambda: passed)
        work.cancel()
        await until(lambda: work.finished)
        assert (passed, ends.errors) == (["not cancelled"], [None])


async def test_a_group_of_cancellations_is_no_outcome_while_the_daemon_stops() -> None:
    """Some libraries gather what their tasks were cancelled with; no lookup ended by it (C15)."""
    begun: list[bool] = []

    async def body() -> None:
        begun.append(True)
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class() as cancelled:
            raise BaseExceptionGroup("several", [cancelled]) from None

    ends = Ends()
    async with open_work_group() as group:
        group.start(body, ends)
        await until(lambda: begun)
    assert ends.errors == []


@pytest.mark.parametrize("failure", [None, LookupError("as planned")], ids=["returns", "fails"])
async def test_scopes_that_the_body_leaves_open_are_its_error(failure: Exception | None) -> None:
    """However it ends; and nobody else's work is cancelled or corrupted by it."""
    left_open: list[anyio.CancelScope] = []

    async def body() -> None:
        left_open.append(anyio.CancelScope().__enter__())
        if failure is not None:
            raise failure

    async with open_work_group() as group:
        sibling = group.start(_hangs, Ends())
        ends = Ends()
        work = group.start(body, ends)
        await until(lambda: work.finished)
        (error,) = ends.errors
        assert isinstance(error, RuntimeError)
        assert error.__context__ is failure
        for _ in range(5):
            await checkpoint()
        assert group.running == 1
        sibling.cancel()
        await until(lambda: sibling.finished)
        assert sibling.cancelled_caught


@pytest.mark.parametrize("failure", [LookupError(), ExceptionGroup("several", [LookupError()])])
async def test_a_failure_while_the_group_stops_is_told(failure: Exception) -> None:
    """It concerns the work alone, and does not come out of the group."""
    begun: list[bool] = []

    async def body() -> None:
        begun.append(True)
        try:
            await anyio.sleep_forever()
        finally:
            raise failure

    ends = Ends()
    async with open_work_group() as group:
        group.start(body, ends)
        await until(lambda: begun)
    assert ends.errors == [failure]


@pytest.mark.parametrize("anyio_backend", [backend("trio")])
async def test_while_the_group_stops_work_may_cancel_other_work() -> None:
    """From what trio calls to abort a wait, at any place in the order in which it does so."""
    works: list[Work] = []

    async def cancels_all() -> None:
        def abort(_: object) -> trio.lowlevel.Abort:
            for work in works:
                work.cancel()
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    with anyio.fail_after(DEADLINE):
        async with open_work_group() as group:
            for _ in range(5):
                works.extend((group.start(_hangs, Ends()), group.start(cancels_all, Ends())))
            await until(lambda: all(work.started for work in works))
            for _ in range(5):
                await checkpoint()
    assert all(work.finished for work in works)


async def test_a_wait_that_nothing_can_interrupt_is_followed_by_the_cancellation() -> None:
    """The body goes on with what it waited for, and is cancelled at what it awaits next."""
    come, go = threading.Event(), threading.Event()
    got: list[str] = []

    def takes_its_time() -> str:
        come.set()
        assert go.wait(DEADLINE)
        return "all of it"

    async def body() -> None:
        got.append(await anyio.to_thread.run_sync(takes_its_time))
        await anyio.sleep_forever()

    async with open_work_group() as group:
        ends = Ends()
        work = group.start(body, ends)
        await until(come.is_set)
        work.cancel()
        for _ in range(5):
            await checkpoint()
        assert not work.finished
        go.set()
        await until(lambda: work.finished)
        assert (got, work.cancelled_caught, ends.errors) == (["all of it"], True, [None])


async def test_what_is_sent_to_cancelled_work_is_not_lost() -> None:
    """It is there for the next one who asks: the work, which did not get it, ends without."""
    send, receive = anyio.create_memory_object_stream[str](1)
    got: list[str] = []

    async def body() -> None:
        got.append(await receive.receive())

    with send, receive:
        async with open_work_group() as group:
            work = group.start(body, Ends())
            await until(lambda: work.started)
            await checkpoint()
            work.cancel()
            send.send_nowait("a record")
            await until(lambda: work.finished)
            assert (got, work.cancelled_caught) == ([], True)
        assert receive.receive_nowait() == "a record"


async def test_no_scope_within_takes_the_cancellation_for_its_own() -> None:
    """Not even one that is cancelled while the body is being unwound."""
    went_on: list[bool] = []

    async def body() -> None:
        with anyio.CancelScope() as within:
            try:
                await anyio.sleep_forever()
            finally:
                within.cancel()
        went_on.append(within.cancelled_caught)

    async with open_work_group() as group:
        work = group.start(body, Ends())
        await until(lambda: work.started)
        await checkpoint()
        work.cancel()
        await until(lambda: work.finished)
        assert (went_on, work.cancelled_caught) == ([], True)


async def test_giving_way_after_the_end_does_nothing_to_others() -> None:
    """A task that the body has handed over may give way after the work has ended."""
    async with open_work_group() as group:
        work = group.start(_hangs, Ends())
        await until(lambda: work.started)
        await checkpoint()
        work.cancel()
        await until(lambda: work.finished)
        work.press()
        await work.give_way()
        assert group.running == 0


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_scope_for_each_only_where_trio_is_not_known(insides: bool) -> None:
    """The release that is installed here is: otherwise an End would cost more."""
    async with open_work_group() as group:
        assert isinstance(group, TrioGroup)
        work = group.start(_hangs, Ends())
        assert type(work) is (MovedWork if insides else ScopedWork)
        await until(lambda: work.started)
        assert len(group.shielded) == (0 if insides else 1)
        work.cancel()
        await until(lambda: work.finished)
        assert len(group.shielded) == 0
