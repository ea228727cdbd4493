"""The books: open lookups by number, and the caps on detached work."""

from __future__ import annotations

import anyio
import pytest

from nspd.core.limits import Limits
from nspd.core.provider import Query, Results
from nspd.model import errors
from tests.backends import VIRTUAL_TIME
from tests.core.world import ALICE, BOB, Scripted, ask, begin, open_world

pytestmark = pytest.mark.anyio


async def test_find_knows_every_open_lookup() -> None:
    """Management finds a lookup by its number, whoever's it is, until it ends."""
    async with open_world() as world:
        one, two = begin(world.session(ALICE), "hang=1"), begin(world.session(BOB), "hang=1")
        oneshot = begin(world.session(BOB), "hang=1", oneshot=True)
        oneshot.enter(oneshot.session.oneshots)
        found = [world.router.find(lookup.handle) for lookup in (one, two, oneshot)]
        assert found == [one, two, oneshot]
        one.end()
        assert world.router.find(one.handle) is None


@VIRTUAL_TIME
async def test_detached_work_is_capped() -> None:
    """C8: past the cap Begin answers 10055; one user may have three quarters of it."""
    limits = Limits(detached_per_provider=4)
    stubborn = "records=0&hang=1&stubborn=100"
    async with open_world(limits=limits, end_grace=0.1) as world:
        alice, bob = world.session(ALICE), world.session(BOB)
        root = world.session(0, administrator=True)
        lookups = [begin(alice, stubborn) for _ in range(3)]
        await anyio.sleep(0.01)
        for lookup in lookups:
            lookup.end()
        begin(alice).end()
        await anyio.sleep(1)
        with pytest.raises(errors.NoBuffers, match="detached_per_provider"):
            begin(alice)
        last = begin(bob, stubborn)
        await anyio.sleep(0.01)
        last.end()
        await anyio.sleep(1)
        for session in (bob, root):
            with pytest.raises(errors.NoBuffers):
                begin(session)
        await anyio.sleep(200)
        for session in (alice, bob, root):
            begin(session)


@VIRTUAL_TIME
async def test_detached_work_of_a_blocking_provider_is_capped_by_its_workers() -> None:
    """C8: a provider that blocks has no more detached work than threads."""

    async def deaf(query: Query, results: Results) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(100)

    async with open_world(Scripted(deaf, workers=1), end_grace=0.1) as world:
        session = world.session()
        lookup = ask(session)
        await anyio.sleep(0.01)
        lookup.end()
        await anyio.sleep(1)
        with pytest.raises(errors.NoBuffers):
            ask(session)
        await anyio.sleep(100)
        ask(session)
