"""What lookups of the dns namespace note in their stories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import structlog

from nspd.core.provider import Query
from nspd.core.story import Story
from nspd.model.errors import TryAgain, WSAError
from nspd.model.flags import LookupFlags
from nspd.model.queryset import QuerySet
from nspd.providers.dns import DnsProvider
from tests.backends import backend
from tests.providers.dns.upstream import FakeUpstream, Reply, negative, reply

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both in virtual time."""
    return backend(request.param)


class Nobody:
    """Takes records, and is the daemon as far as the provider needs one."""

    log = structlog.get_logger()

    async def send(self, record: QuerySet) -> None:
        """Take it."""

    def known(self) -> None:
        """Take note."""

    def synced(self) -> None:
        """Take note."""

    def on_cancel(self, let_go: Any, *, returns: bool = False) -> None:
        """Take no note."""

    async def run_blocking(self, function: Any, *args: Any) -> Any:
        """Nothing blocks here."""
        raise NotImplementedError


@asynccontextmanager
async def opened(script: dict[str, Reply], **options: Any) -> AsyncIterator[DnsProvider]:
    """A provider that asks a fake."""
    fake = FakeUpstream(script)
    options = {"servers": ("127.0.0.1",), "resolv_conf": "", **options}
    provider = DnsProvider(upstream=fake.made, **options)
    async with provider.running(Nobody()):
        yield provider


async def told(provider: DnsProvider, name: str, flags: int = 0) -> list[str]:
    """The story of a lookup, without times."""
    story = Story(anyio.current_time)
    query = Query(
        restrictions=QuerySet(service_instance_name=name, namespace=12),
        control_flags=int(flags),
        story=story,
    )
    assert provider.answer(query) is None
    try:
        await provider.lookup(query, Nobody())
    except WSAError as error:
        story.note("raised", code=error.code)
    return [
        " ".join([event.event, *(str(fact) for fact in event.facts.values())])
        for event in story.events
    ]


async def test_the_cache() -> None:
    """What it had of each question, for how long still, and whether it was asked."""
    script: dict[str, Reply] = {
        "www.test A": reply(("www.test.", "A", "192.0.2.1"), ttl=100),
        "www.test AAAA": negative(),
    }
    async with opened(script) as provider:
        assert await told(provider, "www.test") == [
            "cache www.test AAAA miss",
            "cache www.test A miss",
        ]
        await anyio.sleep(10)
        assert await told(provider, "www.test") == [
            "cache www.test AAAA negative 50.0",
            "cache www.test A hit 90.0",
        ]
        assert await told(provider, "www.test", LookupFlags.FLUSHCACHE) == [
            "cache www.test AAAA bypassed",
            "cache www.test A bypassed",
        ]


async def test_failures_and_old_answers() -> None:
    """A failure that is remembered, and why an old answer had to do."""
    failure = TryAgain("SERVFAIL")
    script: dict[str, Reply] = {"www.test A": failure, "www.test AAAA": failure}
    async with opened(script) as provider:
        await told(provider, "www.test")
        assert await told(provider, "www.test") == [
            "cache www.test AAAA failure 1.0",
            "cache www.test A failure 1.0",
            "raised 11002",
        ]
    script = {"www.test A": reply(("www.test.", "A", "192.0.2.1"), ttl=100)}
    async with opened(script) as provider:
        fake = provider._resolver._upstream
        assert isinstance(fake, FakeUpstream)
        await told(provider, "www.test")
        await anyio.sleep(200)
        fake.script["www.test A"] = failure
        story = await told(provider, "www.test")
        assert "cache www.test A stale" in story
        assert "stale www.test A WSATRY_AGAIN (11002): SERVFAIL" in story


async def test_aliases_and_names_that_are_tried() -> None:
    """Each alias once, and each name of the search list in its turn."""
    chain = [("www.b.test.", "CNAME", "a.test."), ("a.test.", "CNAME", "c.test.")]
    script: dict[str, Reply] = {
        "www.b.test A": reply(*chain, ("c.test.", "A", "192.0.2.1")),
        "www.b.test AAAA": reply(*chain, ("c.test.", "AAAA", "2001:db8::1")),
    }
    async with opened(script, search=("a.test", "b.test")) as provider:
        for _ in range(2):
            story = await told(provider, "www")
            assert [event for event in story if event.split()[0] in ("search", "alias")] == [
                "search www.a.test",
                "search www.b.test",
                "alias www.b.test a.test",
                "alias a.test c.test",
            ]


async def test_what_comes_too_late_and_what_is_never_asked() -> None:
    """The half that was not waited for, and names that are settled."""
    script: dict[str, Reply] = {
        "www.test A": reply(("www.test.", "A", "192.0.2.1")),
        "www.test AAAA": None,
    }
    async with opened(script) as provider:
        assert await told(provider, "www.test") == [
            "cache www.test AAAA miss",
            "cache www.test A miss",
            "late www.test AAAA 0.25",
            "raised 10060",
        ]
        assert await told(provider, "localhost", LookupFlags.FLUSHCACHE) == [
            "special localhost AAAA",
            "special localhost A",
        ]
