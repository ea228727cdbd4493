"""The email provider keeps the contract, asking a real DNS server."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nspd.core.provider import Provider, Query
from nspd.model.queryset import CsAddr, QuerySet
from nspd.providers.email import EmailProvider
from nspd.testing import ProviderContract, asked
from tests.providers.dns.servers import Server


class TestEmail(ProviderContract):
    """Mail services of domains that knot serves."""

    server: Server

    @pytest.fixture(autouse=True)
    def dns(self, knot: Server) -> None:
        """Where the provider asks."""
        self.server = knot

    def make_provider(self) -> Provider:
        return EmailProvider(servers=(str(self.server),), resolv_conf="")

    def lookups(self) -> Sequence[Query]:
        return [asked("user@mail.test"), asked("user@onlymx.test"), asked("user@implicit.test")]

    def without_data(self) -> Sequence[Query]:
        return [asked("user@nullmx.test"), asked("user@nomail.test")]

    def unknown(self) -> Sequence[Query]:
        return [asked("user@nothere.mail.test")]

    def new_name(self) -> str:
        return f"{super().new_name()}@nothere.mail.test"

    def registration(self, name: str, addresses: tuple[CsAddr, ...] | None) -> QuerySet:
        """What is registered for an address needs a blob."""
        return QuerySet(service_instance_name=name, addresses=addresses, blob=b"card")

    def registered(self, name: str, uid: int) -> Query:
        return asked(name, uid=uid, context="registered")

    def same(self, one: Sequence[QuerySet], other: Sequence[QuerySet]) -> bool:
        """Hosts of one priority come in any order."""
        return sorted(map(repr, one)) == sorted(map(repr, other))
