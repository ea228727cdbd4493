"""Queries under way: identical ones are one, and whoever leaves disturbs nobody (C11)."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from nspd.core.story import Story
from nspd.model.errors import WSAError
from nspd.providers.dns.answers import Answer
from nspd.providers.dns.idn import name_text
from nspd.providers.dns.line import HungUp, Line
from nspd.providers.dns.memory import Key, Memory

PATIENCE = 10.0
"""Seconds after which a query is no longer joined by those who come later, but asked anew."""

MOST_FOR_NOBODY = 64
"""Queries that may go on at once for nobody but the cache."""

TELL_AFTER = 0.02
"""Seconds without another cancelled query, after which those before find out that they were.

Their sockets are closed by then.
"""

TELL_AT_LATEST = 0.25
"""Seconds after which they find out in any case."""

MOST_UNTOLD = 2048
"""Cancelled queries that may be kept from finding out; each holds a place of `IN_FLIGHT`."""

TELL_AT_ONCE = 64
"""Queries that find out in one turn of the event loop."""

NOBODY = -1
"""The user for whom the cache is kept up to date."""

Place = tuple[Key, bool]
"""A question, and whether nothing but a new answer will do."""

Landed = Callable[["Flight"], None]
"""Called once for each waiter, when the query is over."""


class Flight:
    """One query under way, and those who wait for it."""

    __slots__ = (
        "is_queued",
        "key",
        "line",
        "outcome",
        "place",
        "started",
        "story",
        "uid",
        "waiters",
    )

    def __init__(self, place: Place, now: float, story: Story | None, uid: int, line: Line) -> None:
        self.place = place
        self.key = place[0]
        self.uid = uid
        """The user who asked first."""
        self.started = now
        self.story = story
        """The story of who asked first."""
        self.line = line
        """Has its socket."""
        self.waiters: dict[Landed, None] = {}
        self.is_queued = False
        """It waits for its turn behind others of the same user."""
        self.outcome: Answer | Exception | None = None
        """What came of it; None while it is under way, and if its line was hung up."""


class Flights:
    """All queries under way of one resolver. What comes of them is remembered."""

    def __init__(
        self,
        ask: Callable[[Flight], Awaitable[Answer]],
        memory: Memory,
        *,
        tasks: TaskGroup,
        new_line: Callable[[], Line],
        now: Callable[[], float],
        log: Any,
    ) -> None:
        """No query is under way.

        Args:
            ask: sends a query; raises a `WSAError` if there is no answer, and
                `HungUp` when its line is hung up.
            memory: where answers and failures are kept.
            tasks: what the queries run in.
            new_line: makes the line of a query.
            now: a clock in seconds.
            log: a structlog logger.
        """
        self._ask = ask
        self._memory = memory
        self._tasks = tasks
        self._now = now
        self._log = log
        self._new_line = new_line
        self._by_place: dict[Place, Flight] = {}
        self._for_nobody: set[Flight] = set()
        self._news: deque[anyio.Event] = deque()
        self._is_telling = False

    def __len__(self) -> int:
        """Queries that may be joined."""
        return len(self._by_place)

    def board(
        self,
        key: Key,
        landed: Landed,
        *,
        flush: bool = False,
        story: Story | None = None,
        uid: int = NOBODY,
    ) -> Flight:
        """Ask the servers, or join who asks them the same already.

        Args:
            key: the question.
            landed: called when it is over, unless one leaves before.
            flush: join those alone who also want nothing but a new answer.
            story: where to note what happens.
            uid: the user who asks.
        """
        place = (key, flush)
        flight = self._by_place.get(place)
        if flight is not None and self._is_joinable(flight, uid):
            if story is not None:
                story.note("joined", name=name_text(key.name), type=key.type_text)
        else:
            flight = Flight(place, self._now(), story, uid, self._new_line())
            self._by_place[place] = flight
            self._tasks.start_soon(self._fly, flight)
        flight.waiters[landed] = None
        return flight

    def _is_joinable(self, flight: Flight, uid: int) -> bool:
        if flight.is_queued and flight.uid != uid:
            return False  # the queue is not this user's
        return self._now() - flight.started < PATIENCE

    def leave(self, flight: Flight, landed: Landed) -> None:
        """One waiter less; the last one cancels the query, and nobody joins it any more.

        Its socket is closed when this returns.
        """
        flight.waiters.pop(landed, None)
        if not flight.waiters:
            # One look-up, not two: keys work their hash out in Python.
            later = self._by_place.pop(flight.place, flight)
            if later is not flight:
                self._by_place[flight.place] = later
            news = flight.line.hang_up()
            if news is not None:
                self._news.append(news)
                if not self._is_telling:
                    self._is_telling = True
                    self._tasks.start_soon(self._tell_who_was_hung_up)

    def leave_to_finish(self, flight: Flight, landed: Landed) -> None:
        """Leave, but have the query go on for the cache's sake, if few enough do so."""
        if flight not in self._for_nobody and len(self._for_nobody) < MOST_FOR_NOBODY:
            self._for_nobody.add(flight)
            flight.waiters[self._landed_for_nobody] = None
        self.leave(flight, landed)

    def refresh(self, key: Key) -> None:
        """Ask for the cache's sake alone, if nobody does and few enough do so."""
        if (key, False) not in self._by_place and len(self._for_nobody) < MOST_FOR_NOBODY:
            self._for_nobody.add(self.board(key, self._landed_for_nobody))

    def forget(self) -> None:
        """Queries under way are not joined any more, and what comes of them is not kept."""
        self._by_place.clear()

    def _landed_for_nobody(self, flight: Flight) -> None:
        self._for_nobody.discard(flight)
        if isinstance(flight.outcome, Exception) and not isinstance(flight.outcome, WSAError):
            self._log.error("query failed", exc_info=flight.outcome)

    async def _tell_who_was_hung_up(self) -> None:
        """Let cancelled queries end, some at a time, once those who cancel have had their turn.

        To unwind a thousand takes long, and clients wait for their Ends meanwhile.
        """
        latest = self._now() + TELL_AT_LATEST
        known = 0
        while known < len(self._news) <= MOST_UNTOLD and self._now() < latest:
            known = len(self._news)
            await anyio.sleep(TELL_AFTER)
        while self._news:
            for _ in range(min(TELL_AT_ONCE, len(self._news))):
                self._news.popleft().set()
            await checkpoint()
        self._is_telling = False

    async def _fly(self, flight: Flight) -> None:
        try:
            if not flight.line.is_hung_up:
                flight.outcome = await self._ask(flight)
        except HungUp:
            pass
        except Exception as error:  # noqa: BLE001 - raised again by those who wait for it
            flight.outcome = error
        finally:
            # Else all was forgotten meanwhile, and what comes now may be old.
            if self._by_place.get(flight.place) is flight:
                del self._by_place[flight.place]
                if isinstance(flight.outcome, Answer):
                    self._memory.keep(flight.key, flight.outcome)
                elif isinstance(flight.outcome, WSAError):
                    self._memory.keep_failure(flight.key, flight.outcome)
            waiters, flight.waiters = flight.waiters, {}
            for landed in waiters:
                landed(flight)
