"""Random lives: lookups, Ends, answers, failures and flushes in any order leave nothing behind.

Each seed is one life, in virtual time. Whatever happens, every NextEx gets
exactly one answer, no record is a mixture, the same question is under way once,
and in the end no query, task or timer is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import anyio
import pytest

from nspd.core.lookup import Lookup
from nspd.model import errors
from nspd.model.errors import TimedOut, TryAgain
from nspd.model.flags import LookupFlags
from nspd.model.queryset import QuerySet
from nspd.providers.dns import DnsProvider
from tests.backends import backend
from tests.core.world import Call, World, next_ex, open_world, turns
from tests.providers.dns.upstream import FakeUpstream, Reply, negative, reply

pytestmark = pytest.mark.anyio

SEEDS = 40
STEPS = 60
NAMES = ("one.test", "two.test", "three.test")
ALLOWED = {
    0,
    errors.WSA_E_NO_MORE,
    errors.WSA_E_CANCELLED,
    errors.WSASERVICE_NOT_FOUND,
    errors.WSANO_DATA,
    errors.WSAETIMEDOUT,
    errors.WSATRY_AGAIN,
    errors.WSA_INVALID_HANDLE,
}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both in virtual time."""
    return backend(request.param)


class Life:
    """One random life of a provider and its clients."""

    def __init__(self, seed: int, world: World, provider: DnsProvider, fake: FakeUpstream) -> None:
        self.random = Random(seed)
        self.world = world
        self.provider = provider
        self.fake = fake
        self.session = world.session()
        self.lookups: list[Lookup] = []
        self.calls: list[Call] = []
        self.seen: Counter[int] = Counter()

    def begin(self) -> None:
        """Begin a lookup and wait for its first record."""
        flags = int(LookupFlags.RETURN_ALL)
        if self.random.random() < 0.3:
            flags |= LookupFlags.FLUSHCACHE
        restrictions = QuerySet(service_instance_name=self.random.choice(NAMES), namespace=12)
        timeout = self.random.choice([None, None, 0.5, 3.0])
        lookup = self.session.begin(restrictions, flags, timeout=timeout)
        self.lookups.append(lookup)
        for _ in range(self.random.choice([1, 1, 2])):
            self.calls.append(next_ex(lookup))

    def end(self) -> None:
        """End one of them."""
        if self.lookups:
            self.lookups.pop(self.random.randrange(len(self.lookups))).end()

    def server(self) -> None:
        """Change what the servers say, and how soon."""
        name = self.random.choice(NAMES)
        for rdtype, data in (("A", "192.0.2.1"), ("AAAA", "2001:db8::1")):
            ttl = self.random.choice([1, 5, 50])
            said: list[Reply] = [
                reply((f"{name}.", rdtype, data), ttl=ttl),
                reply((f"{name}.", rdtype, data), ttl=ttl),
                negative(ttl=ttl),
                negative("NXDOMAIN", ttl=ttl),
                TryAgain("SERVFAIL"),
                TimedOut("silence", setting="timeout"),
                None,
            ]
            question = f"{name} {rdtype}"
            self.fake.script[question] = self.random.choice(said)
            self.fake.delays[question] = self.random.choice([0.0, 0.1, 0.3, 2.0])

    async def step(self) -> None:
        """One thing happens, or time passes."""
        deed = self.random.choice("bbbbeesswwtf")
        if deed == "b":
            self.begin()
        elif deed == "e":
            self.end()
        elif deed == "s":
            self.server()
        elif deed == "w":
            await anyio.sleep(self.random.choice([0.05, 0.25, 1.0, 2.5, 20.0]))
        elif deed == "t":
            await turns(self.random.randrange(1, 6))
        elif self.random.random() < 0.5:
            self.provider.flush()
        self.check()

    def check(self) -> None:
        """What must hold at any time."""
        for call in self.calls:
            if call.settled:
                assert call.code in ALLOWED, call.code
        for _, record in records(self.calls):
            hosts = {each.remote.host for each in record.addresses or () if each.remote}
            assert hosts <= {"192.0.2.1", "2001:db8::1"}
        cache = self.provider._resolver.memory.cache
        assert 0 <= cache.bytes <= cache.limit


def records(calls: list[Call]) -> Iterator[tuple[Call, QuerySet]]:
    """The calls that got a record."""
    for call in calls:
        if call.settled and isinstance(call.outcome, QuerySet):
            yield call, call.outcome


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_random_life_leaves_nothing_behind(seed: int) -> None:
    """C1, C2, C6 and C11, whatever happens in which order."""
    fake = FakeUpstream()
    provider = DnsProvider(
        servers=("127.0.0.1",),
        resolv_conf="",
        cache_size=12_000,  # a few answers, so that they push each other out
        upstream=fake.made,
    )
    async with open_world(provider, end_grace=0.1) as world:
        life = Life(seed, world, provider, fake)
        for _ in range(STEPS):
            await life.step()
        for lookup in life.lookups:
            lookup.end()
        await turns()
        assert all(call.settled for call in life.calls)
        life.check()
        # What goes on for the cache alone ends when the servers answer, or with the provider.
        life.fake.script = dict.fromkeys(fake.script, negative())
        assert fake.under_way <= 64
    assert fake.under_way == 0
