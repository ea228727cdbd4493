"""Levels of email providers: as settings say them, and among several in one catalog."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from nspd.core.session import Session
from nspd.model import errors
from nspd.model.flags import LookupFlags
from nspd.model.levels import AuthLevel
from nspd.model.namespaces import fixed_guid
from nspd.providers.email import EmailProvider
from nspd.providers.email.installation import Installation, encode
from nspd.providers.email.levels import levels_of
from tests.core.world import World, open_world
from tests.providers.email.mail import ALL, CARD, ask, change, ending, registration
from tests.providers.email.resolver import ZoneResolver

NON_AUTHORITATIVE = int(LookupFlags.NON_AUTHORITATIVE)


def test_levels_out_of_a_blob() -> None:
    """A provider's levels may be given by its blob; a domain twice counts by the higher level."""
    twice = (("example.org", AuthLevel.PRIMARY), ("Example.ORG.", AuthLevel.SECONDARY))
    blob = b64encode(encode(Installation(domains=twice, wildcard=False))).decode()
    levels = levels_of((), (), True, blob)
    assert levels.of("user@example.org") is AuthLevel.PRIMARY
    assert levels.of("user@example.com") is AuthLevel.NONE
    assert levels.of("printer") is None
    assert not levels.wildcard


@pytest.mark.parametrize(("primary", "blob"), [((), "!"), ((), "AAAA"), (("example.org",), "AAAA")])
def test_blobs_that_a_configuration_must_not_have(primary: tuple[str, ...], blob: str) -> None:
    """What cannot be read, or says what other settings say, is a mistake in that setting."""
    with pytest.raises(ValueError, match=r"^installation: "):
        levels_of(primary, (), True, blob)


def test_levels_out_of_lists() -> None:
    """A domain in both lists is a primary one."""
    levels = levels_of(["b\u00fccher.example"], ["xn--bcher-kva.example", "example.org"], True, "")
    assert levels.of("user@B\u00dcCHER.example") is AuthLevel.PRIMARY
    assert levels.of("user@example.org") is AuthLevel.SECONDARY
    assert levels.of("user@www.example.org") is AuthLevel.NONE


@asynccontextmanager
async def two_providers() -> AsyncIterator[tuple[World, dict[str, ZoneResolver]]]:
    """One for everybody, and behind it in the catalog the primary of example.org."""
    zones = {
        "general": ZoneResolver("example.org. A 192.0.2.1", "example.com. A 192.0.2.2"),
        "corporate": ZoneResolver("example.org. A 192.0.2.3"),
    }
    general = EmailProvider(identifier="general", open_resolver=zones["general"].opened)
    corporate = EmailProvider(
        identifier="corporate",
        provider_id=fixed_guid(0xC0),
        primary=("Example.org",),
        wildcard=False,
        open_resolver=zones["corporate"].opened,
    )
    async with open_world(general, corporate) as world:
        yield world, zones


async def outcomes(session: Session, name: str, flags: int = ALL) -> list[tuple[str, str, int]]:
    """Who was chosen for an address, what became of it there, and with how many records."""
    _, error = await ending(ask(session, name, flags))
    return [(each.identifier, each.outcome, each.records) for each in error.verdicts]


@pytest.mark.anyio
async def test_the_primary_is_asked_first() -> None:
    """It is the only one to be asked for its domain, and not asked for any other."""
    async with two_providers() as (world, zones):
        session = world.session()
        assert await outcomes(session, "user@EXAMPLE.org") == [
            ("corporate", "answered", 1),
            ("general", "skipped", 0),
        ]
        assert zones["general"].asked == []
        assert await outcomes(session, "user@example.com") == [("general", "answered", 1)]
        assert await outcomes(session, "user@www.example.org") == [("general", "empty", 0)]


@pytest.mark.anyio
async def test_the_next_one_is_asked_when_the_primary_fails() -> None:
    """A primary whose DNS is out of order does not keep the answer from its user."""
    async with two_providers() as (world, zones):
        for rdtype in ("A", "AAAA", "MX"):
            zones["corporate"].failing["example.org.", rdtype] = errors.TryAgain("no")
        found = await outcomes(world.session(), "user@example.org")
    assert found == [("corporate", "failed", 0), ("general", "answered", 1)]


@pytest.mark.anyio
async def test_all_of_them_are_asked() -> None:
    """LUP_NON_AUTHORITATIVE asks whoever may be asked for the domain."""
    async with two_providers() as (world, _):
        session = world.session()
        flags = ALL | NON_AUTHORITATIVE
        assert await outcomes(session, "user@example.org", flags) == [
            ("corporate", "answered", 1),
            ("general", "answered", 1),
        ]
        assert await outcomes(session, "user@example.com", flags) == [("general", "answered", 1)]


@pytest.mark.anyio
async def test_registrations_go_to_the_primary() -> None:
    """An address is registered with its domain's primary provider, and with no other."""
    async with two_providers() as (world, _):
        await change(world, registration("user@example.org"))
        await change(world, registration("user@example.com"))
        session = world.session()
        for name, provider in (
            ("user@example.org", "corporate"),
            ("user@example.com", "general"),
        ):
            records, error = await ending(ask(session, name, ALL | NON_AUTHORITATIVE))
            assert [record.blob for record in records].count(CARD) == 1
            (registered,) = [record for record in records if record.blob == CARD]
            verdict = {each.identifier: each for each in error.verdicts}[provider]
            assert registered.provider_id == verdict.provider_id
