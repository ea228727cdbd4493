"""Queries under way: shared, left, and kept going for the cache alone."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import dns.name
import dns.rdatatype
import pytest
from structlog.testing import CapturingLogger

from nspd.core.story import Story
from nspd.model.errors import TryAgain
from nspd.providers.dns import flights as flights_module
from nspd.providers.dns.answers import Answer
from nspd.providers.dns.flights import (
    PATIENCE,
    TELL_AFTER,
    TELL_AT_LATEST,
    Flight,
    Flights,
)
from nspd.providers.dns.line import HungUp, open_sockets
from nspd.providers.dns.memory import Key, Memory, Tuning
from tests.backends import backend

pytestmark = pytest.mark.anyio

KEY = Key(dns.name.from_text("www.test."), int(dns.rdatatype.A))
OTHER = Key(dns.name.from_text("other.test."), int(dns.rdatatype.A))


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both in virtual time."""
    return backend(request.param)


class Setting:
    """Flights that ask a server which answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[Key] = []
        self.cancelled = 0
        self.gate = anyio.Event()
        self.outcome: Answer | Exception = Answer("nodata", (KEY.name,), ttl=60)
        self.landed: list[str] = []
        self.memory = Memory(Tuning(), anyio.current_time)
        self.log = CapturingLogger()
        self.flights: Flights
        self.connections: list[socket.socket] = []

    async def ask(self, flight: Flight) -> Answer:
        """One query."""
        self.asked.append(flight.key)
        try:
            with flight.line.interrupting():
                await self.gate.wait()
        except HungUp:
            self.cancelled += 1
            raise
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def ask_in_silence(self) -> list[float]:
        """Ask from now on over real sockets, to which nobody sends; when each query ended."""
        ended: list[float] = []

        async def ask(flight: Flight) -> Answer:
            self.connections.append(flight.line.open(socket.AF_INET, socket.SOCK_DGRAM))
            try:
                await flight.line.readable()
            finally:
                ended.append(anyio.current_time())
            raise AssertionError("nobody sends anything")

        self.flights._ask = ask
        return ended

    def waiter(self, name: str) -> Any:
        """One who waits, and notes that it is over."""

        def landed(flight: Flight) -> None:
            self.landed.append(name)

        return landed

    async def settle(self) -> None:
        """Open the gate, and let everything come to rest."""
        self.gate.set()
        await turns()


async def turns() -> None:
    """Let all others go as far as they can."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def opened() -> AsyncIterator[Setting]:
    """Flights, and the task group that they run in."""
    setting = Setting()
    with open_sockets() as sockets:
        async with anyio.create_task_group() as tasks:
            setting.flights = Flights(
                setting.ask,
                setting.memory,
                tasks=tasks,
                new_line=sockets.line,
                now=anyio.current_time,
                log=setting.log,
            )
            yield setting


async def test_the_same_question_is_asked_once() -> None:
    """Both who wait are told; the answer is remembered; another question is another query."""
    async with opened() as setting:
        story = Story(anyio.current_time)
        one = setting.flights.board(KEY, setting.waiter("one"))
        two = setting.flights.board(KEY, setting.waiter("two"), story=story)
        assert one is two
        assert setting.flights.board(OTHER, setting.waiter("three")) is not one
        await setting.settle()
        assert Counter(setting.asked) == {KEY: 1, OTHER: 1}
        assert sorted(setting.landed) == ["one", "three", "two"]
        assert setting.memory.fresh(KEY) is not None
        assert len(setting.flights) == 0
    assert [event.event for event in story.events] == ["joined"]


async def test_who_leaves_disturbs_nobody() -> None:
    """C11: the query goes on for the other."""
    async with opened() as setting:
        one, two = setting.waiter("one"), setting.waiter("two")
        flight = setting.flights.board(KEY, one)
        setting.flights.board(KEY, two)
        await turns()
        setting.flights.leave(flight, one)
        await setting.settle()
        assert (setting.landed, setting.cancelled) == (["two"], 0)


async def test_the_last_to_leave_cancels_and_nobody_joins() -> None:
    """C11: from that very step on, whoever comes asks anew."""
    async with opened() as setting:
        one = setting.waiter("one")
        flight = setting.flights.board(KEY, one)
        await turns()
        setting.flights.leave(flight, one)
        assert setting.flights.board(KEY, setting.waiter("two")) is not flight
        await setting.settle()
        assert (setting.landed, setting.cancelled) == (["two"], 1)
        assert setting.asked == [KEY, KEY]


async def test_a_query_left_before_its_first_step_is_never_sent() -> None:
    """Race "ended-before-started": it opens no socket."""
    async with opened() as setting:
        one = setting.waiter("one")
        setting.flights.leave(setting.flights.board(KEY, one), one)
        await setting.settle()
        assert (setting.asked, setting.landed) == ([], [])


async def test_leaving_twice_or_late_is_harmless() -> None:
    """C13: also after the answer, when somebody else asks the same."""
    async with opened() as setting:
        one, two = setting.waiter("one"), setting.waiter("two")
        flight = setting.flights.board(KEY, one)
        setting.flights.leave(flight, one)
        setting.flights.leave(flight, one)
        other = setting.flights.board(KEY, two)
        setting.flights.leave(flight, one)
        assert not other.line.is_hung_up
        await setting.settle()
        setting.flights.leave(other, two)
        assert setting.landed == ["two"]


async def test_those_who_want_a_new_answer_join_each_other_alone() -> None:
    """C11: FLUSHCACHE joins only FLUSHCACHE."""
    async with opened() as setting:
        plain = setting.flights.board(KEY, setting.waiter("plain"))
        flush = setting.flights.board(KEY, setting.waiter("one"), flush=True)
        assert flush is setting.flights.board(KEY, setting.waiter("two"), flush=True)
        assert flush is not plain
        await setting.settle()
        assert setting.asked == [KEY, KEY]


async def test_a_query_that_hangs_is_not_joined_for_ever() -> None:
    """Race "joined-a-hung-leader": it is asked anew after `PATIENCE`."""
    async with opened() as setting:
        old = setting.flights.board(KEY, setting.waiter("old"))
        await anyio.sleep(PATIENCE - 0.1)
        assert setting.flights.board(KEY, setting.waiter("joined")) is old
        await anyio.sleep(0.1)
        new = setting.flights.board(KEY, setting.waiter("new"))
        assert new is not old
        await setting.settle()
        assert sorted(setting.landed) == ["joined", "new", "old"]


async def test_a_failure_is_told_and_remembered() -> None:
    """As an error, not as an answer."""
    async with opened() as setting:
        setting.outcome = TryAgain("SERVFAIL")
        flight = setting.flights.board(KEY, setting.waiter("one"))
        await setting.settle()
        assert flight.outcome is setting.outcome
        kept = setting.memory.fresh(KEY)
        assert kept is not None
        assert kept.failure is setting.outcome


async def test_a_bug_is_told_to_those_who_wait_and_stops_nobody_else() -> None:
    """It reaches their lookups; the task group goes on, and nothing is remembered."""
    async with opened() as setting:
        setting.outcome = ZeroDivisionError()
        flight = setting.flights.board(KEY, setting.waiter("one"))
        await setting.settle()
        assert flight.outcome is setting.outcome
        assert setting.memory.fresh(KEY) is None
        assert setting.log.calls == []
        setting.flights.refresh(KEY)
        await turns()
        assert [call.method_name for call in setting.log.calls] == ["error"]


async def test_a_query_may_go_on_for_the_cache_alone() -> None:
    """Who had to leave early finds the answer the next time."""
    async with opened() as setting:
        one = setting.waiter("one")
        flight = setting.flights.board(KEY, one)
        await turns()
        setting.flights.leave_to_finish(flight, one)
        setting.flights.leave_to_finish(flight, one)
        assert setting.flights.board(KEY, setting.waiter("two")) is flight
        await setting.settle()
        assert (setting.landed, setting.cancelled) == (["two"], 0)
        assert setting.memory.fresh(KEY) is not None


async def test_not_too_many_go_on_for_the_cache_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit they are cancelled, and refreshes are not begun."""
    monkeypatch.setattr(flights_module, "MOST_FOR_NOBODY", 1)
    async with opened() as setting:
        setting.flights.refresh(OTHER)
        one = setting.waiter("one")
        flight = setting.flights.board(KEY, one)
        await turns()
        setting.flights.leave_to_finish(flight, one)
        setting.flights.refresh(KEY)
        assert len(setting.flights) == 1
        await setting.settle()
        assert setting.cancelled == 1
        setting.flights.refresh(KEY)
        await setting.settle()
        assert Counter(setting.asked) == {OTHER: 1, KEY: 2}


async def test_a_refresh_joins_what_is_under_way() -> None:
    """It is asked once, whoever began."""
    async with opened() as setting:
        setting.flights.board(KEY, setting.waiter("one"))
        setting.flights.refresh(KEY)
        setting.flights.refresh(KEY)
        await setting.settle()
        assert setting.asked == [KEY]


async def test_what_was_under_way_at_a_flush_is_not_remembered() -> None:
    """It may be old; those who wait for it still get it."""
    async with opened() as setting:
        flight = setting.flights.board(KEY, setting.waiter("one"))
        await turns()
        setting.flights.forget()
        assert setting.flights.board(KEY, setting.waiter("two")) is not flight
        setting.flights.leave(flight, setting.waiter("nobody"))
        setting.flights.forget()
        await setting.settle()
        assert sorted(setting.landed) == ["one", "two"]
        assert setting.memory.fresh(KEY) is None


async def test_a_cancelled_query_lets_go_of_its_socket_first_and_ends_later() -> None:
    """The socket is closed when `leave` returns; the task is told after those who may wait."""
    async with opened() as setting:
        ended = setting.ask_in_silence()
        one, two = setting.waiter("one"), setting.waiter("two")
        first, second = setting.flights.board(KEY, one), setting.flights.board(OTHER, two)
        await turns()
        began = anyio.current_time()
        setting.flights.leave(first, one)
        setting.flights.leave(second, two)
        assert [connection.fileno() for connection in setting.connections] == [-1, -1]
        await anyio.sleep(TELL_AFTER * 2)
        assert [at - began for at in ended] == [pytest.approx(TELL_AFTER)] * 2
        assert setting.landed == []


async def test_under_a_storm_cancelled_queries_end_all_the_same() -> None:
    """While others are cancelled they are not told, but for `TELL_AT_LATEST` at the most."""
    async with opened() as setting:
        ended = setting.ask_in_silence()
        began = anyio.current_time()
        for number in range(12):
            key = Key(dns.name.from_text(f"n{number}.test."), int(dns.rdatatype.A))
            waiter = setting.waiter(key.name.to_text())
            flight = setting.flights.board(key, waiter)
            await anyio.sleep(TELL_AFTER / 2)
            setting.flights.leave(flight, waiter)
        await anyio.sleep(TELL_AT_LATEST)
        assert len(ended) == 12
        first = ended[0] - began
        assert TELL_AFTER * 2 < first <= TELL_AT_LATEST + TELL_AFTER * 2


async def test_no_more_than_some_are_kept_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds a place that others may need."""
    monkeypatch.setattr(flights_module, "MOST_UNTOLD", 0)
    async with opened() as setting:
        ended = setting.ask_in_silence()
        one = setting.waiter("one")
        flight = setting.flights.board(KEY, one)
        await turns()
        began = anyio.current_time()
        setting.flights.leave(flight, one)
        await turns()
        assert ended == [began]
