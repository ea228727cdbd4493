"""One connection: exactly one reply to each request, whatever the handlers do (C1)."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from nspd.core.limits import Limits
from nspd.model.namespaces import fixed_guid
from nspd.server.connection import Connection, Sink
from nspd.wire import encode
from nspd.wire.events import Request
from tests.server.house import TEST, open_house, until

pytestmark = pytest.mark.anyio

REPLY = "rpc.discover"  # any method; the test gives it another handler


def _returns_nothing(connection: Connection, request: Request, sink: Sink) -> None:
    """Neither a reply nor a debt."""


def _raises(connection: Connection, request: Request, sink: Sink) -> None:
    raise ZeroDivisionError


def _answers_then_raises(connection: Connection, request: Request, sink: Sink) -> None:
    connection.owe(request.id)
    connection.settle(request.id, sink, encode.result(request.id, None))
    raise ZeroDivisionError


def _owes_then_raises(connection: Connection, request: Request, sink: Sink) -> None:
    connection.owe(request.id)
    raise ZeroDivisionError


def _settles_another(connection: Connection, request: Request, sink: Sink) -> None:
    connection.settle("other", sink, encode.result("other", None))


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (_returns_nothing, -32603),
        (_raises, -32603),
        (_answers_then_raises, 0),
        (_owes_then_raises, -32603),
        (_settles_another, -32603),
    ],
)
async def test_c1_one_reply_whatever_the_handler_does(
    handler: Any, code: int, batched: bool
) -> None:
    """Case 132: a handler that answers nothing, raises, or does both, gives one reply."""
    async with open_house() as house:
        house.log.announced.add("request failed")
        client = await house.client()
        house.server.handlers = {**house.server.handlers, REPLY: handler}
        request = {"jsonrpc": "2.0", "id": 7, "method": REPLY}
        if batched and handler is not _settles_another:
            client.write([request])
            await client.any_message()
            (replies,) = client.messages
        else:
            client.write(request)
            await client.reply(7)
            replies = client.replies(7)
        assert len(replies) == 1
        assert (replies[0]["error"]["code"] if "error" in replies[0] else 0) == code
        status = await client.result("nspd.Status")
        assert status["census"]["waiting_calls"] == 0
        assert not house.connection().owed
        assert house.connection().batches == set()


async def test_duplicate_id_of_a_waiting_call() -> None:
    """Case 127: an id in use is refused with `data.id`; the first call is untouched."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        handle = await client.begin("gate=g")
        next_ex = {"method": "NSPv2LookupServiceNextEx", "params": {"lookup": handle}}
        client.write({"jsonrpc": "2.0", "id": "x", **next_ex})
        client.write({"jsonrpc": "2.0", "id": "x", "method": "nspd.Status"})
        error = (await client.reply(None))["error"]
        assert (error["code"], error["data"]["id"]) == (-32600, "x")
        house.add_tokens("g")
        assert (await client.reply("x"))["result"]["service_instance_name"] == "test-1"
        assert len(client.replies("x")) == 1


async def test_c2_replies_of_end_come_in_order() -> None:
    """The 10111 of every waiting call comes before End's own reply."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        handle = await client.begin("gate=never")
        calls = [client.next(handle) for _ in range(3)]
        end = client.send("NSPv2LookupServiceEnd", lookup=handle)
        reply = await client.reply(end)
        assert reply["result"]["cancelled"] == 3
        assert reply["result"]["work"] in ("none", "stopped")
        assert [m["id"] for m in client.messages[-4:]] == [*calls, end]
        assert [m["error"]["code"] for m in client.messages[-4:-1]] == [10111] * 3


async def test_c10_every_10111_comes_before_the_reply_that_caused_it() -> None:
    """Disabling the only provider of hundreds of lookups answers them all before itself."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        handles = [await client.begin("gate=never") for _ in range(300)]
        calls = []
        for handle in handles:
            calls.append(client.next(handle))
            await until(lambda: len(house.connection().waiting) == len(calls))
        disable = client.send("WSCEnableNSProvider", provider_id=fixed_guid(TEST), enable=False)
        assert await client.code(disable) == 0
        for call in calls:
            client.read()
            assert client.replies(call)[0]["error"]["code"] == 10111
        assert client.messages[-1]["id"] == disable


async def test_a_batch_is_answered_by_one_array_when_all_is_settled() -> None:
    """Notifications do not appear in it; waiting members hold it back until they are settled."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        handle = await client.begin("gate=g")
        params = {"lookup": handle}
        client.write(
            [
                {"jsonrpc": "2.0", "id": "a", "method": "nspd.Status"},
                {"jsonrpc": "2.0", "method": "nspd.Status"},
                {
                    "jsonrpc": "2.0",
                    "id": "b",
                    "method": "NSPv2LookupServiceNextEx",
                    "params": params,
                },
                {"jsonrpc": "2.0", "id": "c", "method": "no such"},
                17,
            ]
        )
        client.write([{"jsonrpc": "2.0", "method": "nspd.Status"}])
        await client.result("nspd.Status")
        assert not any(isinstance(message, list) for message in client.messages)
        house.add_tokens("g")
        before = len(client.messages)
        await client.any_message(beyond=before)
        (array,) = [message for message in client.messages if isinstance(message, list)]
        assert sorted(str(reply["id"]) for reply in array) == ["None", "a", "b", "c"]


async def test_limit_of_waiting_calls() -> None:
    """Past `waiting_calls` a call is 8, and End is served all the same (C3, Case 135)."""
    async with open_house(limits=Limits(waiting_calls=2)) as house:
        client = await house.client()
        await client.startup()
        handle = await client.begin("gate=never")
        calls = [client.next(handle) for _ in range(3)]
        assert await client.code(calls[2]) == 8
        for method, params in [
            ("nspd.Monitor", {}),
            ("WSAProviderConfigChange", {}),
            ("nspd.Lookup", {"restrictions": {"namespace": TEST, "query_string": "hang=1"}}),
        ]:
            assert await client.code(client.send(method, **params)) == 8
        assert house.router.lookups == 1
        ended = await client.result("NSPv2LookupServiceEnd", lookup=handle)
        assert ended["cancelled"] == 2
        assert [await client.code(call) for call in calls[:2]] == [10111, 10111]


async def test_notifications_of_calls_whose_reply_matters_do_nothing() -> None:
    """Begin, NextEx, Lookup, Monitor and ConfigChange without an id leave nothing behind."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        handle = await client.begin("records=1")
        query = {"restrictions": {"namespace": TEST}}
        for method, params in [
            ("NSPv2LookupServiceBegin", query),
            ("NSPv2LookupServiceNextEx", {"lookup": handle}),
            ("nspd.Lookup", query),
            ("nspd.Monitor", {}),
            ("WSAProviderConfigChange", {}),
        ]:
            client.write({"jsonrpc": "2.0", "method": method, "params": params})
        call = client.next(handle)
        assert (await client.reply(call))["result"]["service_instance_name"] == "test-1"
        assert (house.router.lookups, len(house.connection().waiting)) == (1, 0)


async def test_c13_cancel_request() -> None:
    """A cancel withdraws a call once; before, after and for an unknown id it does nothing."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        handle = await client.begin("gate=g")
        call = client.next(handle)
        assert await client.result("$/cancelRequest", id=call) is None
        assert await client.code(call) == 10111
        for id in (call, 99999, "x"):
            assert await client.result("$/cancelRequest", id=id) is None
        assert len(client.replies(call)) == 1
        again = client.next(handle)
        house.add_tokens("g")
        assert (await client.reply(again))["result"]["service_instance_name"] == "test-1"


async def test_a_long_backlog_leaves_others_their_turn() -> None:
    """Requests of one connection are carried out in slices; another client is served between."""
    async with open_house() as house:
        hog, other = await house.client(), await house.client()
        hog.write(*[{"jsonrpc": "2.0", "id": i, "method": "nspd.Status"} for i in range(400)])
        number = other.send("nspd.Status")
        await other.reply(number)
        hog.read()
        assert len(hog.messages) < 400
        await hog.reply(399)


async def test_drain_settles_what_waits_at_its_deadline() -> None:
    """A drain tells GoingAway, refuses Begin, and answers what still waits with 10111."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        call = client.next(await client.begin("gate=never"))
        await until(lambda: house.server.census().waiting_calls == 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.server.drain, 0.05)
            await until(lambda: house.router.draining)
            assert not house.path.exists()
            refused = client.send_begin()
            assert await client.code(refused) == 10091
            await anyio.sleep(0.1)
            assert await client.code(call) == 10111
            await client.hung_up()
        assert "nspd.GoingAway" in [message.get("method") for message in client.messages]


async def test_drain_is_over_when_no_lookup_is_open() -> None:
    """NextEx and End are served while the daemon drains; the last End ends the drain."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        handle = await client.begin("gate=g")
        call = client.next(handle)
        await until(lambda: house.server.census().waiting_calls == 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.server.drain, 1000)
            await until(lambda: house.router.draining)
            house.add_tokens("g")
            assert (await client.reply(call))["result"]["service_instance_name"] == "test-1"
            assert await client.code(client.send("NSPv2LookupServiceEnd", lookup=handle)) == 0
            await client.hung_up()
