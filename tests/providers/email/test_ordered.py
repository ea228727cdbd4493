"""Things that arrive in any order, and are taken in their own."""

from __future__ import annotations

import anyio
import pytest

from nspd.providers.email.ordered import Ordered
from tests.backends import VIRTUAL_TIME

pytestmark = pytest.mark.anyio


async def test_in_order() -> None:
    """What is there is taken by place, whenever it came."""
    ordered = Ordered[str](grace=1)
    for place in ((0,), (1,), (2,)):
        ordered.expect(place)
    ordered.put((2,), "c")
    ordered.put((0,), "a")
    ordered.put((1,), "b")
    assert [await ordered.take() for _ in range(4)] == ["a", "b", "c", None]


async def test_nothing_comes() -> None:
    """What is given up holds nothing back."""
    ordered = Ordered[str](grace=60)
    ordered.expect((0,))
    ordered.expect((1,))
    ordered.put((1,), "b")
    ordered.give_up((0,))
    assert await ordered.take() == "b"
    assert await ordered.take() is None


async def test_places_within_places() -> None:
    """A place may turn out to be several; they come before the next one."""
    ordered = Ordered[str](grace=60)
    ordered.expect((0,))
    ordered.expect((1,))
    ordered.put((1,), "last")
    for number in range(2):
        ordered.expect((0, number))
    ordered.give_up((0,))
    ordered.put((0, 1), "second")
    ordered.put((0, 0), "first")
    assert [await ordered.take() for _ in range(3)] == ["first", "second", "last"]


@VIRTUAL_TIME
async def test_the_grace() -> None:
    """One that is late holds back others for the grace, counted from when they came."""
    ordered = Ordered[str](grace=1)
    for place in ((0,), (1,), (2,)):
        ordered.expect(place)
    begun = anyio.current_time()
    async with anyio.create_task_group() as tasks:

        async def come() -> None:
            await anyio.sleep(0.25)
            ordered.put((2,), "c")
            await anyio.sleep(0.5)
            ordered.put((1,), "b")
            await anyio.sleep(5)
            ordered.put((0,), "a")

        tasks.start_soon(come)
        taken = []
        while (thing := await ordered.take()) is not None:
            taken.append((thing, round(anyio.current_time() - begun, 6)))
    assert taken == [("b", 1.25), ("c", 1.25), ("a", 5.75)]


async def test_all_that_waits_is_cancelled_cleanly() -> None:
    """A consumer that is cancelled takes nothing with it."""
    ordered = Ordered[str](grace=60)
    ordered.expect((0,))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await ordered.take()
    ordered.put((0,), "a")
    assert await ordered.take() == "a"
