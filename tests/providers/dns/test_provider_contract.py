"""The contract of every provider, kept by dns against a real server and a silent one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from nspd.core.provider import Provider, Query
from nspd.model.flags import LookupFlags
from nspd.model.queryset import QuerySet
from nspd.providers.dns import DnsProvider
from nspd.testing import ProviderContract, asked
from tests.providers.dns.fakes import DeadServer
from tests.providers.dns.servers import Server


class TestAgainstKnot(ProviderContract):
    """Lookups of all kinds, each from a cache that is still empty."""

    server: Server

    @pytest.fixture(autouse=True)
    def _server(self, knot: Server) -> None:
        self.server = knot

    def make_provider(self) -> Provider:
        """One that asks knot, and finds the targets of a service in any order."""
        return DnsProvider(servers=(str(self.server),), resolv_conf="", search=("example.test",))

    def lookups(self) -> Sequence[Query]:
        """Addresses, aliases over two zones, a service, an address's name, and records."""
        return [
            asked("www.example.test"),
            asked("www"),
            asked("away.example.test"),
            asked("example.test", query_string="imaps/tcp"),
            asked("192.0.2.10"),
            asked("text.example.test", query_string="TXT"),
            asked("localhost"),
            asked(
                "many.example.test", control_flags=LookupFlags.RETURN_ALL | LookupFlags.FLUSHCACHE
            ),
        ]

    def without_data(self) -> Sequence[Query]:
        """No address, no record of the type, a service that is not offered."""
        return [
            asked("text.example.test"),
            asked("www.example.test", query_string="MX"),
            asked("example.test", query_string="none/tcp"),
        ]

    def unknown(self) -> Sequence[Query]:
        """No such name, and names that nobody is asked for."""
        return [asked("nowhere.example.test."), asked("printer.local"), asked("a..b")]

    def same(self, one: Sequence[QuerySet], other: Sequence[QuerySet]) -> bool:
        """Targets of one priority, and addresses of one family, come in any order."""
        return sorted(map(_what, one)) == sorted(map(_what, other))


class TestAgainstSilence(ProviderContract):
    """Lookups that wait: cancelled at every step they leave nothing behind."""

    dead: DeadServer
    ends_within = 0.05

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with DeadServer() as self.dead:
            yield

    def make_provider(self) -> Provider:
        """One that asks nobody who answers."""
        return DnsProvider(servers=(str(self.dead),), resolv_conf="", timeout=2.0, attempts=1)

    def lookups(self) -> Sequence[Query]:
        """What needs no answer."""
        return [asked("localhost")]

    def slow_lookups(self) -> Sequence[Query]:
        """Each kind of question."""
        return [
            asked("www.test"),
            asked("test", query_string="imaps/tcp"),
            asked("192.0.2.10"),
            asked("test", query_string="MX"),
        ]


def _what(record: QuerySet) -> str:
    hosts = sorted(str(each.remote.host) for each in record.addresses or () if each.remote)
    return f"{record.service_instance_name} {record.output_flags} {record.comment} {hosts}"
