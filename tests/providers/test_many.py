"""All namespaces together: who is asked for a name, who learns of it, and whose name counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nspd.core.catalog import Entry
from nspd.model.namespaces import fixed_guid
from nspd.providers.dns import DnsProvider
from nspd.providers.email import EmailProvider
from nspd.providers.hosts import HostsProvider
from nspd.providers.registry import RegistryProvider
from nspd.server.settings import AccessSettings
from tests.backends import REAL_TIME, backend
from tests.cases.harness import ALICE, BOB, Client, House, code_of, open_house
from tests.providers.dns.fakes import FakeServer, answering

pytestmark = pytest.mark.anyio

DNS, EMAIL, REGISTRY = 12, 37, 65536
RETURN_ALL = 0xFF0
EVERYWHERE = AccessSettings(register_machine=("*",))


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The event loop of a test: with real servers the time is real."""
    return backend(request.param)


class Many:
    """A daemon with all namespaces, and the DNS servers that its providers ask."""

    def __init__(self, house: House, servers: dict[str, FakeServer]) -> None:
        self.house = house
        self._servers = servers

    def learnt(self) -> dict[str, set[str]]:
        """The names that each server was asked for."""
        return {
            owner: {ask.name.lower() for ask in server.asked}
            for owner, server in self._servers.items()
        }


@asynccontextmanager
async def many(directory: Path) -> AsyncIterator[Many]:
    """Everybody's DNS and mail, and those of a network of one's own: consul. and corp.example."""
    file = directory / "hosts"
    file.write_text("192.0.2.1 web.consul\n192.0.2.2 www.example.org\n192.0.2.3 both.example\n")
    with ExitStack() as stack:
        owners = ("dns", "email", "consul", "corp mail")
        servers = {
            owner: stack.enter_context(FakeServer(answering("A", f"192.0.2.{100 + number}")))
            for number, owner in enumerate(owners)
        }

        def options(owner: str, number: int) -> dict[str, Any]:
            return {
                "servers": (str(servers[owner]),),
                "resolv_conf": "",
                "identifier": owner,
                "provider_id": fixed_guid(0xAB00 + number),
            }

        entries = [
            Entry(HostsProvider(path=str(file))),
            Entry(RegistryProvider()),
            Entry(EmailProvider(**options("email", 1))),
            Entry(DnsProvider(**options("dns", 2))),
            Entry(DnsProvider(**options("consul", 3)), domains=("consul", "corp.example")),
            Entry(EmailProvider(**options("corp mail", 4)), domains=("corp.example",)),
        ]
        async with open_house(*entries, access=EVERYWHERE) as house:
            yield Many(house, servers)


async def look_up(
    client: Client, name: str, *, flags: int = RETURN_ALL, policy: str = "all", **query: Any
) -> dict[str, Any]:
    """A whole lookup: its results and verdicts, whether it found anything or not."""
    reply = await client.reply(
        client.send(
            "nspd.Lookup",
            {
                "restrictions": {"service_instance_name": name, **query},
                "control_flags": flags,
                "policy": policy,
            },
        )
    )
    if code_of(reply) == 0:
        result: dict[str, Any] = reply["result"]
        return result
    return {"results": [], "verdicts": (reply["error"].get("data") or {}).get("verdicts", [])}


def asked(found: dict[str, Any]) -> list[str]:
    """Who was chosen for a lookup."""
    return [verdict["identifier"] for verdict in found["verdicts"]]


@REAL_TIME
@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("web.consul", {}),
        ("WEB.Consul.", {}),
        ("web.consul", {"namespace": DNS}),
        ("consul", {"query_string": "imaps/tcp"}),
        ("a.b.corp.example", {"query_string": "TXT"}),
        ("user@corp.example", {}),
        ("user@CORP.example", {"namespace": EMAIL}),
        ("user@mail.corp.example", {"query_string": "MX"}),
        ("user@web.consul", {}),
        ("user@web.consul", {"namespace": EMAIL}),
    ],
)
@pytest.mark.parametrize("policy", ["all", "first"])
async def test_claimed_names_never_leak(
    name: str, query: dict[str, Any], policy: str, tmp_path: Path
) -> None:
    """A name under a claimed suffix is asked of who claims it, and told to no other server."""
    async with many(tmp_path) as world:
        found = await look_up(world.house.connect(), name, policy=policy, **query)
        assert set(asked(found)) <= {"consul", "corp mail"}
        learnt = world.learnt()
        assert learnt["dns"] == learnt["email"] == set()
        if "@" not in name:
            assert learnt["consul"]


@REAL_TIME
async def test_other_names_do_not_reach_who_claims_his_own(tmp_path: Path) -> None:
    """Names under no claimed suffix go to those that claim nothing, notcorp.example too."""
    async with many(tmp_path) as world:
        client = world.house.connect()
        for name in ("www.example.org", "notcorp.example", "user@example.org", "consul.example"):
            found = await look_up(client, name)
            mail = ["email"] if "@" in name else []
            assert asked(found) == ["hosts", "registry", *mail, "dns"]
        learnt = world.learnt()
        assert learnt["consul"] == learnt["corp mail"] == set()
        assert {"www.example.org", "notcorp.example"} <= learnt["dns"]
        assert "_imaps._tcp.example.org" in learnt["email"]
        assert not any("user" in name for names in learnt.values() for name in names)


@REAL_TIME
async def test_own_names_shadow_for_their_user_alone(tmp_path: Path) -> None:
    """A user's own registration comes first to him, in every namespace, and to nobody else."""
    async with many(tmp_path) as world:
        alice, bob = world.house.connect(ALICE), world.house.connect(BOB)
        for name, namespace in (("both.example", REGISTRY), ("user@example.org", EMAIL)):
            for client, host, visibility in (
                (bob, "192.0.2.50", "machine"),
                (alice, "192.0.2.66", "user"),
            ):
                members = {"namespace": namespace, "blob": "Y2FyZA=="}
                change = client.register(name, host, members=members, visibility=visibility)
                assert await client.code(change) == 0

            def hosts_of(found: dict[str, Any], namespace: int = namespace) -> list[str]:
                return [
                    record["addresses"][0]["remote"]["host"]
                    for record in found["results"]
                    if record["namespace"] == namespace and record["context"] in ("", "registered")
                ]

            for policy in ("all", "first"):
                to_alice = await look_up(alice, name, policy=policy, namespace=namespace)
                to_bob = await look_up(bob, name, policy=policy, namespace=namespace)
                assert hosts_of(to_alice) == ["192.0.2.66", "192.0.2.50"]
                assert hosts_of(to_bob) == ["192.0.2.50"]
            everywhere = await look_up(bob, name)
            assert "192.0.2.66" not in str(everywhere)
            assert "192.0.2.66" in str(await look_up(alice, name))


@REAL_TIME
async def test_policy_first(tmp_path: Path) -> None:
    """What the hosts file has, the DNS is not asked for."""
    async with many(tmp_path) as world:
        found = await look_up(world.house.connect(), "www.example.org", policy="first")
        outcomes = {verdict["identifier"]: verdict["outcome"] for verdict in found["verdicts"]}
        assert outcomes == {"hosts": "answered", "registry": "skipped", "dns": "skipped"}
        assert world.learnt()["dns"] == set()
