"""What one lookup finds out, and what it leaves behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import dns.name
import dns.rdatatype
import pytest
import structlog

from nspd.model.errors import TimedOut, TryAgain
from nspd.providers.dns.gathering import Gathering, again
from nspd.providers.dns.memory import Key, Tuning
from nspd.providers.dns.options import Options
from nspd.providers.dns.resolver import Resolver, open_resolver
from tests.backends import backend
from tests.providers.dns.upstream import FakeUpstream, Reply, negative

pytestmark = pytest.mark.anyio

ONE = Key(dns.name.from_text("one.test."), int(dns.rdatatype.A))
TWO = Key(dns.name.from_text("two.test."), int(dns.rdatatype.A))
LOCALHOST = Key(dns.name.from_text("localhost."), int(dns.rdatatype.A))


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both in virtual time."""
    return backend(request.param)


@asynccontextmanager
async def opened(
    script: dict[str, Reply], delay: float = 1.0
) -> AsyncIterator[tuple[Resolver, FakeUpstream]]:
    """A resolver that asks a fake, which takes a second for each answer."""
    fake = FakeUpstream(script, delay=delay)
    options = Options(servers=("127.0.0.1",), resolv_conf="", tuning=Tuning(grace=0.5))
    async with open_resolver(options, log=structlog.get_logger(), upstream=fake.made) as resolver:
        yield resolver, fake


async def turns() -> None:
    """Let all others go as far as they can."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


async def test_questions_are_asked_together_and_found_one_by_one() -> None:
    """Wanting one again asks nothing more."""
    async with opened({"one.test A": negative(), "two.test A": negative()}) as (resolver, fake):
        fake.delays["two.test A"] = 3
        with Gathering(resolver) as gathering:
            assert not gathering.want([ONE, TWO])
            assert not gathering.want([ONE, TWO])
            await gathering.more()
            assert gathering.find(ONE) is not None
            assert gathering.find(TWO) is None
            await gathering.more()
            assert gathering.find(TWO) is not None
        assert sorted(fake.asked) == ["one.test A", "two.test A"]


async def test_what_is_at_hand_is_found_at_once() -> None:
    """Names that are settled, and what the cache has."""
    async with opened({"one.test A": negative()}) as (resolver, fake):
        await resolver.resolve(ONE.name, ONE.rdtype)
        with Gathering(resolver) as gathering:
            assert gathering.want([ONE, LOCALHOST])
            assert gathering.find(ONE) is not None
            assert gathering.find(LOCALHOST) is not None
        assert len(fake.asked) == 1


async def test_leaving_cancels_what_nobody_else_wants() -> None:
    """Also when an exception ends it."""
    async with opened({"one.test A": None, "two.test A": None}) as (resolver, fake):
        with Gathering(resolver) as other:
            other.want([TWO])
            with pytest.raises(ZeroDivisionError), Gathering(resolver) as gathering:
                gathering.want([ONE, TWO])
                await turns()
                raise ZeroDivisionError
            await turns()
            assert (fake.under_way, fake.cancelled) == (1, 1)
        await turns()
        assert fake.under_way == 0


async def test_what_is_late_is_waited_for_a_little_longer() -> None:
    """From when it is first said to be late; what is in time is found as ever."""
    async with opened({"one.test A": negative(), "two.test A": negative()}) as (resolver, fake):
        fake.delays["two.test A"] = 0.4
        with Gathering(resolver) as gathering:
            gathering.want([ONE, TWO])
            began = anyio.current_time()
            gathering.late([ONE, TWO, LOCALHOST])
            await gathering.more()
            gathering.late([ONE])
            found = gathering.find(TWO)
            assert found is not None
            assert found.error is None
            await gathering.more()
            assert anyio.current_time() - began == pytest.approx(0.5)
            late = gathering.find(ONE)
            assert late is not None
            assert isinstance(late.error, TimedOut)
            assert late.error.setting == "grace"
            assert fake.under_way == 1
        assert fake.under_way == 1
        await anyio.sleep(1)
        assert resolver.at_hand(ONE) is not None


async def test_an_error_is_made_anew_for_each_lookup() -> None:
    """With all that it says."""
    error = TryAgain("SERVFAIL", setting="x", data={"a": 1})
    other = again(error)
    assert other is not error
    assert (type(other), other.code, other.detail) == (TryAgain, error.code, "SERVFAIL")
    assert (other.setting, other.data) == ("x", {"a": 1})
