"""Shares: nobody takes all places, and none is lost."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest

from nspd.model.errors import TimedOut
from nspd.providers.dns.shares import Shares
from tests.backends import backend

pytestmark = pytest.mark.anyio

ALICE, BOB = 1, 2


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both in virtual time."""
    return backend(request.param)


async def turns() -> None:
    """Let all others go as far as they can."""
    for _ in range(10):
        await anyio.lowlevel.checkpoint()


async def test_one_user_waits_for_himself_alone() -> None:
    """Beyond his share he gets a place when he gives one back; others have their own."""
    shares = Shares(2)
    got: list[str] = []

    async def take() -> None:
        await shares.take(ALICE, 10)
        got.append("third")

    assert shares.take_now(ALICE)
    assert shares.take_now(ALICE)
    assert not shares.take_now(ALICE)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await turns()
        assert shares.take_now(BOB)
        assert (got, len(shares)) == ([], 2)
        shares.give(ALICE)
        await turns()
        assert got == ["third"]
    for user in (ALICE, ALICE, BOB):
        shares.give(user)
    assert len(shares) == 0


async def test_waiting_ends_in_time() -> None:
    """As a time-out that names the setting; the place goes to whoever comes next."""
    shares = Shares(1)
    assert shares.take_now(ALICE)
    began = anyio.current_time()
    with pytest.raises(TimedOut) as raised:
        await shares.take(ALICE, 3)
    assert raised.value.setting == "timeout"
    assert anyio.current_time() - began == pytest.approx(3)
    shares.give(ALICE)
    assert len(shares) == 0
    assert shares.take_now(ALICE)


async def test_who_is_cancelled_while_waiting_takes_nothing() -> None:
    """Nor does he keep others from their turn."""
    shares = Shares(1)
    assert shares.take_now(ALICE)
    with anyio.move_on_after(1):
        await shares.take(ALICE, 10)
    shares.give(ALICE)
    assert len(shares) == 0
