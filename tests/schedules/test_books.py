"""The check of the books finds what it is there for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cases.harness import ALICE, House, open_house, ticks
from tests.schedules.books import check_books
from tests.schedules.players import Player

pytestmark = pytest.mark.anyio


def _lookups(house: House, by: int) -> None:
    house.router.lookups += by


def _lookups_of_user(house: House, by: int) -> None:
    house.router.users[ALICE].lookups += by


def _sessions_of_user(house: House, by: int) -> None:
    house.router.users[ALICE].sessions += by


def _bytes(house: House, by: int) -> None:
    house.router.users[ALICE].bytes += by


def _detached(house: House, by: int) -> None:
    for entry in house.router.catalog:
        entry.detached += by


def _tasks(house: House, by: int) -> None:
    house.router.work.running -= 10 * by


@pytest.mark.parametrize(
    "drift", [_lookups, _lookups_of_user, _sessions_of_user, _bytes, _detached, _tasks]
)
async def test_a_count_that_drifts_by_one(drift: Callable[[House, int], None]) -> None:
    """With lookups under way of many kinds the books are right; one count off, and they are not."""
    async with open_house() as house:
        client = house.connect(ALICE)
        for script in ("records=9&size=1000", "shared=k&gate=g", "records=0&hang=1"):
            client.next(client.begin(script), buffer_length=0)
        client.send("nspd.Lookup", restrictions={"namespace": 65537, "query_string": "gate=g"})
        await ticks()
        check_books(house)
        drift(house, 1)
        with pytest.raises(AssertionError):
            check_books(house)
        drift(house, -1)
        check_books(house)


def _record(number: int, provider: str = "p") -> dict[str, object]:
    return {
        "service_instance_name": f"test-{number}",
        "provider_id": provider,
        "output_flags": 0,
    }


async def test_a_player_notices_what_is_told_wrongly() -> None:
    """A record is missing, or comes twice, or after the reply to End (C1, C5, C7)."""
    async with open_house() as house:
        for lie in ("missing", "twice", "after the end"):
            player = Player(house, ALICE)
            player.begin("records=9&gate=g", watch=False)
            player.next(0, timeout=None, room=None, flags=0)
            player.check()
            asked = player.client.asked[-1]
            if lie == "after the end":
                player.end(0)
                player.next(0, timeout=None, room=None, flags=0)
                player.check()
                asked = player.client.asked[-1]
            number = 2 if lie == "missing" else 1
            reply = {"id": asked, "result": _record(number)}
            for _ in range(2 if lie == "twice" else 1):
                player._told(reply)
            with pytest.raises(AssertionError):
                player.check()
            player.client.on_reply = None
