"""Explained lookups of real names: what the story says is what the servers were asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nspd.core.catalog import Entry
from nspd.model.namespaces import Namespace, fixed_guid
from nspd.providers.dns import DnsProvider
from nspd.providers.hosts import HostsProvider
from nspd.providers.registry import RegistryProvider
from tests.providers.dns.fakes import FakeServer, answering, failing, nobody, silence
from tests.providers.dns.servers import Server
from tests.server.house import Client, open_house

pytestmark = pytest.mark.anyio

DNS = int(Namespace.DNS)
CORP = 70013


def provider(*servers: object, **options: Any) -> DnsProvider:
    """A dns provider that asks these servers, whatever this machine's resolv.conf says."""
    return DnsProvider(
        servers=tuple(map(str, servers)), resolv_conf="/dev/null", **{"attempts": 1, **options}
    )


async def explain(client: Client, name: str, **params: Any) -> dict[str, Any]:
    """nspd.Explain of a name; its result."""
    restrictions = {"service_instance_name": name, **params.pop("restrictions", {})}
    result: dict[str, Any] = await client.result(
        "nspd.Explain", restrictions=restrictions, **params
    )
    return result


def told(result: dict[str, Any], event: str, namespace: int = DNS) -> list[dict[str, Any]]:
    """The facts of the events of one kind of one provider."""
    return [
        each["facts"]
        for each in result["story"]
        if each["event"] == event and each["provider_id"] == fixed_guid(namespace)
    ]


async def test_each_attempt_is_told_with_its_server(knot: Server) -> None:
    """An uncached name: not in the cache, then asked of the server; the second time it is there."""
    async with open_house(provider(knot)) as house:
        client = await house.client()
        first = await explain(client, "www.example.test")
        second = await explain(client, "www.example.test")
    assert first["error"] is None
    attempts = told(first, "attempt")
    assert {(each["server"], each["transport"], each["type"]) for each in attempts} == {
        (str(knot), "udp", "A"),
        (str(knot), "udp", "AAAA"),
    }
    assert {each["name"] for each in attempts} == {"www.example.test"}
    assert all(0 <= each["elapsed"] <= first["elapsed"] for each in attempts)
    assert {each["state"] for each in told(first, "cache")} == {"miss"}
    assert told(second, "attempt") == []
    assert {each["state"] for each in told(second, "cache")} == {"hit"}
    assert second["results"] == first["results"]


async def test_flushed_and_bypassed_caches_are_told(knot: Server) -> None:
    """After FlushCaches, and with LUP_FLUSHCACHE, the server is asked again."""
    async with open_house(provider(knot)) as house:
        client = await house.client()
        await explain(client, "www.example.test")
        await client.result("nspd.FlushCaches")
        assert told(await explain(client, "www.example.test"), "attempt")
        forced = await explain(client, "www.example.test", control_flags=0x1FF0)
        assert told(forced, "attempt")


async def test_what_is_cached_is_shown(knot: Server) -> None:
    """ShowCache lists what lookups left behind, by name, with the time that is left."""
    async with open_house(provider(knot)) as house:
        client = await house.client()
        assert (await client.result("nspd.ShowCache"))["entries"] == []
        await explain(client, "v4.example.test")
        shown = await client.result("nspd.ShowCache", name="V4.example.test.")
        by_type = {each["type"]: each for each in shown["entries"]}
        assert by_type["A"]["kind"] == "answer"
        assert "192.0.2.4" in by_type["A"]["records"][0]
        assert 0 < by_type["A"]["ttl"] <= 300
        assert by_type["AAAA"]["kind"] == "nodata"
        assert (await client.result("nspd.ShowCache", name="other.test"))["entries"] == []
        await client.result("nspd.FlushCaches")
        assert (await client.result("nspd.ShowCache"))["entries"] == []


async def test_a_silent_server_is_named(knot: Server) -> None:
    """The first server says nothing, the second answers: both attempts are told, in order."""
    with FakeServer(silence) as silent:
        async with open_house(provider(silent, knot, timeout=0.3)) as house:
            client = await house.client()
            result = await explain(client, "v4.example.test", restrictions={"namespace": DNS})
    assert result["error"] is None
    of_a = [each for each in told(result, "attempt") if each["type"] == "A"]
    assert [each["server"] for each in of_a] == [str(silent), str(knot)]
    assert of_a[0]["outcome"] == "timed out"
    assert of_a[0]["elapsed"] >= 0.05


async def test_a_time_out_names_its_setting() -> None:
    """If every server is silent the verdict and the story name the limit that fired."""
    with FakeServer(silence) as silent:
        async with open_house(provider(silent, timeout=0.2)) as house:
            client = await house.client()
            result = await explain(client, "host.test.")
    assert result["error"]["code"] == 10060
    (verdict,) = result["verdicts"]
    assert (verdict["outcome"], verdict["error"]) == ("timed_out", 10060)
    assert verdict["setting"] in ("timeout", "attempts")
    (ended,) = told(result, "ended")
    assert ended["setting"] == verdict["setting"]
    assert str(silent) in ended["detail"]


async def test_a_servers_failure_is_told() -> None:
    """SERVFAIL and a server that is not there: each attempt says which, and the lookup fails."""
    with FakeServer(failing("SERVFAIL")) as broken, nobody() as absent:
        async with open_house(provider(broken, absent, timeout=0.5)) as house:
            client = await house.client()
            result = await explain(client, "host.test.")
    assert result["error"]["code"] == 11002
    outcomes = {each["server"]: each["outcome"] for each in told(result, "attempt")}
    assert outcomes[str(broken)] == "SERVFAIL"
    assert outcomes[absent].startswith("unreachable")


async def test_names_stay_with_the_servers_that_claim_them(tmp_path: Path) -> None:
    """Two dns providers: names under corp.test are never seen by the servers of the other."""
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.77 db.corp.test\n")
    with (
        FakeServer(answering("A", "192.0.2.1")) as world,
        FakeServer(answering("A", "192.0.2.2")) as inside,
    ):
        entries = [
            Entry(HostsProvider(path=str(hosts))),
            Entry(RegistryProvider()),
            Entry(
                provider(inside, provider_id=fixed_guid(CORP), identifier="corp"),
                domains=["corp.test", "2.0.192.in-addr.arpa"],
            ),
            Entry(provider(world)),
        ]
        async with open_house(*entries) as house:
            client = await house.client()
            for name in ("db.corp.test", "DB.corp.test.", "192.0.2.9"):
                for params in ({}, {"policy": "first"}):
                    await client.reply(
                        client.send(
                            "nspd.Lookup", restrictions={"service_instance_name": name}, **params
                        )
                    )
            assert [ask.name for ask in world.asked] == []
            assert {ask.name.lower().rstrip(".") for ask in inside.asked} == {
                "db.corp.test",
                "9.2.0.192.in-addr.arpa",
            }
            await client.reply(
                client.send("nspd.Lookup", restrictions={"service_instance_name": "www.test"})
            )
            assert {ask.name.lower().rstrip(".") for ask in world.asked} == {"www.test"}
            result = await explain(client, "db.corp.test")
    assert [each["identifier"] for each in result["verdicts"]] == ["corp"]
    assert told(result, "chosen", CORP) == [{"rule": "domains", "domain": "corp.test"}]
    assert told(result, "not_chosen") == [{"rule": "claimed", "domain": "corp.test"}]


async def test_a_dead_server_holds_up_nobody_else(tmp_path: Path) -> None:
    """Hosts and registry have answered before the silent server's time is over."""
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.10 printer.test\n")
    with FakeServer(silence) as silent:
        async with open_house(
            HostsProvider(path=str(hosts)), RegistryProvider(), provider(silent, timeout=0.4)
        ) as house:
            client = await house.client()
            result = await explain(client, "printer.test.")
    assert result["error"] is None
    ends = {each["identifier"]: each["at"] for each in result["story"] if each["event"] == "ended"}
    assert max(ends["hosts"], ends["registry"]) < ends["dns"]
    assert ends["dns"] >= 0.4


async def test_a_search_list_does_not_leak_a_claimed_name() -> None:
    """A short name is not completed to one that another provider claims."""
    with (
        FakeServer(failing("NXDOMAIN")) as world,
        FakeServer(answering("A", "192.0.2.2")) as inside,
    ):
        corp = provider(
            inside, search=("corp.test",), provider_id=fixed_guid(CORP), identifier="corp"
        )
        everything = provider(world, search=("corp.test", "test", "other.test"))
        async with open_house(
            Entry(corp, domains=["corp.test"]), Entry(everything, domains=["."])
        ) as house:
            client = await house.client()
            for name in ("db", "db.corp"):
                await client.reply(
                    client.send("nspd.Lookup", restrictions={"service_instance_name": name})
                )
            asked = {ask.name.lower().rstrip(".") for ask in world.asked}
            assert asked == {
                *("db.test", "db.other.test"),
                *("db.corp", "db.corp.other.test"),
            } | ({"db"} & asked)
            assert inside.asked == []
            # Who names the provider has said to whom the name itself may be told.
            restrictions = {
                "service_instance_name": "www.corp.test.",
                "provider_id": everything.provider_id,
            }
            await client.reply(client.send("nspd.Lookup", restrictions=restrictions))
            assert "www.corp.test" in {ask.name.lower().rstrip(".") for ask in world.asked}


async def test_over_budget_the_story_tells_who_was_being_asked() -> None:
    """Stopped by its budget, the provider had asked the silent server, and that is told."""
    with FakeServer(silence) as silent:
        entry = Entry(provider(silent, timeout=20), budget=0.2)
        async with open_house(entry) as house:
            client = await house.client()
            result = await explain(client, "host.test.")
    assert result["error"]["code"] == 10060
    (verdict,) = result["verdicts"]
    assert (verdict["outcome"], verdict["setting"]) == ("timed_out", "budget")
    assert {(each["server"], each["type"]) for each in told(result, "sent")} == {
        (str(silent), "A"),
        (str(silent), "AAAA"),
    }
    assert told(result, "attempt") == []
