"""What several clients send is carried out together, and each gets his own answers."""

from __future__ import annotations

from itertools import groupby

import pytest

from nspd.server.link import Link
from nspd.wire.events import Request
from tests.server.house import TEST, Client, open_house, until

pytestmark = pytest.mark.anyio

CLIENTS = 8


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The methods in the order in which each turn is to carry them out; "?" is not decoded yet."""
    turns: list[list[str]] = []
    arrange = Link.arrange

    def noted(links: list[Link]) -> list[Link]:
        arranged = arrange(links)
        turns.append([name_of(link._decoded) for link in arranged])
        return arranged

    monkeypatch.setattr(Link, "arrange", noted)
    return turns


def name_of(decoded: list[Request] | None) -> str:
    """What a link carries out first."""
    return "?" if decoded is None else decoded[0].method.removeprefix("NSPv2LookupService")


async def test_requests_of_one_kind_come_one_after_the_other(order: list[list[str]]) -> None:
    """Each client gets his own record, end and cancel, however the requests were mixed."""
    async with open_house() as house:
        clients = [await house.client() for _ in range(CLIENTS)]
        for client in clients:
            await client.startup()
        handles = []
        for number, client in enumerate(clients):
            query = {"namespace": TEST, "query_string": "records=1"}
            query["service_instance_name"] = f"c{number}"
            begun = await client.result("NSPv2LookupServiceBegin", restrictions=query)
            handles.append(begun["lookup"])
        asked = [client.next(handle) for client, handle in zip(clients, handles, strict=True)]
        for number, client in enumerate(clients):
            record = (await client.reply(asked[number]))["result"]
            assert record["service_instance_name"] == f"c{number}-1"
        order.clear()
        mixed = [
            client.next(handle)
            if number % 2
            else client.send("NSPv2LookupServiceEnd", lookup=handle)
            for number, (client, handle) in enumerate(zip(clients, handles, strict=True))
        ]
        codes = [await client.code(number) for client, number in zip(clients, mixed, strict=True)]
        assert codes == [0, 10110] * (CLIENTS // 2)
        (turn,) = order
        assert sorted((kind, len(list(same))) for kind, same in groupby(turn)) == [
            ("End", CLIENTS // 2),
            ("NextEx", CLIENTS // 2),
        ]


async def test_one_odd_client_changes_nothing_for_the_others(order: list[list[str]]) -> None:
    """A line that is no request has all of a turn decoded one by one; each gets his answer."""
    async with open_house() as house:
        clients = [await house.client() for _ in range(CLIENTS)]
        asked = [client.send("nspd.Status") for client in clients[1:-1]]
        clients[0].write_bytes(b"nonsense\n")
        clients[-1].write_bytes(b'{"jsonrpc":"2.0","id":1,')
        for client, number in zip(clients[1:-1], asked, strict=True):
            assert "result" in await client.reply(number)
        assert await clients[0].code(None) == -32700
        assert order == [["?"] * CLIENTS]
        clients[-1].write_bytes(b'"method":"nspd.Status"}\n')
        assert "result" in await clients[-1].reply(1)


async def test_several_requests_of_one_client_keep_their_order(order: list[list[str]]) -> None:
    """Among those of others, which may come before and after, but not in between."""
    async with open_house() as house:
        clients = [await house.client() for _ in range(CLIENTS)]
        for client in clients:
            await client.startup()
        handles = [await client.begin("records=0&hang=1") for client in clients]
        await until(lambda: house.router.work.running == CLIENTS)
        order.clear()
        for client, handle in zip(clients, handles, strict=True):
            call = {"jsonrpc": "2.0", "params": {"lookup": handle}}
            client.write(
                {**call, "id": "next", "method": "NSPv2LookupServiceNextEx"},
                {**call, "id": "end", "method": "NSPv2LookupServiceEnd"},
            )
        for client in clients:
            assert await client.code("next") == 10111
            assert (await client.reply("end"))["result"]["cancelled"] == 1
            assert [m["id"] for m in client.messages[-2:]] == ["next", "end"]
        assert order == [["NextEx"] * CLIENTS]


async def test_who_hangs_up_meanwhile_is_passed_over() -> None:
    """His requests may be decoded, but nobody hears the answers."""
    async with open_house() as house:
        clients: list[Client] = [await house.client() for _ in range(CLIENTS)]
        for client in clients:
            client.send("nspd.Status")
            client.socket.close()
        await until(lambda: not house.server.links)
        other = await house.client()
        assert "result" in await other.reply(other.send("nspd.Status"))
