"""Sessions: Startup, Cleanup, Rundown, and the end of the connection."""

from __future__ import annotations

import anyio
import pytest

from nspd.core.limits import Limits
from nspd.core.provider import Query, Results
from nspd.core.sweeper import SLICE
from nspd.core.users import Peer
from nspd.model import errors
from tests.backends import VIRTUAL_TIME
from tests.core.world import (
    ALICE,
    SCRIPTED,
    Call,
    Scripted,
    World,
    ask,
    begin,
    named,
    next_ex,
    open_world,
    settled,
    turns,
    until,
)

pytestmark = pytest.mark.anyio


async def test_startup_counts_up_and_cleanup_down() -> None:
    """A second Startup returns the same session; the last Cleanup frees it, one more is 10022."""
    async with open_world(Scripted()) as world:
        session = world.session()
        number = session.id
        assert session.startup(1, "other", True) == number
        assert (session.client, session.cancel_on_begin) == ("test/1", False)
        cleaned: list[int] = []
        session.cleanup(lambda: cleaned.append(1))
        lookup = ask(session)
        session.cleanup(lambda: cleaned.append(2))
        assert cleaned == [1, 2]
        assert lookup.ended
        with pytest.raises(errors.InvalidArgument):
            session.cleanup(lambda: None)
        assert session.startup(1, "", False) != number


async def test_startup_refuses() -> None:
    """The protocol is looked at first (Case 81), then whether the user may look names up."""
    async with open_world(Scripted()) as world:
        session = world.router.open_session(Peer(ALICE, may_lookup=False))
        for protocol in (0, 2, 2**40):
            with pytest.raises(errors.VersionNotSupported) as refused:
                session.startup(protocol, "", False)
            assert refused.value.data == {"supported": [1, 1]}
        with pytest.raises(errors.AccessDenied):
            session.startup(1, "", False)
        assert session.startups == 0


async def test_before_startup_and_after_rundown() -> None:
    """Without a Startup Begin is 10093 (Case 80), after Rundown 10022 until the last Cleanup."""
    async with open_world(Scripted()) as world:
        session = world.router.open_session(Peer(ALICE))
        session.rundown(lambda: None)
        with pytest.raises(errors.NotInitialised):
            ask(session)
        session.startup(1, "", False)
        ask(session)
        session.rundown(lambda: None)
        session.rundown(lambda: None)
        with pytest.raises(errors.InvalidArgument, match="run down"):
            ask(session)
        session.cleanup(lambda: None)
        session.startup(1, "", False)
        ask(session)


async def _many(world: World, number: int) -> tuple[list[Call], list[str]]:
    session = world.session()
    calls = [next_ex(begin(session, "gate=never")) for _ in range(number)]
    await turns(3)
    order: list[str] = []
    return calls, order


@pytest.mark.parametrize("number", [0, 1, SLICE, SLICE + 1, SLICE * 3])
@pytest.mark.parametrize("way", ["rundown", "cleanup", "close"])
async def test_c10_all_calls_are_settled_before_the_answer(way: str, number: int) -> None:
    """Rundown, the last Cleanup and the end of a connection settle every call, then say so."""
    async with open_world() as world:
        calls, order = await _many(world, number)
        (session,) = world.router.sessions
        for call in calls:
            call.then = lambda outcome: order.append("call")
        getattr(session, way)(lambda: order.append("answer"))
        assert (world.router.lookups, session.user.lookups, session.lookups) == (0, 0, {})
        await until(lambda: "answer" in order)
        assert order == ["call"] * number + ["answer"]
        assert {call.code for call in calls} <= {10111}


async def test_cork_holds_records_back_until_uncorked() -> None:
    """Lookups begun before, during and after the cork all get their records after it."""
    async with open_world() as world:
        session = world.session()
        before = begin(session)
        call = next_ex(before)
        session.cork(True)
        session.cork(True)
        during = next_ex(begin(session))
        await turns(50)
        assert not call.settled
        assert not during.settled
        session.cork(False)
        assert (call.name, during.name) == ("test-1", "test-1")
        assert not session.life.stalled


async def test_cork_outlives_a_rundown() -> None:
    """A client that does not read is corked still when it begins a new session."""
    async with open_world() as world:
        session = world.session()
        session.cork(True)
        session.cleanup(lambda: None)
        session.startup(1, "", False)
        call = next_ex(begin(session))
        await turns(50)
        assert not call.settled
        session.cork(False)
        assert call.name == "test-1"


async def test_corking_again_while_uncorking_keeps_the_rest() -> None:
    """If the first records fill the output again, the other lookups wait on."""
    async with open_world() as world:
        session = world.session()
        lookups = [begin(session) for _ in range(5)]
        session.cork(True)
        calls = [next_ex(lookup, then=lambda outcome: session.cork(True)) for lookup in lookups]
        await turns(50)
        for served in range(1, 6):
            session.cork(False)
            assert sum(call.settled for call in calls) == served
        assert {call.name for call in calls} == {"test-1"}


async def test_providers_forget_what_was_bound_to_a_session() -> None:
    """The end of a session is told to each provider that registers, once."""
    store = Scripted(registers=True)
    other = Scripted(namespace=SCRIPTED + 1)
    async with open_world(store, other) as world:
        session = world.session()
        number = session.id
        session.cleanup(lambda: None)
        session.close()
        session.close()
        assert (store.ended_sessions, other.ended_sessions) == ([number], [])
        assert session.user.sessions == 0


async def test_nothing_begins_in_a_session_that_is_closed() -> None:
    """The Startups of a client that has gone count no more."""
    async with open_world(Scripted()) as world:
        session = world.session()
        session.close()
        assert session.closed
        with pytest.raises(errors.NotInitialised):
            ask(session)


@pytest.mark.parametrize("way", ["end", "rundown", "close"])
async def test_a_lookup_that_is_over_waits_for_no_reader(way: str) -> None:
    """A corked session keeps nothing of a lookup that was ended while its call waited."""
    async with open_world(Scripted()) as world:
        session = world.session()
        session.cork(True)
        lookup = ask(session)
        call, life = next_ex(lookup), session.life
        assert life.stalled == {lookup}
        if way == "end":
            lookup.end()
        else:
            getattr(session, way)(lambda: None)
        await settled(call)
        assert call.code == 10111
        assert life.stalled == set()


async def test_uncorking_lets_starved_work_go_on() -> None:
    """A call that waited through the cork is not held up by its user's bytes either."""

    async def body(query: Query, results: Results) -> None:
        await go_on.wait()
        await results.send(named("starved"))

    go_on = anyio.Event()
    async with open_world(Scripted(body), limits=Limits(bytes_per_user=1000)) as world:
        session = world.session()
        lookup = ask(session)
        session.user.bytes += 1000  # what other lookups of his hold
        session.cork(True)
        call = next_ex(lookup)
        go_on.set()
        await until(lambda: session.user.starved)
        session.cork(False)
        await settled(call)
        assert call.name == "starved"
        session.user.discharge(1000)


@VIRTUAL_TIME
async def test_a_session_begins_with_its_startup() -> None:
    """Until then it is a connection, known by when it came, without a name or wishes."""
    async with open_world(Scripted()) as world:
        await anyio.sleep(1)
        session = world.router.open_session(Peer(ALICE))
        assert session.begun == anyio.current_time()
        assert (session.id, session.client, session.cancel_on_begin) == (None, "", False)
        await anyio.sleep(1)
        session.startup(1, "test/2", True)
        assert session.begun == anyio.current_time()
        assert (session.client, session.cancel_on_begin) == ("test/2", True)


async def test_a_new_session_of_a_client_that_reads_is_not_corked() -> None:
    """After a Cleanup, lookups get their records as before."""
    async with open_world() as world:
        session = world.session()
        session.cleanup(lambda: None)
        session.startup(1, "", False)
        call = next_ex(begin(session))
        await settled(call)
        assert call.name == "test-1"
