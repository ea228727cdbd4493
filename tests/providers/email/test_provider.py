"""The email provider as a whole: its names, its options, its cache."""

from __future__ import annotations

from typing import Any

import pytest

from nspd.model import errors
from nspd.model.flags import LookupFlags
from nspd.providers.email import EmailProvider
from tests.providers.email.mail import (
    ALL,
    EVERYTHING,
    ask,
    code,
    found,
    mail_world,
    services,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", ["printer", "user@", "a@b@c", "u" * 65 + "@example.org"])
async def test_names_that_are_no_addresses(name: str) -> None:
    """Asked in its own namespace, Begin says what is wrong (10022); under NS_ALL: not found."""
    async with mail_world() as (world, zone):
        session = world.session()
        with pytest.raises(errors.InvalidArgument, match="no e-mail address"):
            ask(session, name)
        assert await code(session, name, namespace=0) == 10108
    assert zone.asked == []


async def test_services_that_are_switched_off() -> None:
    """A provider looks for the services that its settings list."""
    async with mail_world(services=("imaps",), delivery=False) as (world, zone):
        records = await found(world.session(), "user@example.org")
        assert services(records) == [EVERYTHING[2]]
        assert await code(world.session(), "user@example.org", query_string="MX") == 10108
    async with mail_world(services=(), delivery=False) as (world, zone):
        assert await code(world.session(), "user@example.org") == 10108
        assert zone.asked == []


@pytest.mark.parametrize(
    "options",
    [
        {"services": ("http",)},
        {"primary": ("*.example",)},
        {"secondary": ("",)},
        {"store": "postgres"},
        {"grace": -1.0},
        {"servers": ("dns.example",)},
        {"timeout": 0.0},
        {"attempts": 0},
    ],
)
def test_impossible_options(options: dict[str, Any]) -> None:
    """An impossible option is found out before anything is opened."""
    with pytest.raises(ValueError, match=next(iter(options))):
        EmailProvider(**options)


async def test_no_containers() -> None:
    """There are none in this namespace (Case 14)."""
    async with mail_world() as (world, _):
        flags = int(ALL | LookupFlags.CONTAINERS)
        assert await code(world.session(), "user@example.org", flags) == errors.WSANO_DATA


async def test_flushing() -> None:
    """FlushCaches has the resolver forget."""
    async with mail_world() as (world, zone):
        world.router.flush_caches()
        assert zone.flushed == 1


async def test_what_is_cached() -> None:
    """What the provider's resolver remembers can be looked at, for one name or all."""
    async with mail_world() as (world, _):
        (entry,) = world.router.catalog
        await found(world.session(), "user@example.org")
        everything = list(entry.provider.cache_entries())
        of_the_host = list(entry.provider.cache_entries("Mail.example.org"))
        assert list(entry.provider.cache_entries("..")) == []
    assert {cached.type for cached in of_the_host} == {"A", "AAAA"}
    assert {"MX", "SRV", "A", "AAAA"} <= {cached.type for cached in everything}
