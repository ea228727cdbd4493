"""What a query asks for: services, contexts, versions, protocols, flags."""

from __future__ import annotations

from typing import Any

import pytest

from nspd.model import errors
from nspd.model.flags import LookupFlags
from nspd.model.queryset import AfProtocol, Version
from tests.providers.email.mail import (
    ALL,
    EVERYTHING,
    ask,
    change,
    code,
    ending,
    found,
    hosts,
    mail_world,
    registration,
    services,
)
from tests.providers.email.resolver import ZoneResolver

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("query_string", "expected"),
    [
        ("imaps/tcp", [EVERYTHING[2]]),
        ("IMAPS/TCP", [EVERYTHING[2]]),
        ("smtp/tcp", EVERYTHING[4:]),
        ("MX", EVERYTHING[4:]),
        ("imap/tcp", []),
        ("pop3/tcp", []),
        ("http/tcp", []),
    ],
)
async def test_one_service(query_string: str, expected: list[tuple[str, str]]) -> None:
    """A query string picks one service; if it is not there, the domain still is (11004)."""
    async with mail_world() as (world, _):
        session = world.session()
        records, error = await ending(ask(session, "u@example.org", query_string=query_string))
    assert services(records) == expected
    if not expected and query_string != "http/tcp":
        assert error.code == errors.WSANO_DATA


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (None, ["registered"] + ["dns"] * 6),
        ("", ["registered"] + ["dns"] * 6),
        ("\\", ["registered"] + ["dns"] * 6),
        ("registered", ["registered"]),
        ("dns", ["dns"] * 6),
        ("literal", []),
        ("elsewhere", []),
    ],
)
async def test_contexts(context: str | None, expected: list[str]) -> None:
    """The context says where a record comes from, and asks for those from there."""
    async with mail_world() as (world, _):
        await change(world, registration("user@example.org"))
        records = await found(world.session(), "user@example.org", context=context)
    assert [record.context for record in records] == expected


async def test_versions_are_those_of_registrations() -> None:
    """Services have no version: a query for one finds registrations alone."""
    async with mail_world() as (world, zone):
        await change(world, registration("user@example.org", version=Version(3, "equal")))
        records = await found(world.session(), "user@example.org", version=Version(2, "not_less"))
    assert [record.context for record in records] == ["registered"]
    assert zone.asked == []


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("inet", 0)], ["192.0.2.10"]),
        ([("inet6", 6)], ["2001:db8::10"]),
        ([("inet", 6), ("inet6", 6)], ["2001:db8::10", "192.0.2.10"]),
        ([(0, 6)], ["2001:db8::10", "192.0.2.10"]),
    ],
)
async def test_protocols_pick_families(pairs: list[tuple[Any, int]], expected: list[str]) -> None:
    """Only addresses of the families asked for are looked up and given."""
    protocols = tuple(AfProtocol(family, protocol) for family, protocol in pairs)
    async with mail_world() as (world, zone):
        (record,) = await found(
            world.session(), "u@example.org", query_string="imaps/tcp", protocols=protocols
        )
    assert [host for host, _ in hosts(record)] == expected
    assert len([asked for asked in zone.asked if asked[0] == "mail.example.org."]) == len(expected)


async def test_mail_speaks_tcp() -> None:
    """A query for UDP finds no service, and the DNS is not asked."""
    async with mail_world() as (world, zone):
        pair = (AfProtocol("inet", 17),)
        assert await code(world.session(), "u@example.org", protocols=pair) == 10108
    assert zone.asked == []


async def test_flags_reach_the_resolver() -> None:
    """LUP_FLUSHCACHE and LUP_SECURE are passed on with every question."""
    async with mail_world() as (world, zone):
        flags = ALL | LookupFlags.FLUSHCACHE | LookupFlags.SECURE
        await found(world.session(), "user@example.org", int(flags))
    assert set(zone.flags) == {(True, True)}


async def test_dual_addresses() -> None:
    """LUP_DUAL_ADDR gives IPv4 addresses as IPv6 ones."""
    async with mail_world(ZoneResolver("example.org. A 192.0.2.1")) as (world, _):
        flags = int(ALL | LookupFlags.DUAL_ADDR)
        (record,) = await found(world.session(), "user@example.org", flags)
    assert hosts(record) == [("::ffff:192.0.2.1", 25)]


async def test_international_domains() -> None:
    """A domain beyond ASCII is asked for by its A-labels; with IDN off, as UTF-8."""
    async with mail_world(ZoneResolver("xn--bcher-kva.example. A 192.0.2.1")) as (world, zone):
        session = world.session()
        (record,) = await found(session, "пример@BÜCHER.example")
        assert record.service_instance_name == "xn--bcher-kva.example"
        zone.asked.clear()
        flags = int(ALL | LookupFlags.DISABLE_IDN_ENCODING)
        assert await code(session, "user@Bücher.example", flags) == 10108
    assert ("b\\195\\188cher.example.", "MX") in zone.asked
