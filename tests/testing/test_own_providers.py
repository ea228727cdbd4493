"""Our own providers keep the contract that we ask others to keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from nspd.core.provider import Change, Provider, Query
from nspd.model.flags import ServiceOperation
from nspd.model.queryset import QuerySet
from nspd.providers.hosts import HostsProvider
from nspd.providers.registry import RegistryProvider
from nspd.providers.test import TestProvider
from nspd.testing import ProviderContract, asked
from nspd.testing.checks.registering import address

BACKENDS = ("asyncio", "uvloop", "trio")


class TestTestNamespace(ProviderContract):
    """The test namespace."""

    stops_within = 0.5
    ends_within = 0.2
    most_steps = 40

    def make_provider(self) -> Provider:
        return TestProvider()

    def lookups(self) -> Sequence[Query]:
        return [
            asked("demo", script)
            for script in (
                "records=3",
                "records=3&steps=3&step_delay=0.001&delay=0.001",
                "records=20&flood=1",
                "records=2&shared=k&delay=0.001",
                "records=2&fail=11002",
            )
        ]

    def slow_lookups(self) -> Sequence[Query]:
        scripts = ("records=2&hang=1", "gate=shut", "thread=0.01&records=2", "stubborn=0.02&hang=1")
        return [asked("demo", script) for script in scripts]

    def without_data(self) -> Sequence[Query]:
        return [asked("demo", "records=0")]

    def watches(self) -> Sequence[Query]:
        return [asked("demo", "records=2&watch_every=0.005", watch=True)]


class TestHosts(ProviderContract):
    """A hosts file."""

    backends = BACKENDS
    path: Path

    @pytest.fixture(autouse=True)
    def hosts_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file with two names, one of them with an alias; it is looked at often."""
        monkeypatch.setattr("nspd.providers.hosts.provider.POLL_INTERVAL", 0.02)
        self.path = tmp_path / "hosts"
        self.path.write_text("192.0.2.10 printer.example lp\n192.0.2.11 plotter.example\n")

    def make_provider(self) -> Provider:
        return HostsProvider(path=str(self.path))

    def lookups(self) -> Sequence[Query]:
        return [asked("printer.example"), asked("LP"), asked("*.example"), asked("192.0.2.11")]

    def unknown(self) -> Sequence[Query]:
        return [asked("scanner.example")]

    def watches(self) -> Sequence[Query]:
        return [asked("*", watch=True)]

    async def change(self, provider: Provider) -> None:
        later = self.path.with_suffix(".new")
        later.write_text(self.path.read_text() + f"192.0.2.12 {self.new_name()}\n")
        later.replace(self.path)


class TestRegistry(ProviderContract):
    """The registry, with its objects in memory."""

    backends = BACKENDS

    def make_provider(self) -> Provider:
        return RegistryProvider(store="memory")

    async def prepare(self, provider: Provider) -> None:
        await provider.set_service(registering("desk", 7))

    def lookups(self) -> Sequence[Query]:
        return [asked("desk"), asked("*")]

    def unknown(self) -> Sequence[Query]:
        return [asked("chair")]


class TestRegistryOnDisk(TestRegistry):
    """The registry, with its objects in a file."""

    stores: Iterator[Path]

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> None:
        """Where the files go; each provider has its own."""
        self.stores = (tmp_path / f"{number}.db" for number in count())

    def make_provider(self) -> Provider:
        return RegistryProvider(store=f"sqlite:{next(self.stores)}")


def registering(name: str, port: int) -> Change:
    """A registration by Alice."""
    query_set = QuerySet(service_instance_name=name, addresses=(address(port),))
    return Change(registration=query_set, operation=int(ServiceOperation.REGISTER), uid=60_001)
