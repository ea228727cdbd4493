"""A router with providers of a test's own making, and calls that note how they end.

`open_world` opens it; when it closes, everything that the daemon counts must be
back at nothing, and nothing may have been logged as an error unannounced.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from nspd.core.catalog import Entry
from nspd.core.ending import Ending
from nspd.core.limits import Limits
from nspd.core.lookup import Lookup
from nspd.core.outcome import INVALID_HANDLE, Failure, Outcome
from nspd.core.provider import Answer, Change, Host, Provider, Query, Results
from nspd.core.router import Router, open_router
from nspd.core.run import Run
from nspd.core.session import Session
from nspd.core.users import Peer
from nspd.core.waiting import Waiter
from nspd.core.work import Work
from nspd.model.namespaces import Namespace
from nspd.model.queryset import QuerySet
from nspd.providers.test import TestProvider

ALICE, BOB = 60001, 60002
SCRIPTED = 70001
TEST = int(Namespace.TEST)

DEADLINE = 20.0
"""Seconds of real time after which what a test waits for is taken to be missing."""

LONG = 3600.0
"""An ``end_grace`` that does not run out by accident."""

Body = Callable[[Query, Results], Awaitable[None]]


class Log:
    """Takes the log; what is at error level must have been announced."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str]] = []
        self.values: list[dict[str, Any]] = []
        """What was told beside the event, entry by entry."""
        self.announced: set[str] = set()

    def bind(self, **values: Any) -> Log:
        return self

    def __getattr__(self, level: str) -> Callable[..., None]:
        def log(event: str, **values: Any) -> None:
            self.entries.append((level, event))
            self.values.append(values)

        return log

    @property
    def surprises(self) -> list[tuple[str, str]]:
        """What was logged at error level though the test did not announce it."""
        errors = ("error", "exception", "critical")
        return [e for e in self.entries if e[0] in errors and e[1] not in self.announced]


async def hang(query: Query, results: Results) -> None:
    """A provider's lookup that waits for ever."""
    await anyio.sleep_forever()


class Scripted(Provider):
    """A provider whose parts a test gives as functions."""

    kind = "scripted"
    namespace = SCRIPTED

    def __init__(
        self,
        body: Body = hang,
        *,
        at_once: Callable[[Query], Answer | None] = lambda query: None,
        key: Callable[[Query], Hashable | None] = lambda query: None,
        namespace: int = SCRIPTED,
        **traits: Any,
    ) -> None:
        super().__init__(namespace=namespace)
        self._body = body
        self._at_once = at_once
        self._key = key
        self.host: Host
        self.changes: list[Change] = []
        self.ended_sessions: list[int] = []
        self.flushed = 0
        for trait, value in traits.items():
            assert hasattr(self, trait), trait
            setattr(self, trait, value)

    @asynccontextmanager
    async def running(self, host: Host) -> AsyncIterator[None]:
        self.host = host
        yield

    def answer(self, query: Query) -> Answer | None:
        return self._at_once(query)

    async def lookup(self, query: Query, results: Results) -> None:
        await self._body(query, results)

    def sharing_key(self, query: Query) -> Hashable | None:
        return self._key(query)

    async def set_service(self, change: Change) -> None:
        if not self.registers:
            await super().set_service(change)
        self.changes.append(change)

    def session_ended(self, session: int) -> None:
        self.ended_sessions.append(session)

    def flush(self) -> None:
        self.flushed += 1


def named(name: str, **members: Any) -> QuerySet:
    """A record."""
    return QuerySet(service_instance_name=name, **members)


class Call(Waiter):
    """A NextEx that notes how it ended, and may do something in that very step."""

    __slots__ = ("outcomes", "then")

    def __init__(
        self,
        control_flags: int = 0,
        buffer_length: int | None = None,
        then: Callable[[Outcome], None] | None = None,
    ) -> None:
        super().__init__(control_flags, buffer_length)
        self.outcomes: list[Outcome] = []
        self.then = then

    def settle(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if self.then is not None:
            self.then(outcome)

    @property
    def settled(self) -> bool:
        """Whether it has been answered; more than once is a failure."""
        assert len(self.outcomes) <= 1, self.outcomes
        return bool(self.outcomes)

    @property
    def outcome(self) -> Outcome:
        """The one answer."""
        assert self.settled, "the call was not answered"
        return self.outcomes[0]

    @property
    def code(self) -> int:
        """The code of the answer; 0 for a record."""
        outcome = self.outcome
        return outcome.code if isinstance(outcome, Failure) else 0

    @property
    def name(self) -> str | None:
        """The name in the record that it was given."""
        outcome = self.outcome
        assert isinstance(outcome, QuerySet), outcome
        return outcome.service_instance_name

    @property
    def data(self) -> dict[str, Any]:
        """What the error says besides its code."""
        outcome = self.outcome
        assert isinstance(outcome, Failure)
        assert outcome.data is not None
        return outcome.data


def next_ex(
    lookup: Lookup,
    control_flags: int = 0,
    buffer_length: int | None = None,
    timeout: float | None = None,
    then: Callable[[Outcome], None] | None = None,
) -> Call:
    """NextEx, as a connection does it: answered at once, or waiting in the queue."""
    call = Call(control_flags, buffer_length, then)
    if lookup.ended or not lookup.life.alive:
        call.settle(INVALID_HANDLE)
        return call
    outcome = lookup.take(control_flags, buffer_length)
    if outcome is not None:
        call.settle(outcome)
    else:
        lookup.wait(call, timeout)
    return call


class World:
    """A router under test."""

    def __init__(self, router: Router, log: Log) -> None:
        self.router = router
        self.log = log

    def session(
        self, uid: int = ALICE, *, administrator: bool = False, cancel_on_begin: bool = False
    ) -> Session:
        """A client that has called Startup."""
        session = self.router.open_session(Peer(uid, administrator=administrator))
        session.startup(1, "test/1", cancel_on_begin)
        return session

    def live_timers(self) -> int:
        """Entries of the clock that will still do something."""
        return sum(1 for entry in self.router.clock._heap if entry[2].action is not None)

    @property
    def idle(self) -> bool:
        """Whether no task of a provider runs and nothing is left to sweep."""
        return self.router.work.running == 0 and self.router.sweeper.idle

    def leftovers(self) -> dict[str, int]:
        """Everything that is counted and is not at nothing, with every client gone."""
        router = self.router
        users = router.users.values()
        counts = {
            "sessions": len(router.sessions),
            "lookups": router.lookups,
            "tasks": router.work.running,
            "detached": len(router.detached),
            "users": len(users),
            "timers": self.live_timers(),
            "shared": len(router.shared.runs),
            "running": sum(entry.running for entry in router.catalog),
            "detached of providers": sum(entry.detached for entry in router.catalog),
            "users with detached work": sum(len(entry.detached_of) for entry in router.catalog),
        }
        return {what: count for what, count in counts.items() if count}


async def until(condition: Callable[[], object]) -> None:
    """Let others run until the condition holds; fails after `DEADLINE` of real time."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for does not come"
        await checkpoint()


async def settled(*calls: Call) -> None:
    """Wait until calls are answered."""
    await until(lambda: all(call.settled for call in calls))


async def turns(number: int = 20) -> None:
    """Let every other task take so many steps."""
    for _ in range(number):
        await checkpoint()


@asynccontextmanager
async def open_world(
    *providers: Provider | Entry, limits: Limits | None = None, end_grace: float = LONG
) -> AsyncIterator[World]:
    """A router over these providers (by default the test namespace), with its books checked."""
    entries = [
        each if isinstance(each, Entry) else Entry(each) for each in providers or [TestProvider()]
    ]
    log = Log()
    complete = False
    async with open_router(entries, log=log, limits=limits, end_grace=end_grace) as router:
        world = World(router, log)
        yield world
        users = list(router.users.values())
        for session in list(router.sessions):
            session.close()
        await until(lambda: world.idle)
        assert world.leftovers() == {}
        for user in users:
            left = (user.sessions, user.lookups, user.bytes, user.detached, set(user.starved))
            assert left == (0, 0, 0, 0, set())
        assert log.surprises == []
        complete = True
    # A stray cancellation can end the router's context, and with it the test, silently.
    assert complete, "the router was stopped under the test"


def begin(session: Session, script: str = "", **options: Any) -> Lookup:
    """Begin a lookup in the test namespace."""
    query = QuerySet(namespace=TEST, query_string=script or None)
    return session.begin(options.pop("restrictions", query), **options)


def ask(session: Session, namespace: int = SCRIPTED, **options: Any) -> Lookup:
    """Begin a lookup at scripted providers."""
    return session.begin(QuerySet(namespace=namespace), **options)


def run_of(lookup: Lookup, part: int = 0) -> Run:
    """The run that a part of a lookup reads."""
    run = lookup.parts[part].run
    assert run is not None
    return run


def work_of(lookup: Lookup, part: int = 0) -> Work:
    """The task and scope behind a part of a lookup."""
    return run_of(lookup, part)._work


def add_tokens(world: World, gate: str, tokens: int = 1) -> None:
    """Open a gate of the test namespace for so many records."""
    for entry in world.router.catalog:
        if isinstance(entry.provider, TestProvider):
            entry.provider.add_tokens(gate, tokens)


async def work_known(ending: Ending) -> str:
    """What End tells of the work, once it is known."""
    await until(lambda: ending.work is not None)
    assert ending.work is not None
    return ending.work
