"""A daemon with all four namespaces, each on something real, and one of them struck.

All of them know the name `HOST` or the address `MAILBOX`, or both, so that a
lookup over all namespaces shows what a fault in one does to the others.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from nspd.core.catalog import Entry
from nspd.core.provider import Provider
from nspd.providers.dns import DnsProvider
from nspd.providers.email import EmailProvider
from nspd.providers.hosts import HostsProvider
from nspd.providers.registry import RegistryProvider
from tests.cases.harness import Client, House, open_house, until
from tests.providers.dns.fakes import Asked, FakeServer, Script

HOST = "host.example.org"
MAILBOX = "user@example.org"
HOSTS, REGISTRY, EMAIL, DNS = "hosts", "registry", "email", "dns"
PROVIDERS = (HOSTS, REGISTRY, EMAIL, DNS)
KINDS: dict[str, Callable[..., Provider]] = {
    HOSTS: HostsProvider,
    REGISTRY: RegistryProvider,
    EMAIL: EmailProvider,
    DNS: DnsProvider,
}
NUMBERS = {HOSTS: 11, REGISTRY: 65536, EMAIL: 37, DNS: 12}
CARD = "Y2FyZA=="


def healthy(ask: Asked) -> None:
    """A DNS server that knows the host, and the domain's mail server."""
    records = {
        (HOST, "A"): "192.0.2.1",
        (HOST, "AAAA"): "2001:db8::1",
        ("example.org", "MX"): f"10 {HOST}.",
        ("_imaps._tcp.example.org", "SRV"): f"0 0 993 {HOST}.",
    }
    data = records.get((ask.name.lower(), ask.rdtype))
    ask.reply(ask.response(*([("@", ask.rdtype, data)] if data is not None else [])))


class Stuck:
    """A call that does not return until it is let go."""

    def __init__(self) -> None:
        self._entered = threading.Event()
        self._released = threading.Event()

    def __call__(self) -> None:
        """Hang."""
        self._entered.set()
        self._released.wait()

    @asynccontextmanager
    async def hanging(self) -> AsyncIterator[None]:
        """From the moment when it hangs; it is let go at the end."""
        await until(self._entered.is_set)
        try:
            yield
        finally:
            self._released.set()


class Bench:
    """What a cell may change before the daemon starts, and use while it runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.hosts_file = directory / "hosts"
        self.hosts_file.write_text(f"192.0.2.1 {HOST}\n")
        self.options: dict[str, dict[str, Any]] = {
            HOSTS: {"path": str(self.hosts_file)},
            REGISTRY: {"store": f"sqlite:{directory / 'registry.db'}"},
            EMAIL: {"resolv_conf": "", "timeout": 5.0, "attempts": 1},
            DNS: {"resolv_conf": "", "timeout": 5.0, "attempts": 1},
        }
        self.budgets: dict[str, float] = {}
        self.scripts: dict[str, Script] = {EMAIL: healthy, DNS: healthy}
        self.servers: dict[str, FakeServer] = {}
        self.stuck = Stuck()
        self.house: House
        self.client: Client

    async def explain(self, name: str, **params: Any) -> dict[str, Any]:
        """The whole story of a lookup."""
        told = self.client.send(
            "nspd.Explain", {"restrictions": {"service_instance_name": name, **params}}
        )
        result: dict[str, Any] = await self.client.result(told)
        return result

    async def look_up(self, name: str, **params: Any) -> dict[str, Any]:
        """A whole lookup: its reply."""
        asked = self.client.send(
            "nspd.Lookup", {"restrictions": {"service_instance_name": name, **params}}
        )
        return await self.client.reply(asked)

    async def register(self, name: str, provider: str) -> int:
        """Register a name at one provider; the code of the reply."""
        members = {"namespace": NUMBERS[provider], "blob": CARD}
        return await self.client.code(self.client.register(name, "192.0.2.9", members=members))


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    """A daemon as the bench says, with a client and something registered."""
    async with AsyncExitStack() as stack:
        for identifier, script in bench.scripts.items():
            server = bench.servers[identifier] = stack.enter_context(FakeServer(script))
            bench.options[identifier].setdefault("servers", (str(server),))
        entries = [
            Entry(
                KINDS[identifier](**bench.options[identifier]), budget=bench.budgets.get(identifier)
            )
            for identifier in PROVIDERS
        ]
        bench.house = await stack.enter_async_context(open_house(*entries))
        bench.client = bench.house.connect()
        for name, provider in ((HOST, REGISTRY), (MAILBOX, REGISTRY), (MAILBOX, EMAIL)):
            assert await bench.register(name, provider) == 0
        yield bench
