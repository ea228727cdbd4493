"""A client's socket: half and full close, slow readers, oversized lines."""

from __future__ import annotations

import gc
import json
import socket

import anyio
import pytest

from nspd.core.limits import UNSENT_BYTES, Limits
from nspd.core.session import Session
from nspd.server.connection import Connection
from nspd.server.link import Link
from tests.backends import VIRTUAL_TIME
from tests.server.house import Client, open_house, until

pytestmark = pytest.mark.anyio


async def test_replies_come_in_one_line_each() -> None:
    """Requests of one write are each answered by a line."""
    async with open_house() as house:
        client = await house.client()
        numbers = [client.send("nspd.Status") for _ in range(200)]
        for number in numbers:
            await client.reply(number)
        assert [message["id"] for message in client.messages] == numbers


async def test_half_close_gets_what_is_owed() -> None:
    """A client that closes its writing side still gets its answers; then the daemon closes."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        call = client.next(await client.begin("gate=g"))
        client.socket.shutdown(socket.SHUT_WR)
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        assert len(house.server.links) == 1
        house.add_tokens("g")
        record = (await client.reply(call))["result"]
        assert record["service_instance_name"] == "test-1"
        await client.hung_up()


async def test_half_close_with_nothing_owed_closes() -> None:
    """With nothing owed a half close is the end, and a line without newline is -32700."""
    async with open_house() as house:
        client = await house.client()
        client.write_bytes(b'{"jsonrpc"')
        client.socket.shutdown(socket.SHUT_WR)
        await client.hung_up()
        assert [message["error"]["code"] for message in client.messages] == [-32700]


@VIRTUAL_TIME
async def test_half_close_grace() -> None:
    """After `half_close_grace` what still waits is answered 10111, and the daemon closes."""
    async with open_house(limits=Limits(half_close_grace=30)) as house:
        client = await house.client()
        await client.startup()
        call = client.next(await client.begin("gate=never"))
        monitor = client.send("nspd.Monitor")
        await until(lambda: len(house.connection().waiting) == 2)
        client.socket.shutdown(socket.SHUT_WR)
        await anyio.sleep(29)
        client.read()
        assert client.replies(call) == []
        await anyio.sleep(2)
        await client.hung_up()
        assert (await client.code(call), await client.code(monitor)) == (10111, 10111)


async def test_full_close_runs_the_session_down() -> None:
    """A client that goes has its work stopped at once."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        client.next(await client.begin("gate=never"))
        await until(lambda: house.router.work.running == 1)
        client.socket.close()
        await until(lambda: not house.server.links)
        await until(lambda: house.router.work.running == 0)
        assert house.server.census().waiting_calls == 0


async def test_hang_up_is_noticed_while_not_reading() -> None:
    """A peer that is gone is noticed though the daemon has stopped reading it (POLLHUP)."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        await _fill(client, house.connection())
        client.socket.close()
        await until(lambda: not house.server.links)


async def _fill(client: Client, connection: Connection) -> None:
    """Have large replies wait for a client that does not read."""
    handles = [await client.begin("records=3&size=200000") for _ in range(3)]
    for handle in handles:
        for _ in range(3):
            client.next(handle)
    await until(lambda: connection.corked)


async def test_slow_reader_is_corked_and_uncorked() -> None:
    """Past 256 KiB unsent no record is handed over; once the client reads, all come, once each."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        handle = await client.begin("records=8&size=200000")
        calls = [client.next(handle) for _ in range(8)]
        connection = house.connection()
        await until(lambda: connection.corked)
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        (link,) = house.server.links
        one = 300_000  # a record with its blob in base64
        assert UNSENT_BYTES < link.unsent < UNSENT_BYTES + 2 * one
        names = [(await client.reply(call))["result"]["service_instance_name"] for call in calls]
        assert names == [f"test-{number}" for number in range(1, 9)]
        await until(lambda: not connection.corked)


async def test_records_of_many_lookups_do_not_overrun_the_cork() -> None:
    """However many lookups have a record in the same step, what is unsent stays bounded."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        handles = [await client.begin("gate=g&size=60000") for _ in range(40)]
        calls = [client.next(handle) for handle in handles]
        await until(lambda: house.server.census().waiting_calls == 40)
        house.add_tokens("g", 40)
        (link,) = house.server.links
        most = 0
        for _ in range(200):
            await anyio.lowlevel.checkpoint()
            most = max(most, link.unsent)
        assert most < UNSENT_BYTES + 2 * 90_000
        for call in calls:
            assert (await client.reply(call))["result"]["output_flags"] == 0
            most = max(most, link.unsent)
        assert most < UNSENT_BYTES + 2 * 90_000


async def test_cancellations_reach_a_slow_reader() -> None:
    """10111 goes out past the cork: End is carried out as soon as the daemon reads again."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        hung = client.next(await client.begin("gate=never"))
        await _fill(client, house.connection())
        house.connection().session.rundown(lambda: None)
        assert await client.code(hung) == 10111


@VIRTUAL_TIME
async def test_send_timeout() -> None:
    """A client that takes no byte for `send_timeout` with replies due is disconnected."""
    async with open_house(limits=Limits(send_timeout=30)) as house:
        client = await house.client()
        await client.startup()
        await _fill(client, house.connection())
        await anyio.sleep(29)
        assert len(house.server.links) == 1
        await anyio.sleep(2)
        assert not house.server.links
        assert [entry[0] for entry in house.log.entries] == ["warning"]


@VIRTUAL_TIME
async def test_send_timeout_counts_from_the_last_byte_taken() -> None:
    """A client that takes something from time to time stays."""
    async with open_house(limits=Limits(send_timeout=30)) as house:
        client = await house.client()
        await client.startup()
        handle = await client.begin("records=40&size=200000")
        for _ in range(40):
            client.next(handle)
        for _ in range(5):
            await anyio.sleep(20)
            client.socket.recv(200_000)
        assert len(house.server.links) == 1


async def test_oversized_line_settles_answers_and_closes() -> None:
    """What waits is settled 10111, one -32600 comes last, and the sending side is shut."""
    async with open_house(limits=Limits(max_message=1000)) as house:
        client = await house.client()
        await client.startup()
        call = client.next(await client.begin("gate=never"))
        await until(lambda: house.server.census().waiting_calls == 1)
        client.write_bytes(b"x" * 1001)
        await client.hung_up()
        assert await client.code(call) == 10111
        last = client.messages[-1]
        assert (last["id"], last["error"]["code"]) == (None, -32600)
        assert len(client.messages) == 4


@VIRTUAL_TIME
async def test_oversized_line_discards_for_a_second_and_closes() -> None:
    """A client that sends on is heard out for a second, in vain, and then hung up on."""
    async with open_house(limits=Limits(max_message=1000)) as house:
        client = await house.client()
        client.write_bytes(b"x" * 1001)
        await client.hung_up()
        client.write_bytes(b"\n" + json.dumps({"id": 1}).encode())
        await anyio.sleep(0.9)
        assert len(house.server.links) == 1
        await anyio.sleep(0.2)
        assert not house.server.links
        assert len(client.messages) == 1


def _breaks(*args: object) -> None:
    raise ZeroDivisionError("a bug of ours")


@pytest.mark.parametrize("place", ["receive", "turn", "send", "closed"])
async def test_a_bug_costs_one_connection(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception out of what serves a socket is logged and closes it; the others go on."""
    async with open_house() as house:
        house.log.announced.add("connection failed")
        client = await house.client()
        await client.startup()
        client.next(await client.begin("gate=never"))
        (struck,) = house.server.links
        await until(lambda: struck.connection.waiting)
        other = await house.client()
        ordinary = struck.connection.closed
        with monkeypatch.context() as patch:
            if place == "turn":
                patch.setattr(struck.connection, "receive", lambda data: True)
            if place == "send":
                patch.setattr(struck, "_send", _breaks)
            else:
                patch.setattr(struck.connection, place, _breaks)
            client.send("nspd.Status")
            if place == "closed":
                client.socket.close()
            await until(lambda: struck not in house.server.links)
        if place == "closed":
            ordinary()  # so that what this left behind is not taken for a leak
        else:
            await client.hung_up()
        await other.startup()
        assert await other.code(other.next(await other.begin())) == 0
        assert ("exception", "connection failed") in house.log.entries


async def test_a_bug_in_accepting_costs_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cannot be welcomed is hung up on; the next one is."""
    async with open_house() as house:
        house.log.announced.add("client not taken")
        with monkeypatch.context() as patch:
            patch.setattr(house.server.access, "peer", _breaks)
            unlucky = house.knock()
            await unlucky.hung_up()
        client = await house.client()
        await client.startup()


def connections() -> list[Link | Connection | Session]:
    """Whatever of any client has not been freed."""
    return [o for o in gc.get_objects() if isinstance(o, Link | Connection | Session)]


@pytest.mark.parametrize("last_words", [b"", b"[" * 200, b'{"jsonrpc":"2.0","id":1}\n'])
async def test_a_connection_that_is_over_leaves_no_cycle(last_words: bytes) -> None:
    """What a client had is freed at once, and does not wait for the collector."""
    async with open_house() as house:
        gc.collect()
        before = {id(o) for o in connections()}  # of tests that failed, kept for the report
        gc.disable()
        try:
            client = await house.client()
            await client.startup()
            client.next(await client.begin("gate=never"))
            client.send("nspd.Monitor")
            handle = await client.begin("gate=never")
            await until(lambda: len(house.connection().waiting) == 2)
            client.write(
                [
                    {
                        "jsonrpc": "2.0",
                        "id": "member",
                        "method": "NSPv2LookupServiceNextEx",
                        "params": {"lookup": handle},
                    }
                ]
            )
            await until(lambda: len(house.connection().waiting) == 3)
            client.write_bytes(last_words)
            client.socket.close()
            await until(lambda: not house.server.links and house.router.work.running == 0)
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            assert [o for o in connections() if id(o) not in before] == []
        finally:
            gc.enable()
