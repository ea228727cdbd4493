"""The mail services of real domains: knot serves them, unbound validates (tests/providers/dns)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from nspd.core.session import Session
from nspd.model.errors import NoMoreResults, WSAError
from nspd.model.flags import LookupFlags
from nspd.model.queryset import QuerySet
from nspd.providers.email import EmailProvider
from tests.backends import REAL_TIME
from tests.core.world import open_world
from tests.providers.dns.servers import Server

pytestmark = [pytest.mark.anyio, REAL_TIME]

ALL = int(LookupFlags.RETURN_ALL)


@asynccontextmanager
async def mail_of(server: Server, **options: Any) -> AsyncIterator[Session]:
    """A client of a router whose email provider asks that server."""
    provider = EmailProvider(servers=(str(server),), resolv_conf="", **options)
    async with open_world(provider) as world:
        yield world.session()


async def found(session: Session, address: str, flags: int = ALL) -> list[tuple[Any, ...]]:
    """Service, host, and addresses with ports of each record."""
    lookup = session.begin(
        QuerySet(service_instance_name=address, namespace=37), control_flags=flags
    )
    records = []
    try:
        while True:
            record = await lookup.next()
            ends = [each.remote for each in record.addresses or () if each.remote is not None]
            records.append(
                (
                    (record.query_string or "").removesuffix("/tcp"),
                    record.service_instance_name,
                    *[f"{end.host} {end.port}" for end in ends],
                )
            )
    except NoMoreResults:
        return records
    finally:
        lookup.end()


async def code(session: Session, address: str, flags: int = ALL) -> int:
    """The code with which a lookup without records ends."""
    with pytest.raises(WSAError) as failed:
        await found(session, address, flags)
    return failed.value.code


async def test_a_domain_with_everything(knot: Server) -> None:
    """All services in order, with all hosts by priority; pop3 is said not to be offered."""
    async with mail_of(knot) as session:
        records = await found(session, "user@mail.test")
    mx1 = ("smtp", "mx1.mail.test", "2001:db8::105 25", "192.0.2.105 25")
    assert records[:7] == [
        ("submissions", "smtp.mail.test", "192.0.2.101 465"),
        ("submission", "smtp.mail.test", "192.0.2.101 587"),
        ("imaps", "imap.mail.test", "2001:db8::102 993", "192.0.2.102 993"),
        ("imaps", "imap-backup.mail.test", "192.0.2.103 993"),
        ("imap", "imap.mail.test", "2001:db8::102 143", "192.0.2.102 143"),
        ("pop3s", "pop.mail.test", "192.0.2.104 995"),
        mx1,
    ]
    assert ("smtp", "mx2.mail.test", "192.0.2.106 25") in records[7:]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("user@onlymx.test", [("smtp", "mx.onlymx.test", "192.0.2.110 25")]),
        (
            "user@implicit.test",
            [("smtp", "implicit.test", "2001:db8::112 25", "192.0.2.112 25")],
        ),
        (
            "user@BÜCHER.test",
            [
                ("imaps", "mx.xn--bcher-kva.test", "192.0.2.113 993"),
                ("smtp", "mx.xn--bcher-kva.test", "192.0.2.113 25"),
            ],
        ),
    ],
)
async def test_other_domains(address: str, expected: list[Any], knot: Server) -> None:
    """MX alone, no MX at all, and a domain beyond ASCII."""
    async with mail_of(knot) as session:
        assert await found(session, address) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [("user@nullmx.test", 11004), ("user@nomail.test", 11004), ("user@nothere.mail.test", 10108)],
)
async def test_no_mail(address: str, expected: int, knot: Server) -> None:
    """A domain that takes none is known, one that does not exist is not."""
    async with mail_of(knot) as session:
        assert await code(session, address) == expected


async def test_secure(unbound: Server) -> None:
    """LUP_SECURE takes what was validated, and nothing else; the AD bit must be trusted."""
    flags = ALL | int(LookupFlags.SECURE)
    async with mail_of(unbound, trust_ad=True) as session:
        records = await found(session, "user@signed.test", flags)
        addresses = ("2001:db8::15", "192.0.2.15")
        assert records == [
            ("imaps", "www.signed.test", *(f"{each} 993" for each in addresses)),
            ("smtp", "www.signed.test", *(f"{each} 25" for each in addresses)),
        ]
        assert await code(session, "user@mail.test", flags) == 11003
        assert await code(session, "user@bogus.test", flags) == 11002
    async with mail_of(unbound, trust_ad=False) as session:
        assert await code(session, "user@signed.test", flags) == 11003
