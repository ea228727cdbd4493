"""What several clients send is carried out together, and each gets his own answers."""

from __future__ import annotations

from itertools import groupby

import pytest

from nspd.server import together
from nspd.server.connection import Connection, Handler, Sink
from nspd.wire.decode import Request, decode_together
from tests.server.house import TEST, Client, House, open_house, until

pytestmark = pytest.mark.anyio

CLIENTS = 8


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[list[str] | None]:
    """What came of decoding each turn's requests in one call: their methods, or None."""
    turns: list[list[str] | None] = []

    def noted(chunks: list[bytes]) -> list[Request] | None:
        requests = decode_together(chunks)
        turns.append(None if requests is None else [name_of(request) for request in requests])
        return requests

    monkeypatch.setattr(together, "decode_together", noted)
    return turns


async def started_clients(house: House) -> list[Client]:
    """Clients with a session each."""
    clients = [await house.client() for _ in range(CLIENTS)]
    for client in clients:
        await client.startup()
    return clients


def name_of(request: Request) -> str:
    """The method, short."""
    return request.method.removeprefix("NSPv2LookupService")


def note_order(house: House) -> list[str]:
    """The methods in the order in which they are carried out from now on."""
    order: list[str] = []

    def noting(handler: Handler) -> Handler:
        def note(connection: Connection, request: Request, sink: Sink) -> bytes | None:
            order.append(name_of(request))
            return handler(connection, request, sink)

        return note

    handlers = house.server.handlers
    handlers.update({method: noting(handler) for method, handler in handlers.items()})
    return order


async def test_requests_of_one_kind_come_one_after_the_other(
    decoded: list[list[str] | None],
) -> None:
    """Each client gets his own record, end and cancel, however the requests were mixed."""
    async with open_house() as house:
        clients = await started_clients(house)
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
        decoded.clear()
        order = note_order(house)
        mixed = [
            client.next(handle)
            if number % 2
            else client.send("NSPv2LookupServiceEnd", lookup=handle)
            for number, (client, handle) in enumerate(zip(clients, handles, strict=True))
        ]
        codes = [await client.code(number) for client, number in zip(clients, mixed, strict=True)]
        assert codes == [0, 10110] * (CLIENTS // 2)
        (turn,) = decoded
        assert turn is not None
        assert sorted(turn) == ["End"] * (CLIENTS // 2) + ["NextEx"] * (CLIENTS // 2)
        assert sorted((kind, len(list(same))) for kind, same in groupby(order)) == [
            ("End", CLIENTS // 2),
            ("NextEx", CLIENTS // 2),
        ]


async def test_one_odd_client_changes_nothing_for_the_others(
    decoded: list[list[str] | None],
) -> None:
    """A line that is no request has all of a turn decoded one by one; each gets his answer."""
    async with open_house() as house:
        clients = [await house.client() for _ in range(CLIENTS)]
        asked = [client.send("nspd.Status") for client in clients[1:-1]]
        clients[0].write_bytes(b"nonsense\n")
        clients[-1].write_bytes(b'{"jsonrpc":"2.0","id":1,')
        for client, number in zip(clients[1:-1], asked, strict=True):
            assert "result" in await client.reply(number)
        assert await clients[0].code(None) == -32700
        assert decoded == [None]
        clients[-1].write_bytes(b'"method":"nspd.Status"}\n')
        assert "result" in await clients[-1].reply(1)


async def test_several_requests_of_one_client_keep_their_order(
    decoded: list[list[str] | None],
) -> None:
    """Among those of others, which may come before and after, but not in between."""
    async with open_house() as house:
        clients = await started_clients(house)
        handles = [await client.begin("records=0&hang=1") for client in clients]
        await until(lambda: house.router.work.running == CLIENTS)
        decoded.clear()
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
        assert decoded == [["NextEx", "End"] * CLIENTS]


@pytest.mark.parametrize("in_closing", [False, True], ids=["", "and in closing"])
@pytest.mark.parametrize("several", [False, True], ids=["one request", "several"])
async def test_a_bug_costs_only_its_own_client(
    several: bool,
    in_closing: bool,
    decoded: list[list[str] | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An exception while one client's requests are carried out closes his connection alone."""
    async with open_house() as house:
        house.log.announced |= {"connection failed", "closing a failed connection failed"}
        clients = [await house.client() for _ in range(CLIENTS)]
        await until(lambda: len(house.server.links) == CLIENTS)
        struck = next(iter(house.server.links)).connection
        ordinary = struck.closed
        with monkeypatch.context() as patch:
            patch.setattr(struck, "take" if several else "carry_out", _breaks)
            if in_closing:
                patch.setattr(struck, "closed", _breaks)
            status = {"jsonrpc": "2.0", "method": "nspd.Status", "params": {}}
            for client in clients:
                client.write(*[{**status, "id": number} for number in range(1 + several)])
            await until(lambda: len(house.server.links) == CLIENTS - 1)
        if in_closing:
            ordinary()  # so that what this left behind is not taken for a leak
        assert struck not in [link.connection for link in house.server.links]
        assert decoded == [["nspd.Status"] * CLIENTS * (1 + several)]
        for client in clients:
            client.read()
        ids = [[message["id"] for message in client.messages] for client in clients]
        assert sorted(ids) == [[], *[list(range(1 + several))] * (CLIENTS - 1)]
        assert ("exception", "connection failed") in house.log.entries


def _breaks(*args: object) -> None:
    raise ZeroDivisionError("a bug of ours")


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
