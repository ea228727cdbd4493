"""What a user holds, over all connections."""

from __future__ import annotations

from typing import cast

import pytest

from nspd.core.run import Run
from nspd.core.users import Peer, User
from tests.core.world import ALICE, begin, open_world, until


class FakeRun:
    """A run that waits for bytes."""

    def __init__(self) -> None:
        self.woken = 0

    def make_room(self) -> None:
        self.woken += 1


def test_bytes_given_back_wake_those_that_wait_for_them() -> None:
    """Runs are woken once the bytes are below the limit, and then stand in line no more."""
    user, run = User(ALICE, 100), FakeRun()
    user.bytes = 250
    user.starved.add(cast(Run, run))
    user.discharge(100)
    user.discharge(50)
    assert (run.woken, user.bytes) == (0, user.byte_limit)
    user.discharge(1)
    assert (run.woken, user.bytes, user.starved) == (1, 99, set())


def test_an_administrator_may_register_for_the_machine() -> None:
    """`may_machine` follows from being an administrator."""
    assert Peer(1, administrator=True).may_machine
    assert not Peer(1).may_machine


@pytest.mark.anyio
async def test_an_account_lasts_as_long_as_sessions_and_work() -> None:
    """A user's account is shared by his sessions, and closed with the last and its work."""
    async with open_world() as world:
        one, two = world.session(), world.session()
        assert one.user is two.user
        begin(one, "hang=1")
        one.close()
        two.close()
        assert world.router.users[ALICE] is one.user
        await until(lambda: world.idle)
        assert world.router.users == {}
