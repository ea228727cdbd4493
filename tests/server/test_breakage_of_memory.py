"""What one client may make the daemon hold: changes that wait, and batches that are not full."""

from __future__ import annotations

import base64
from typing import Any

import anyio
import pytest

from nspd.core.limits import Limits
from nspd.core.provider import Change
from nspd.server.connection import BATCH_BYTES
from tests.cases.fakes import FakeProvider
from tests.cases.harness import (
    ADMIN,
    ALICE,
    CANCELLED,
    HANG,
    NOT_ENOUGH_MEMORY,
    TEST,
    Client,
    House,
    open_house,
    ticks,
    until,
)

pytestmark = pytest.mark.anyio

BLOB = base64.b64encode(bytes(60_000)).decode()
CHANGES = 400
NO_BUFFERS = 10055


class SlowStore(FakeProvider):
    """Makes no change before it may."""

    def __init__(self) -> None:
        super().__init__(lambda query, results: anyio.sleep_forever(), set_service=self._make)
        self.may = anyio.Event()
        self.made: list[str | None] = []

    async def _make(self, change: Change) -> None:
        await self.may.wait()
        self.made.append(change.registration.service_instance_name)


def send_changes(client: Client, number: int = CHANGES) -> list[int]:
    """Many large changes, none of which waits for the reply to another."""
    return [
        client.send(
            "NSPv2SetServiceEx",
            registration={"namespace": TEST, "service_instance_name": f"n{i}", "blob": BLOB},
            operation=0,
        )
        for i in range(number)
    ]


def held(house: House) -> int:
    """Bytes for which users are charged."""
    return sum(user.bytes for user in house.router.users.values())


@pytest.mark.parametrize("uid", [ADMIN, ALICE])
async def test_changes_sent_without_waiting(uid: int) -> None:
    """A client with much to change is read no further until some is done; order is kept."""
    store = SlowStore()
    async with open_house(store) as house:
        client = house.connect(uid)
        asked = send_changes(client)
        after = client.send("nspd.Status")
        await ticks()
        assert client.told(after) is None
        assert 4_000_000 < held(house) < 10_000_000
        store.may.set()
        assert {await client.code(id) for id in asked} == {0}
        assert store.made == [f"n{i}" for i in range(CHANGES)]
        await client.reply(after)
        order = [reply["id"] for reply in client.received[1:]]
        assert order[-1] >= asked[-1]
        assert held(house) == 0


async def test_few_changes_hold_up_nothing() -> None:
    """What is sent after some changes takes effect at once, End above all (C2, C3)."""
    store = SlowStore()
    async with open_house(store) as house:
        client = house.connect()
        handle = client.begin()
        call = client.next(handle)
        asked = send_changes(client, 20)
        end = client.end(handle)
        assert client.now(call)["error"]["code"] == CANCELLED
        assert await client.code(end) == 0
        store.may.set()
        assert {await client.code(id) for id in asked} == {0}


async def test_changes_of_many_connections_are_one_users() -> None:
    """What waits to be changed counts for the user: past his bytes Begin is refused."""
    store = SlowStore()
    limits = Limits(bytes_per_user=1_000_000)
    async with open_house(store, limits=limits) as house:
        clients = [house.connect(ALICE) for _ in range(8)]
        asked = [(client, id) for client in clients for id in send_changes(client, 20)]
        assert held(house) < 2_000_000
        late = house.connect(ALICE)
        assert await late.code(late.send_begin(HANG)) == NOT_ENOUGH_MEMORY
        store.may.set()
        assert {await client.code(id) for client, id in asked} == {0}


async def test_who_leaves_with_changes_waiting_is_still_charged() -> None:
    """They are made all the same, and until then he who comes back owns them."""
    store = SlowStore()
    async with open_house(store) as house:
        client = house.connect(ALICE)
        send_changes(client, 10)
        client.vanish()
        house.connect(ALICE)
        assert held(house) > 500_000
        store.may.set()
        await until(lambda: len(store.made) == 10)


async def test_disconnect_while_held_up() -> None:
    """A client that is read no further may leave: what was read is made, the rest is not."""
    store = SlowStore()
    async with open_house(store) as house:
        client = house.connect(ALICE)
        send_changes(client)
        client.vanish()
        assert house.server.links == set()
        store.may.set()
        await until(lambda: house.router.work.running == 0)
        assert store.made == [f"n{i}" for i in range(len(store.made))]
        assert len(store.made) < CHANGES


def batch(client: Client, method: str, *params: dict[str, Any]) -> list[int]:
    """Send calls of one method in one batch; their ids."""
    ids = list(range(1000, 1000 + len(params)))
    client.asked += ids
    client.write(
        [
            {"jsonrpc": "2.0", "id": id, "method": method, "params": each}
            for id, each in zip(ids, params, strict=True)
        ]
    )
    return ids


async def test_a_batch_of_waiting_nexts() -> None:
    """Past a batch's bytes its Nexts are answered 10055, and their records stay (C7)."""
    async with open_house() as house:
        client = house.connect()
        handles = [client.begin("gate=g&size=500000") for _ in range(40)]
        ids = batch(client, "NSPv2LookupServiceNextEx", *({"lookup": h} for h in handles))
        house.open("g", 40)
        await until(lambda: client.told(ids[0]) is not None)
        codes = [await client.code(id) for id in ids]
        assert set(codes) == {0, NO_BUFFERS}
        assert BATCH_BYTES // 1_000_000 <= codes.count(0) <= BATCH_BYTES // 600_000
        for handle, code in zip(handles, codes, strict=True):
            if code == NO_BUFFERS:
                assert await client.name(handle) == "test-1"


async def test_a_batch_of_waiting_lookups() -> None:
    """The same for whole lookups: those that would come on top are answered 10055."""
    async with open_house() as house:
        client = house.connect()
        query = {"namespace": TEST, "query_string": "gate=g&size=500000"}
        ids = batch(client, "nspd.Lookup", *[{"restrictions": query}] * 40)
        house.open("g", 40)
        await until(lambda: client.told(ids[0]) is not None)
        codes = [await client.code(id) for id in ids]
        assert set(codes) == {0, NO_BUFFERS}
        assert house.router.lookups == 0


async def test_a_batch_holds_little_while_it_waits() -> None:
    """One call that never ends keeps the batch open: the others' records do not pile up."""
    async with open_house() as house:
        client = house.connect(ALICE)
        hung = client.begin(HANG)
        handles = [client.begin("gate=g&size=500000") for _ in range(60)]
        batch(client, "NSPv2LookupServiceNextEx", *({"lookup": h} for h in [hung, *handles]))
        house.open("g", 60)
        await ticks(300)
        waiting = sum(lookup.ready for s in house.router.sessions for lookup in s.lookups.values())
        assert held(house) - waiting * 510_000 < BATCH_BYTES + 1_000_000
