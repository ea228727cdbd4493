"""The router: handles, cancel_on_begin, draining, statistics, opening and closing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import pytest

from nspd.core.catalog import Entry
from nspd.core.provider import Host, Query, Results
from nspd.core.router import open_router
from nspd.core.users import Peer
from nspd.model import errors
from nspd.model.queryset import QuerySet
from tests.core.world import (
    ALICE,
    SCRIPTED,
    TEST,
    Log,
    Scripted,
    add_tokens,
    begin,
    named,
    next_ex,
    open_world,
    run_of,
    settled,
    turns,
    until,
    work_known,
)

pytestmark = pytest.mark.anyio


async def test_handles_are_never_used_again() -> None:
    """C4: each lookup has a handle of its own, below 2^53, a refused Begin none."""
    async with open_world() as world:
        session = world.session()
        handles = []
        for _ in range(3):
            lookup = begin(session)
            handles.append(lookup.handle)
            lookup.end()
            with pytest.raises(errors.TryAgain):
                begin(session, "refuse=11002")
        assert handles == list(range(handles[0], handles[0] + 3))
        assert 0 < handles[-1] < 2**53


# cancel_on_begin (C12)


async def test_c12_begin_cancels_nothing() -> None:
    """Begin cancels nothing of a session that did not ask for that."""
    async with open_world() as world:
        session = world.session()
        call = next_ex(begin(session, "gate=never"))
        begin(session)
        assert not call.settled


async def test_c12_cancel_on_begin_ends_the_lookups_that_are_waited_on() -> None:
    """With cancel_on_begin a Begin ends those lookups of the session on which a NextEx waits."""
    async with open_world() as world:
        session, other = world.session(cancel_on_begin=True), world.session(cancel_on_begin=True)
        quiet = begin(session, "gate=never")
        foreign = next_ex(begin(other, "gate=never"))
        waited_on = begin(session, "gate=never")
        calls = [next_ex(waited_on) for _ in range(3)]
        with pytest.raises(errors.InvalidArgument):
            session.begin(QuerySet(namespace=TEST), policy="first", watch=True)
        assert not any(call.settled for call in calls)
        lookup = begin(session, "gate=never")
        assert [call.code for call in calls] == [10111] * 3
        assert (waited_on.ended, quiet.ended, lookup.ended) == (True, False, False)
        assert not foreign.settled
        assert world.router.lookups == 3


# Draining, caches, statistics


async def test_draining_refuses_new_work_and_serves_the_rest() -> None:
    """A draining router: Begin and SetServiceEx 10091; it says when the last lookup is gone."""
    async with open_world() as world:
        session = world.session()
        lookup = begin(session, "gate=g")
        call = next_ex(lookup)
        left: list[bool] = []
        world.router.draining = True
        world.router.no_lookup_left = lambda: left.append(True)
        with pytest.raises(errors.NotReady):
            begin(session)
        with pytest.raises(errors.NotReady):
            world.router.set_service(session, named("n"), 0, done=lambda failure: None)
        add_tokens(world, "g")
        await settled(call)
        assert call.name == "test-1"
        assert not left
        lookup.end()
        assert left == [True]


async def test_flush_caches_reaches_every_provider() -> None:
    """Each provider is told to forget what it has cached."""
    one, two = Scripted(), Scripted(namespace=70002)
    async with open_world(one, two) as world:
        world.router.flush_caches()
        assert (one.flushed, two.flushed) == (1, 1)


async def test_statistics_count_each_part_once() -> None:
    """A provider's entry counts parts that are over, by outcome, with their records."""
    async with open_world() as world:
        session = world.session()
        for script in ("records=2", "records=0", "records=0&fail=11002", "records=0&fail=10060"):
            lookup = begin(session, script)
            part = lookup.parts[0]
            await until(partial(getattr, part, "outcome"))
            lookup.end()
        (entry,) = world.router.catalog
        assert entry.outcomes == {"answered": 1, "empty": 1, "failed": 1, "timed_out": 1}
        assert entry.records == 2


# Opening and closing


class Closing(Scripted):
    """A provider that notes when it is closed."""

    kind = "closing"

    def __init__(self, order: list[str]) -> None:
        async def body(query: Query, results: Results) -> None:
            try:
                await anyio.sleep_forever()
            finally:
                order.append("work")

        super().__init__(body)
        self._order = order

    @asynccontextmanager
    async def running(self, host: Host) -> AsyncIterator[None]:
        yield
        self._order.append("provider")


async def test_closing_cancels_work_and_closes_providers_afterwards() -> None:
    """Work that still runs is cancelled and waited for before its provider closes (C15)."""
    order: list[str] = []
    async with open_router([Entry(Closing(order))], log=Log()) as router:
        session = router.open_session(Peer(ALICE))
        session.startup(1, "", False)
        call = next_ex(session.begin(QuerySet(namespace=SCRIPTED)))
        await turns()
    assert order == ["work", "provider"]
    assert not call.settled


async def test_work_known_after_run_of_two_providers() -> None:
    """C8: End over several providers is answered when the last of their work has stopped."""
    slow = anyio.Event()

    async def stubborn(query: Query, results: Results) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await slow.wait()

    async with open_world(Scripted(), Scripted(stubborn, namespace=70002)) as world:
        lookup = world.session().begin()
        runs = run_of(lookup), run_of(lookup, 1)
        await turns()
        ending = lookup.end()
        await until(lambda: runs[0].ended is not None)
        await turns()
        assert ending.work is None
        slow.set()
        assert await work_known(ending) == "stopped"
