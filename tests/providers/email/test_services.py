"""What the DNS answers offer: services for mail programs, delivery, and what is not offered."""

from __future__ import annotations

import pytest

from nspd.model import errors
from tests.providers.email.mail import (
    EMAIL,
    EVERYTHING,
    code,
    found,
    hosts,
    mail_world,
    services,
)
from tests.providers.email.resolver import ZoneResolver

pytestmark = pytest.mark.anyio


async def test_the_services_of_a_domain() -> None:
    """All services come in the order of RFC 6186 and 8314, then delivery by preference."""
    async with mail_world() as (world, zone):
        records = await found(world.session(), "user@example.org")
    assert services(records) == EVERYTHING
    imaps = records[2]
    assert hosts(imaps) == [("2001:db8::10", 993), ("192.0.2.10", 993)]
    assert {(a.socket_type, a.protocol) for a in imaps.addresses or ()} == {(1, 6)}
    assert imaps.comment == "_imaps._tcp.example.org. SRV 0 1 993 mail.example.org."
    assert imaps.blob == b"\0\0\0\1\x03\xe1\4mail\7example\3org\0"
    assert (imaps.context, imaps.namespace, imaps.output_flags) == ("dns", EMAIL, 0)
    assert records[4].comment == "example.org. MX 10 mx1.example.org."
    assert zone.asked.count(("_imap._tcp.example.org.", "SRV")) == 1


async def test_a_domain_without_mail() -> None:
    """A domain that exists, but has no service and no address, is known (11004)."""
    async with mail_world(ZoneResolver("example.org. TXT none")) as (world, _):
        assert await code(world.session(), "user@example.org") == errors.WSANO_DATA


async def test_no_mail_is_accepted() -> None:
    """A null MX offers no delivery, not even to the domain's own address (RFC 7505)."""
    zone = ZoneResolver("example.org. MX 0 .", "example.org. A 192.0.2.1")
    async with mail_world(zone) as (world, _):
        assert await code(world.session(), "user@example.org") == errors.WSANO_DATA


async def test_delivery_without_an_mx() -> None:
    """Mail goes to the domain itself if it has addresses and no MX (RFC 5321, 5.1)."""
    async with mail_world(ZoneResolver("example.org. A 192.0.2.1")) as (world, _):
        records = await found(world.session(), "user@example.org")
    assert services(records) == [("smtp/tcp", "example.org")]
    assert hosts(records[0]) == [("192.0.2.1", 25)]
    assert records[0].blob == b"\0\0\7example\3org\0"
    assert "no MX" in (records[0].comment or "")


async def test_no_implicit_delivery_beside_an_mx() -> None:
    """An MX whose host has no address does not lead to the domain itself."""
    zone = ZoneResolver("example.org. MX 10 gone.example.org.", "example.org. A 192.0.2.1")
    async with mail_world(zone) as (world, _):
        assert await code(world.session(), "user@example.org") == errors.WSANO_DATA


async def test_priorities() -> None:
    """Hosts of one service come by priority; equal ones are drawn by weight (RFC 2782)."""
    zone = ZoneResolver(
        "_imaps._tcp.example.org. SRV 20 0 993 c.example.org.",
        "_imaps._tcp.example.org. SRV 10 0 993 b.example.org.",
        "_imaps._tcp.example.org. SRV 10 65535 993 a.example.org.",
        *(f"{host}.example.org. A 192.0.2.1" for host in "abc"),
    )
    firsts = set()
    async with mail_world(zone) as (world, _):
        for _ in range(20):
            records = await found(world.session(), "u@example.org", query_string="imaps/tcp")
            names = [str(record.service_instance_name)[0] for record in records]
            assert names[2] == "c"
            firsts.add(names[0])
    assert "a" in firsts


async def test_an_alias_keeps_its_name() -> None:
    """The name is the one in the SRV record, which certificates are for; addresses follow."""
    zone = ZoneResolver(
        "_imaps._tcp.example.org. SRV 0 0 993 imap.example.org.",
        "imap.example.org. CNAME host.example.net.",
        "host.example.net. A 192.0.2.7",
    )
    async with mail_world(zone) as (world, _):
        (record,) = await found(world.session(), "u@example.org", query_string="imaps/tcp")
    assert record.service_instance_name == "imap.example.org"
    assert hosts(record) == [("192.0.2.7", 993)]


async def test_an_address_literal() -> None:
    """Mail for an address literal goes to that host; the DNS is not asked."""
    async with mail_world() as (world, zone):
        session = world.session()
        (record,) = await found(session, "user@[192.0.2.1]")
        assert hosts(record) == [("192.0.2.1", 25)]
        assert (record.query_string, record.context) == ("smtp/tcp", "literal")
        (record,) = await found(session, "user@[IPv6:2001:DB8::1]", query_string="MX")
        assert hosts(record) == [("2001:db8::1", 25)]
        assert await code(session, "user@[192.0.2.1]", query_string="imaps/tcp") == 11004
    assert zone.asked == []


async def test_a_domain_too_long_for_its_services() -> None:
    """A name that the DNS cannot hold does not exist; the others are asked for."""
    domain = ".".join(["a" * 59] * 4) + ".abcde"
    async with mail_world(ZoneResolver(f"{domain}. A 192.0.2.1")) as (world, zone):
        records = await found(world.session(), f"u@{domain}")
    assert services(records) == [("smtp/tcp", domain)]
    assert ("_submissions._tcp." + domain + ".", "SRV") not in zone.asked
