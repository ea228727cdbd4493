"""The router: what Begin checks, which limits bind whom, and switching providers off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest

from nspd.core.catalog import Entry
from nspd.core.limits import Limits
from nspd.core.lookup import Lookup
from nspd.core.provider import Answer, Host, Query, Results
from nspd.core.router import open_router
from nspd.core.run import Run
from nspd.core.session import Session
from nspd.core.sweeper import SLICE
from nspd.core.users import Peer
from nspd.model import errors
from nspd.model.flags import LookupFlags
from nspd.model.namespaces import fixed_guid
from nspd.model.queryset import CsAddr, QuerySet, SocketAddress
from tests.backends import VIRTUAL_TIME
from tests.core.world import (
    ALICE,
    BOB,
    SCRIPTED,
    TEST,
    Log,
    Scripted,
    add_tokens,
    ask,
    begin,
    named,
    next_ex,
    open_world,
    run_of,
    settled,
    turns,
    until,
    work_known,
    work_of,
)

pytestmark = pytest.mark.anyio

GUID, OTHER_GUID = fixed_guid(SCRIPTED), fixed_guid(70002)


# What Begin checks


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"control_flags": LookupFlags.CONTAINERS | LookupFlags.NOCONTAINERS}, 10022),
        ({"policy": "first", "watch": True}, 10022),
        ({"watch": True}, 10045),
        ({"provider_id": OTHER_GUID}, 10108),
        ({"restrictions": QuerySet(namespace=5)}, 10108),
        ({"restrictions": QuerySet(namespace=TEST)}, 10108),
        ({"restrictions": named("x" * 1025)}, 10022),
        ({"provider_id": GUID, "restrictions": QuerySet(provider_id=OTHER_GUID)}, 10022),
    ],
    ids=str,
)
async def test_begin_refuses(options: dict[str, Any], error: int) -> None:
    """A Begin with a fault answers its code, and leaves nothing behind."""
    async with open_world(Scripted()) as world:
        session = world.session()
        with pytest.raises(errors.WSAError) as refused:
            session.begin(**options)
        assert refused.value.code == error
        assert (world.router.lookups, world.router.begun) == (0, 0)


async def test_provider_id_may_be_given_twice_the_same() -> None:
    """Parameter and member may both name the provider, in any case of letters."""
    async with open_world(Scripted(), Scripted(namespace=70002)) as world:
        query = QuerySet(provider_id=GUID.upper())
        lookup = world.session().begin(query, provider_id=GUID)
        assert [part.entry.provider_id for part in lookup.parts] == [GUID]


async def test_a_query_loses_what_means_nothing_in_it() -> None:
    """Comment, addresses and output flags of the restrictions never reach a provider."""
    seen: list[Query] = []

    def at_once(query: Query) -> Answer:
        seen.append(query)
        return Answer(())

    address = CsAddr(remote=SocketAddress.inet("192.0.2.1"), socket_type=1, protocol=6)
    query = named("n", comment="c", addresses=(address,), output_flags=1, context="x")
    async with open_world(Scripted(at_once=at_once)) as world:
        world.session().begin(query, control_flags=int(LookupFlags.FLUSHPREVIOUS))
        assert seen[0].restrictions == named("n", context="x")
        assert seen[0].control_flags == LookupFlags.RETURN_NAME
        assert (seen[0].uid, seen[0].watch) == (ALICE, False)


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


async def test_a_refusing_provider_refuses_the_lookup_only_if_all_do() -> None:
    """Begin fails with the refusal of its only provider; with another it goes on."""

    def refuse(query: Query) -> None:
        raise errors.TryAgain("not now")

    def answer(query: Query) -> Answer:
        return Answer([named("a")])

    both = Scripted(at_once=refuse), Scripted(at_once=answer, namespace=70002)
    async with open_world(*both) as world:
        session = world.session()
        with pytest.raises(errors.TryAgain, match="not now"):
            ask(session)
        lookup = session.begin()
        assert next_ex(lookup).name == "a"
        end = next_ex(lookup)
        assert end.code == 10110
        verdicts = end.data["verdicts"]
        assert [(v.outcome, v.error) for v in verdicts] == [("failed", 11002), ("answered", None)]


async def test_a_provider_that_breaks_in_answer_is_its_failure() -> None:
    """An unplanned exception in a plain function of a provider is 10107 and is logged."""

    def breaks(query: Query) -> None:
        raise ZeroDivisionError

    async with open_world(Scripted(at_once=breaks), Scripted(key=breaks, namespace=70002)) as world:
        world.log.announced.add("provider failed")
        session = world.session()
        for namespace in (SCRIPTED, 70002):
            with pytest.raises(errors.ProviderFailed):
                ask(session, namespace)
        assert world.log.entries == [("exception", "provider failed")] * 2


# Limits


async def test_limit_of_all_lookups() -> None:
    """`limits.lookups` binds everyone, administrators too; End frees the place at once."""
    async with open_world(limits=Limits(lookups=2)) as world:
        administrator = world.session(BOB, administrator=True)
        first = begin(world.session(ALICE), "hang=1")
        begin(administrator, "hang=1")
        with pytest.raises(errors.NotEnoughMemory, match=r"limits\.lookups "):
            begin(administrator)
        first.end()
        begin(administrator)


async def test_limit_of_a_users_lookups() -> None:
    """`limits.lookups_per_user` does not bind administrators."""
    async with open_world(limits=Limits(lookups_per_user=1)) as world:
        administrator = world.session(BOB, administrator=True)
        for _ in range(3):
            begin(administrator)
        session = world.session()
        begin(session)
        with pytest.raises(errors.NotEnoughMemory, match="lookups_per_user"):
            begin(session)


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


# Switching a provider off (C10)


async def test_c10_disabling_ends_what_has_no_other_provider() -> None:
    """Disabling a lookup's only provider does to it what End does."""
    async with open_world() as world:
        session = world.session()
        lookup = begin(session, "gate=never")
        call, work = next_ex(lookup), work_of(lookup)
        await until(lambda: work.started)
        await turns()
        world.router.enable_provider(fixed_guid(TEST), False)
        assert call.code == 10111
        assert session.lookups == {}
        with pytest.raises(errors.InvalidHandle):
            lookup.end()
        await until(lambda: work.finished)
        assert work.cancelled_caught
        with pytest.raises(errors.ServiceNotFound):
            begin(session)
        world.router.enable_provider(fixed_guid(TEST), True)
        begin(session)


async def test_c10_disabling_takes_one_part_out_of_the_others() -> None:
    """A lookup with another provider goes on; the verdict of the part is "cancelled"."""
    gate = anyio.Event()

    async def body(query: Query, results: Results) -> None:
        await results.send(named("from the other"))
        await gate.wait()

    async with open_world(Scripted(), Scripted(body, namespace=70002)) as world:
        lookup = world.session().begin()
        work = work_of(lookup)
        assert (await lookup.next()).service_instance_name == "from the other"
        world.router.enable_provider(GUID, False)
        call = next_ex(lookup)
        await until(lambda: work.finished)
        assert work.cancelled_caught
        assert not call.settled
        gate.set()
        await settled(call)
        assert call.code == 10110
        assert [v.outcome for v in call.data["verdicts"]] == ["cancelled", "answered"]


async def test_c10_disabling_asks_the_next_in_order() -> None:
    """With policy "first" the provider after the disabled one is asked."""
    answering = Scripted(at_once=lambda query: Answer([named("b")]), namespace=70002)
    async with open_world(Scripted(), answering) as world:
        lookup = world.session().begin(policy="first")
        call = next_ex(lookup)
        world.router.enable_provider(GUID, False)
        assert call.name == "b"


async def test_c10_disabling_many_is_one_step_for_all() -> None:
    """However many lookups a disabled provider leaves, none gets a record any more, and each
    is closed once.
    """
    number = SLICE * 3
    async with open_world() as world:
        session = world.session()
        lookups = [begin(session, "gate=g") for _ in range(number)]
        calls = [next_ex(lookup) for lookup in lookups]
        await turns(3)
        done: list[bool] = []
        world.router.enable_provider(fixed_guid(TEST), False, lambda: done.append(True))
        assert not done
        assert session.lookups == {}
        add_tokens(world, "g", number)
        for lookup in lookups:
            with pytest.raises(errors.InvalidHandle):
                lookup.end()
        await until(lambda: done)
        assert {call.code for call in calls} == {10111}
        await until(lambda: world.idle)
        assert session.user.bytes == 0
        assert done == [True]


async def test_enabling_twice_changes_nothing() -> None:
    """Only a change of the catalog is told."""
    async with open_world(Scripted()) as world:
        changed: list[bool] = []
        world.router.catalog.watch(lambda: changed.append(True))
        world.router.enable_provider(GUID, True)
        assert not changed
        world.router.enable_provider(GUID, False)
        assert changed == [True]
        with pytest.raises(errors.InvalidArgument):
            world.router.enable_provider(OTHER_GUID, True)


# Draining, caches, observers


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


class Observing:
    """Notes what the router tells."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def session_started(self, session: Session) -> None:
        self.told.append(f"started {session.id}")

    def session_ended(self, session: Session, number: int) -> None:
        self.told.append(f"ended {number}")

    def lookup_begun(self, lookup: Lookup) -> None:
        self.told.append("begun")

    def lookup_ended(self, lookup: Lookup) -> None:
        self.told.append(f"over {lookup.final_code}")

    def work_detached(self, run: Run) -> None:
        self.told.append("detached")

    def work_returned(self, run: Run) -> None:
        self.told.append("returned")


@VIRTUAL_TIME
async def test_observer_is_told_once_each() -> None:
    """An observer hears of sessions, lookups and detached work, each once."""
    async with open_world(end_grace=0.1) as world:
        observer = Observing()
        world.router.observer = observer
        session = world.session()
        lookup = begin(session, "records=0&hang=1&stubborn=1")
        await anyio.sleep(0.01)
        lookup.end()
        await anyio.sleep(2)
        empty = begin(session, "records=0")
        await until(lambda: empty.parts[0].outcome)
        assert next_ex(empty).code == 11004
        empty.end()
        session.cleanup(lambda: None)
        world.router.observer = None
        expected = ["started 1", "begun", "over None", "detached", "returned"]
        assert observer.told == [*expected, "begun", "over 11004", "ended 1"]


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
