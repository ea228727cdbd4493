"""`nspd.Monitor`: what happens, told as it happens."""

from __future__ import annotations

import pytest

from nspd.model.namespaces import fixed_guid
from tests.server.house import TEST, Client, open_house, until

pytestmark = pytest.mark.anyio


def events(client: Client) -> list[str]:
    """The kinds of events told so far."""
    client.read()
    told = [m["params"] for m in client.messages if m.get("method") == "nspd.Event"]
    return [event["event"] for event in told]


async def test_events_come_in_order_until_the_call_is_withdrawn() -> None:
    """A monitor hears of everything until its call ends; then the router has no observer."""
    async with open_house() as house:
        watcher, actor = await house.client(), await house.client()
        call = watcher.send("nspd.Monitor")
        await until(lambda: house.router.observer is not None)
        await actor.startup()
        handle = await actor.begin("gate=never")
        await actor.result("NSPv2LookupServiceEnd", lookup=handle)
        await actor.result("WSCEnableNSProvider", provider_id=fixed_guid(TEST), enable=False)
        await actor.result("NSPv2Cleanup")
        await until(lambda: len(events(watcher)) == 5)
        assert events(watcher) == [
            "session_started",
            "lookup_begun",
            "lookup_ended",
            "catalog_changed",
            "session_ended",
        ]
        await watcher.result("$/cancelRequest", id=call)
        assert await watcher.code(call) == 10111
        assert house.router.observer is None


async def test_a_user_hears_of_his_own_and_of_the_catalog() -> None:
    """What other users do is not told; the catalog is everyone's."""
    async with open_house() as house:
        user = await house.user()
        user.send("nspd.Monitor")
        await until(lambda: house.router.observer is not None)
        other = await house.client()
        await other.startup()
        await user.startup()
        await other.result("WSCEnableNSProvider", provider_id=fixed_guid(TEST), enable=False)
        await until(lambda: len(events(user)) == 2)
        assert events(user) == ["session_started", "catalog_changed"]
        await user.result("NSPv2Cleanup")
        await other.result("NSPv2Cleanup")


async def test_a_monitor_outlives_a_rundown_and_ends_with_its_connection() -> None:
    """Rundown leaves Monitor and ConfigChange waiting; closing the connection ends them."""
    async with open_house() as house:
        watcher, actor = await house.client(), await house.client()
        monitor = watcher.send("nspd.Monitor")
        change = watcher.send("WSAProviderConfigChange")
        await watcher.result("NSPv2ClientSessionRundown")
        assert watcher.replies(monitor) == watcher.replies(change) == []
        await actor.result("WSCEnableNSProvider", provider_id=fixed_guid(TEST), enable=False)
        assert await watcher.code(change) == 0
        watcher.socket.close()
        await until(lambda: house.router.observer is None)
