"""The operations of ``nspd.``: what is told, and to whom."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from nspd.model.namespaces import fixed_guid
from tests.backends import VIRTUAL_TIME
from tests.core.world import Scripted
from tests.server.house import TEST, open_house, until

pytestmark = pytest.mark.anyio


async def test_status_counts_what_there_is() -> None:
    """The census of a busy daemon, and of the same one afterwards."""
    async with open_house() as house:
        client = await house.client()
        before = (await client.result("nspd.Status"))["census"]
        await client.startup()
        handle = await client.begin("gate=never")
        client.next(handle)
        during = (await client.result("nspd.Status"))["census"]
        changed = {key: during[key] - before[key] for key in during if during[key] != before[key]}
        assert changed == {"sessions": 1, "lookups": 1, "waiting_calls": 1, "provider_tasks": 1}
        await client.result("NSPv2LookupServiceEnd", lookup=handle)
        await client.result("NSPv2Cleanup")
        assert (await client.result("nspd.Status"))["census"] == before


@VIRTUAL_TIME
async def test_list_lookups_shows_detached_work() -> None:
    """C8: work that goes on after its End is listed with its age and owner."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        handle = await client.begin("records=0&hang=1&stubborn=50", policy="first")
        await anyio.sleep(1)
        assert (await client.result("nspd.ListLookups"))["lookups"][0]["state"] == "running"
        end = client.send("NSPv2LookupServiceEnd", lookup=handle)
        await anyio.sleep(1)
        assert (await client.reply(end))["result"]["work"] == "detached"
        (entry,) = (await client.result("nspd.ListLookups"))["lookups"]
        assert (entry["state"], entry["lookup"]) == ("detached", handle)
        assert entry["age"] == pytest.approx(2, abs=0.2)
        assert (await client.result("nspd.Status"))["census"]["detached"] == 1
        await anyio.sleep(60)
        assert (await client.result("nspd.ListLookups"))["lookups"] == []


async def test_a_user_sees_and_ends_his_own() -> None:
    """Sessions and lookups of others are neither listed nor ended (10013)."""
    async with open_house() as house:
        user = await house.user()
        await user.startup()
        own = await user.begin("gate=never")
        call = user.next(own)
        administrator = await house.client()
        await administrator.startup()
        other = await administrator.begin("gate=never")
        listed = (await user.result("nspd.ListLookups"))["lookups"]
        assert [entry["lookup"] for entry in listed] == [own]
        assert len((await user.result("nspd.ListSessions"))["sessions"]) == 1
        assert len((await administrator.result("nspd.ListSessions"))["sessions"]) == 2
        assert await user.code(user.send("nspd.EndLookup", lookup=other)) == 10013
        assert await user.code(user.send("nspd.EndLookup", lookup=1)) == 6
        ended = await administrator.result("nspd.EndLookup", lookup=own)
        assert ended["cancelled"] == 1
        assert await user.code(call) == 10111
        await user.result("NSPv2Cleanup")
        await administrator.result("NSPv2Cleanup")


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("nspd.FlushCaches", {}),
        ("nspd.Reload", {}),
        ("nspd.SetLogLevel", {"level": "info"}),
        ("nspd.TestGate", {"gate": "g", "tokens": 1}),
        ("nspd.TestReset", {}),
        ("WSCEnableNSProvider", {"provider_id": fixed_guid(TEST), "enable": False}),
        ("WSCWriteNameSpaceOrder", {"provider_ids": [fixed_guid(TEST)]}),
    ],
)
async def test_for_administrators_only(method: str, params: dict[str, Any]) -> None:
    """To anybody else these are 10013, and change nothing."""
    async with open_house() as house:
        user = await house.user()
        assert await user.code(user.send(method, **params)) == 10013
        (entry,) = house.router.catalog
        assert entry.active


async def test_test_methods_exist_only_with_the_provider() -> None:
    """Without the test namespace its methods are -32601, whatever their params."""
    async with open_house(Scripted()) as house:
        client = await house.client()
        for method in ("nspd.TestGate", "nspd.TestReset"):
            assert await client.code(client.send(method, nonsense=1)) == -32601


async def test_gate_and_reset_over_the_wire() -> None:
    """Tokens let records pass; a reset forgets them."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        await client.result("nspd.TestGate", gate="g", tokens=2)
        call = client.next(await client.begin("gate=g"))
        assert await client.code(call) == 0
        await client.result("nspd.TestReset")
        late = client.next(await client.begin("gate=g"))
        await client.result("nspd.TestGate", gate="g", tokens=1)
        assert await client.code(late) == 0


async def test_statistics_count() -> None:
    """Requests, lookups and outcomes since the start."""
    async with open_house() as house:
        client = await house.client()
        found = await client.result(
            "nspd.Lookup", restrictions={"namespace": TEST, "query_string": "records=3"}
        )
        assert len(found["results"]) == 3
        told = await client.result("nspd.Statistics")
        assert told["counters"]["lookups_begun"] == 1
        (provider,) = told["providers"]
        assert (provider["lookups"], provider["records"]) == (1, 3)
        assert provider["outcomes"] == {"answered": 1}


async def test_a_reload_without_a_configuration() -> None:
    """A daemon that was started without one says that it cannot (10045)."""
    async with open_house() as house:
        client = await house.client()
        assert await client.code(client.send("nspd.Reload")) == 10045
        await until(lambda: house.server.requests >= 1)
