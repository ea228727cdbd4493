"""Many namespaces at once, over the wire: who is asked, who is not told, who hides whom.

The providers are those of hosts and the registry, and resolvers of the test's
own making that write down every name that they are told.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from nspd.core.catalog import Entry
from nspd.core.provider import Answer, Provider, Query, Results
from nspd.model import errors
from nspd.model.namespaces import Namespace, fixed_guid
from nspd.providers.hosts import HostsProvider
from nspd.providers.registry import RegistryProvider
from tests.backends import VIRTUAL_TIME
from tests.core.world import hang, named
from tests.server.house import Client, open_house, until

pytestmark = pytest.mark.anyio

DNS, CORP, CONSUL = 70012, 70013, 70014
HOSTS, REGISTRY = int(Namespace.TCPIP_HOSTS), int(Namespace.REGISTRY)

HOSTS_FILE = "192.0.2.10 printer.example lp\n192.0.2.11 db.corp.example\n"


class Resolver(Provider):
    """Finds every name, and notes which it was told."""

    kind = "resolver"

    def __init__(
        self,
        namespace: int,
        *,
        failing: Callable[[], Exception] | None = None,
        hanging: bool = False,
    ) -> None:
        super().__init__(namespace=namespace, identifier=f"resolver {namespace}")
        self.asked: list[str | None] = []
        self._failing = failing
        self._hanging = hanging

    def answer(self, query: Query) -> Answer | None:
        name = query.restrictions.service_instance_name
        if self.asked[-1:] != [name]:  # one nspd.Lookup may ask it twice
            self.asked.append(name)
        return None

    async def lookup(self, query: Query, results: Results) -> None:
        if self._hanging:
            await hang(query, results)
        if self._failing is not None:
            raise self._failing()
        await results.send(named(query.restrictions.service_instance_name or "?"))


@pytest.fixture
def hosts(tmp_path: Path) -> HostsProvider:
    """A hosts provider with two names."""
    path = tmp_path / "hosts"
    path.write_text(HOSTS_FILE)
    return HostsProvider(path=str(path))


class Company:
    """Resolvers as a company may have them: one for the world, one for each domain of its own."""

    def __init__(self, hosts: HostsProvider) -> None:
        self.dns = Resolver(DNS)
        self.corp = Resolver(CORP)
        self.consul = Resolver(CONSUL)
        self.entries = [
            Entry(hosts),
            Entry(RegistryProvider()),
            Entry(self.corp, domains=["corp.example", "10.in-addr.arpa"]),
            Entry(self.consul, domains=["consul", "dc1.corp.example"]),
            Entry(self.dns),
        ]

    def told(self) -> dict[str, list[str | None]]:
        """The names that each resolver has been told."""
        return {
            name: resolver.asked
            for name, resolver in (("dns", self.dns), ("corp", self.corp), ("consul", self.consul))
            if resolver.asked
        }


async def lookup(client: Client, name: str | None = None, **params: Any) -> dict[str, Any]:
    """nspd.Lookup; its result, or its error with an empty result."""
    restrictions = dict(params.pop("restrictions", {}))
    if name is not None:
        restrictions["service_instance_name"] = name
    reply = await client.reply(client.send("nspd.Lookup", restrictions=restrictions, **params))
    if "error" in reply:
        return {"code": reply["error"]["code"], "results": [], **reply["error"]["data"]}
    result: dict[str, Any] = {"code": 0, **reply["result"]}
    return result


def givers(result: dict[str, Any]) -> list[int]:
    """The namespaces from which the records came, in order."""
    return [each["namespace"] for each in result["results"]]


def outcomes(result: dict[str, Any]) -> dict[int, str]:
    """What became of each provider, by namespace."""
    return {verdict["namespace"]: verdict["outcome"] for verdict in result["verdicts"]}


# Routing


@pytest.mark.parametrize(
    ("name", "to"),
    [
        ("www.example", "dns"),
        ("db.corp.example", "corp"),
        ("DB.CORP.EXAMPLE.", "corp"),
        ("corp.example", "corp"),
        ("x.dc1.corp.example", "consul"),
        ("web.service.consul", "consul"),
        ("web.service.consul.", "consul"),
        ("notconsul", "dns"),
        ("10.1.2.3", "corp"),
        ("3.2.1.10.IN-ADDR.ARPA", "corp"),
        ("::ffff:10.1.2.3", "corp"),
        ("11.1.2.3", "dns"),
        ("alice@corp.example", "corp"),
        ("db。corp。example", "corp"),
    ],
)
@pytest.mark.parametrize("policy", ["all", "first"])
async def test_a_name_is_told_to_nobody_else(
    name: str, to: str, policy: str, hosts: HostsProvider
) -> None:
    """A name under a claimed suffix reaches its claimant alone, however it is asked for."""
    company = Company(hosts)
    async with open_house(*company.entries) as house:
        client = await house.client()
        result = await lookup(client, name, policy=policy)
        assert result["code"] == 0
        assert company.told() == {to: [name]}
        if to != "dns":
            assert len(result["verdicts"]) == 1


@pytest.mark.parametrize("namespace", [DNS, HOSTS, REGISTRY])
async def test_a_namespace_is_no_way_around_a_claim(namespace: int, hosts: HostsProvider) -> None:
    """Asked for in another namespace, a claimed name is 10108, and nobody was told it."""
    company = Company(hosts)
    async with open_house(*company.entries) as house:
        client = await house.client()
        result = await lookup(client, "db.corp.example", restrictions={"namespace": namespace})
        assert result["code"] == 10108
        assert "corp.example" in result["detail"]
        assert company.told() == {}


async def test_a_claim_outlives_its_provider(hosts: HostsProvider) -> None:
    """Switched off while the daemon runs, the claimant takes its names with it."""
    company = Company(hosts)
    async with open_house(*company.entries) as house:
        client = await house.client()
        await client.result("WSCEnableNSProvider", provider_id=fixed_guid(CORP), enable=False)
        assert (await lookup(client, "db.corp.example"))["code"] == 10108
        assert (await lookup(client, "x.dc1.corp.example"))["code"] == 0
        await client.result("WSCEnableNSProvider", provider_id=fixed_guid(CORP), enable=True)
        assert (await lookup(client, "db.corp.example"))["code"] == 0
        assert company.told() == {"corp": ["db.corp.example"], "consul": ["x.dc1.corp.example"]}


async def test_a_reload_moves_a_claim(hosts: HostsProvider) -> None:
    """Other suffixes count for the lookups that begin after the change."""
    company = Company(hosts)
    async with open_house(*company.entries) as house:
        client = await house.client()
        await lookup(client, "db.corp.example")
        corp = house.router.catalog.find(fixed_guid(CORP))
        house.router.catalog.configure(corp, budget=None, domains=["other.example"])
        await lookup(client, "db.corp.example")
        await lookup(client, "x.other.example")
        assert company.told() == {
            "corp": ["db.corp.example", "x.other.example"],
            "dns": ["db.corp.example"],
        }


async def test_an_enumeration_goes_where_names_may_be(hosts: HostsProvider) -> None:
    """A lone "*" asks everybody; a pattern below a claim stays with those who claim there."""
    company = Company(hosts)
    async with open_house(*company.entries) as house:
        client = await house.client()
        everything = await lookup(client, "*")
        assert set(outcomes(everything)) == {HOSTS, REGISTRY, CORP, CONSUL, DNS}
        below = await lookup(client, "*.corp.example")
        assert set(outcomes(below)) == {CORP, CONSUL}
        assert company.told() == {
            "dns": ["*"],
            "corp": ["*", "*.corp.example"],
            "consul": ["*", "*.corp.example"],
        }


async def test_a_registration_goes_where_lookups_go() -> None:
    """A name that another provider claims cannot be registered where nobody would find it."""
    claimed = Entry(Resolver(CORP), domains=["corp.example"])
    async with open_house(RegistryProvider(), claimed) as house:
        client = await house.client()
        await client.startup()
        for namespace, code in ((REGISTRY, 10108), (0, 10045)):
            call = client.send(
                "NSPv2SetServiceEx",
                operation=0,
                registration={"service_instance_name": "db.corp.example", "namespace": namespace},
            )
            assert await client.code(call) == code
        # Whoever names the provider may, so that old registrations can be cleared away.
        call = client.send(
            "NSPv2SetServiceEx",
            operation=0,
            provider_id=fixed_guid(REGISTRY),
            registration={"service_instance_name": "db.corp.example"},
        )
        assert await client.code(call) == 0


# All namespaces, both policies


async def test_all_gives_what_everybody_has(hosts: HostsProvider) -> None:
    """With "all" nothing hides anything, and each record says whose it is."""
    async with open_house(hosts, RegistryProvider(), Resolver(DNS)) as house:
        client = await house.client()
        await register(client, "printer.example")
        result = await lookup(client, "printer.example", control_flags=0x110)
        assert sorted(givers(result)) == sorted([HOSTS, REGISTRY, DNS])
        assert outcomes(result) == {HOSTS: "answered", REGISTRY: "answered", DNS: "answered"}


async def test_first_stops_at_the_first_that_knows(hosts: HostsProvider) -> None:
    """With "first" the catalog's order decides; the rest is skipped, and is told nothing."""
    resolver = Resolver(DNS)
    async with open_house(hosts, RegistryProvider(), resolver) as house:
        client = await house.client()
        await register(client, "www.example")
        result = await lookup(client, "printer.example", policy="first")
        assert set(givers(result)) == {HOSTS}
        assert outcomes(result) == {HOSTS: "answered", REGISTRY: "skipped", DNS: "skipped"}
        result = await lookup(client, "www.example", policy="first")
        assert givers(result) == [REGISTRY]
        assert outcomes(result) == {HOSTS: "empty", REGISTRY: "answered", DNS: "skipped"}
        assert resolver.asked == []
        result = await lookup(client, "other.example", policy="first")
        assert givers(result) == [DNS]
        assert resolver.asked == ["other.example"]


async def test_no_data_is_an_answer_under_first(hosts: HostsProvider) -> None:
    """Known without data hides the name in the providers behind (11004)."""
    resolver = Resolver(DNS)
    async with open_house(hosts, resolver) as house:
        client = await house.client()
        query = {"query_string": "MX"}
        result = await lookup(client, "printer.example", restrictions=query, policy="first")
        assert result["code"] == 11004
        assert outcomes(result) == {HOSTS: "empty", DNS: "skipped"}
        assert resolver.asked == []


async def test_first_goes_on_past_a_failure(hosts: HostsProvider) -> None:
    """A provider that fails has not answered: the next one is asked."""
    failing = Resolver(CORP, failing=lambda: errors.TryAgain("SERVFAIL", setting=None))
    async with open_house(failing, Resolver(DNS), hosts) as house:
        client = await house.client()
        result = await lookup(client, "x.example", policy="first")
        assert givers(result) == [DNS]
        assert outcomes(result) == {CORP: "failed", DNS: "answered", HOSTS: "skipped"}


async def test_each_verdict_names_its_own_cause(hosts: HostsProvider) -> None:
    """Which provider, which error, and which setting, for each way to fail at once."""
    ways: list[tuple[Callable[[], Exception], str, int, str | None]] = [
        (lambda: errors.TimedOut("silent", setting="attempts"), "timed_out", 10060, "attempts"),
        (lambda: errors.TryAgain("SERVFAIL"), "failed", 11002, None),
        (lambda: errors.NoBuffers("full", setting="cache_size"), "failed", 10055, "cache_size"),
        (errors.NoMoreResults, "empty", 0, None),
        (errors.LookupCancelled, "failed", 10107, None),
        (lambda: RuntimeError("bug"), "failed", 10107, None),
    ]
    resolvers = [Resolver(71000 + n, failing=way[0]) for n, way in enumerate(ways)]
    async with open_house(hosts, *resolvers) as house:
        house.log.announced.add("provider failed")
        client = await house.client()
        result = await lookup(client, "printer.example", control_flags=0x110)
        assert result["code"] == 0
        by_namespace = {verdict["namespace"]: verdict for verdict in result["verdicts"]}
        for number, (_, outcome, error, setting) in enumerate(ways):
            verdict = by_namespace[71000 + number]
            assert (verdict["outcome"], verdict["error"] or 0, verdict["setting"]) == (
                *(outcome, error, setting),
            )
        assert by_namespace[HOSTS]["outcome"] == "answered"


@VIRTUAL_TIME
async def test_a_dead_provider_delays_no_other(hosts: HostsProvider) -> None:
    """Records of the others come at once; the silent one costs its budget, and is named."""
    dead = Entry(Resolver(DNS, hanging=True), budget=5)
    async with open_house(dead, hosts, RegistryProvider()) as house:
        client = await house.client()
        await client.startup()
        await register(client, "printer.example")
        began = anyio.current_time()
        reply = await client.reply(
            client.send(
                "NSPv2LookupServiceBegin",
                restrictions={"service_instance_name": "printer.example"},
                control_flags=0x110,
            )
        )
        handle = reply["result"]["lookup"]
        records = [await client.reply(client.next(handle)) for _ in range(2)]
        assert {each["result"]["namespace"] for each in records} == {HOSTS, REGISTRY}
        assert anyio.current_time() == began
        last = client.next(handle)
        await anyio.sleep(6)
        end = (await client.reply(last))["error"]
        assert end["code"] == 10110
        verdicts = {verdict["namespace"]: verdict for verdict in end["data"]["verdicts"]}
        assert verdicts[DNS]["outcome"] == "timed_out"
        assert verdicts[DNS]["setting"] == "budget"
        assert verdicts[DNS]["elapsed"] == pytest.approx(5, abs=0.1)
        await client.result("NSPv2LookupServiceEnd", lookup=handle)


@VIRTUAL_TIME
async def test_under_first_a_dead_provider_costs_its_budget_alone(hosts: HostsProvider) -> None:
    """In order, the next provider is asked when the budget of the silent one is over."""
    dead = Entry(Resolver(DNS, hanging=True), budget=5)
    async with open_house(dead, hosts) as house:
        client = await house.client()
        call = client.send(
            "nspd.Lookup",
            restrictions={"service_instance_name": "printer.example"},
            policy="first",
        )
        await anyio.sleep(6)
        result = (await client.reply(call))["result"]
        assert result["results"][0]["namespace"] == HOSTS
        assert [verdict["setting"] for verdict in result["verdicts"]] == ["budget", None]


# A user's own names


async def register(client: Client, name: str, **params: Any) -> None:
    """Register a name with one address."""
    await client.startup()
    address = {"remote": {"family": "inet", "host": "192.0.2.99", "port": 1}, "socket_type": 1}
    await client.result(
        "NSPv2SetServiceEx",
        operation=0,
        registration={
            "service_instance_name": name,
            "namespace": REGISTRY,
            "comment": params.pop("comment", "own"),
            "addresses": [address | {"protocol": 6}],
        },
        **params,
    )


@pytest.mark.parametrize("policy", ["all", "first"])
async def test_own_names_are_the_users_alone(policy: str) -> None:
    """What a user registers hides the DNS from him under "first", and from nobody else."""
    resolver = Resolver(DNS)
    async with open_house(RegistryProvider(), resolver) as house:
        alice, admin = await house.user(), await house.client()
        await register(alice, "www.example")
        mine = await lookup(alice, "www.example", policy=policy)
        theirs = await lookup(admin, "www.example", policy=policy)
        assert givers(theirs) == [DNS]
        assert givers(mine) == ([REGISTRY] if policy == "first" else [REGISTRY, DNS])


@pytest.mark.parametrize("policy", ["all", "first"])
async def test_own_names_come_before_the_machines(policy: str) -> None:
    """Within the registry a user's own object comes first, then the machine's; both come."""
    async with open_house(RegistryProvider(), Resolver(DNS)) as house:
        admin, alice = await house.client(), await house.user()
        await register(admin, "www.example", comment="machine", visibility="machine")
        await register(alice, "www.example", comment="alice")
        for client, comments in ((alice, ["alice", "machine"]), (admin, ["machine"])):
            result = await lookup(client, "WWW.example", policy=policy)
            registered = [each for each in result["results"] if each["namespace"] == REGISTRY]
            assert [each["comment"] for each in registered] == comments


async def test_the_order_of_the_catalog_decides_who_hides_whom(hosts: HostsProvider) -> None:
    """Under "first" the hosts file hides a registered name, until the registry stands before it."""
    async with open_house(hosts, RegistryProvider()) as house:
        client = await house.client()
        await register(client, "printer.example")
        assert set(givers(await lookup(client, "printer.example", policy="first"))) == {HOSTS}
        order = [fixed_guid(REGISTRY), fixed_guid(HOSTS)]
        await client.result("WSCWriteNameSpaceOrder", provider_ids=order)
        assert givers(await lookup(client, "printer.example", policy="first")) == [REGISTRY]


async def test_what_a_user_registers_under_a_claim_is_not_found_around_it() -> None:
    """Registered by GUID under another's suffix, a name hides nothing, not even for its user."""
    corp = Resolver(CORP)
    async with open_house(RegistryProvider(), Entry(corp, domains=["corp.example"])) as house:
        alice = await house.user()
        await alice.startup()
        await alice.result(
            "NSPv2SetServiceEx",
            operation=0,
            provider_id=fixed_guid(REGISTRY),
            registration={"service_instance_name": "db.corp.example"},
        )
        for policy in ("all", "first"):
            assert givers(await lookup(alice, "db.corp.example", policy=policy)) == [CORP]
        await until(lambda: house.router.work.running == 0)
