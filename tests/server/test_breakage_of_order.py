"""What may not come before what, on one connection."""

from __future__ import annotations

import pytest

from nspd.core.limits import Limits
from tests.cases.harness import CANCELLED, HANG, INVALID, Client, code_of, open_house, ticks

pytestmark = pytest.mark.anyio

SLICES = Limits(lookups_per_user=10_000)
"""For more lookups than are closed in one step."""


def _cancelled_after(client: Client, id: int) -> list[int]:
    """The calls that were answered 10111 later than a request was answered."""
    ids = [message["id"] for message in client.received]
    later = client.received[ids.index(id) :]
    return [message["id"] for message in later if code_of(message) == CANCELLED]


@pytest.mark.parametrize("method", ["NSPv2Cleanup", "NSPv2ClientSessionRundown"])
async def test_second_end_of_everything_waits_for_the_calls_of_the_first(method: str) -> None:
    """Cleanup right after Rundown is answered after every 10111 of the session (C10)."""
    async with open_house(limits=SLICES) as house:
        client = house.connect()
        waiting = [client.next(client.begin(HANG)) for _ in range(400)]
        await ticks()
        first = client.send("NSPv2ClientSessionRundown")
        second = client.send(method)
        await client.result(first)
        await client.result(second)
        assert [await client.code(call) for call in waiting] == [CANCELLED] * 400
        assert _cancelled_after(client, first) == []
        assert _cancelled_after(client, second) == []


async def test_event_of_a_begin_follows_its_reply() -> None:
    """A Monitor of the same client hears of its lookup when it has the handle, not before."""
    async with open_house() as house:
        client = house.connect()
        monitor = client.send("nspd.Monitor")
        begun = client.send_begin(HANG)
        handle = (await client.result(begun))["lookup"]
        about = [
            message
            for message in client.received
            if message.get("id") == begun or message.get("params", {}).get("lookup") == handle
        ]
        assert [message.get("method") for message in about] == [None, "nspd.Event"]
        client.send("$/cancelRequest", {"id": monitor})
        assert await client.code(monitor) == CANCELLED


async def test_events_of_pipelined_begins_follow_their_replies() -> None:
    """So it is when several requests come in one piece."""
    async with open_house() as house:
        client = house.connect()
        monitor = client.send("nspd.Monitor")
        query = {"namespace": 65537, "query_string": HANG}
        client.asked += ["a", "b"]
        client.write(
            *(
                {
                    "jsonrpc": "2.0",
                    "id": id,
                    "method": "NSPv2LookupServiceBegin",
                    "params": {"restrictions": query},
                }
                for id in ("a", "b")
            )
        )
        handles = [(await client.result(id))["lookup"] for id in ("a", "b")]
        told = [
            message["result"]["lookup"] if "result" in message else -message["params"]["lookup"]
            for message in client.received
            if (message.get("result") or message.get("params") or {}).get("lookup")
        ]
        assert [told.index(handle) < told.index(-handle) for handle in handles] == [True, True]
        client.send("$/cancelRequest", {"id": monitor})


async def test_refused_begin_ends_nothing() -> None:
    """With `cancel_on_begin` a Begin that the provider refuses leaves the others alone (C12)."""
    async with open_house() as house:
        client = house.connect(startup=False)
        client.now(client.startup(cancel_on_begin=True))
        handle = client.begin(HANG)
        waiting = client.next(handle)
        await ticks()
        assert code_of(client.now(client.send_begin("nonsense=1"))) == INVALID
        assert client.told(waiting) is None
        client.begin(HANG)
        assert code_of(client.now(waiting)) == CANCELLED
