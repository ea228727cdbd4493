"""What one lookup finds out: its questions that are under way, and the answers so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING

import anyio
from msgspec import Struct

from nspd.core.story import Story
from nspd.model.errors import TimedOut, WSAError, error_for
from nspd.providers.dns.answers import Answer
from nspd.providers.dns.flights import NOBODY, Flight
from nspd.providers.dns.memory import Found, Kept, Key, as_stale
from nspd.providers.dns.telling import Telling

if TYPE_CHECKING:
    from nspd.providers.dns.resolver import Resolver


class _Waiting(Struct, eq=False):
    """One question under way."""

    flight: Flight
    landed: Callable[[Flight], None]
    stale: Answer | None
    """What will do if nothing newer comes in time."""
    stale_at: float = math.inf
    late_at: float = math.inf
    """When what is known already has waited long enough for this."""

    @property
    def until(self) -> float:
        """When to stop waiting."""
        return min(self.stale_at, self.late_at)


class Gathering:
    """A context manager; at its end all queries that nobody else wants are cancelled."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        flush: bool = False,
        story: Story | None = None,
        uid: int = NOBODY,
    ) -> None:
        """Nothing is asked yet.

        Args:
            resolver: who is asked.
            flush: bypass the cache (LUP_FLUSHCACHE).
            story: where to note what happens.
            uid: the user who asks.
        """
        self._resolver = resolver
        self._flush = flush
        self._grace = resolver.memory.tuning.grace
        self._story = story
        self._uid = uid
        self.telling = Telling(story)
        """Notes what happens."""
        self._found: dict[Key, Found] = {}
        self._waiting: dict[Key, _Waiting] = {}
        self._news = anyio.Event()
        self._broken: Exception | None = None
        self._closed = False

    def __enter__(self) -> Gathering:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing more is wanted: queries that nobody else wants are cancelled at once.

        Their sockets are closed when this returns, and no other is opened.
        """
        self._closed = True
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            for each in waiting.values():
                self._resolver.flights.leave(each.flight, each.landed)

    def hang_up(self) -> None:
        """Close, and wake who waits for more.

        A task that is woken and returns is over sooner than one in which its
        cancellation must be raised, above all on trio (`bench.dns_cancel`).
        """
        self.close()
        self._news.set()

    def find(self, key: Key) -> Found | None:
        """What has been found so far."""
        return self._found.get(key)

    def want(self, keys: Iterable[Key]) -> bool:
        """Begin to find out; whether anything was at hand. Once closed, nothing is."""
        if self._closed:
            return False
        before = len(self._found)
        for key in keys:
            if key not in self._found and key not in self._waiting:
                self._want(key)
        return len(self._found) > before

    def _want(self, key: Key) -> None:
        resolver = self._resolver
        stale: Answer | None = None
        stale_at = math.inf
        used: list[Kept] = []
        found = resolver.settled(key) if self._flush else resolver.at_hand(key, used)
        if found is not None:
            self._found[key] = found
            kept = used[0] if used else None
            self.telling.at_hand(key, found, kept, resolver.now())
            return
        kept = None if self._flush else resolver.memory.stale(key)
        if kept is not None and kept.answer is not None:
            self.telling.cache(key, "stale")
            stale = as_stale(kept.answer)
            if resolver.now() < kept.recheck_at:
                self._use_stale(key, stale, kept.failure)
                return
            stale_at = resolver.now() + resolver.memory.tuning.stale_timeout
        else:
            self.telling.cache(key, "bypassed" if self._flush else "miss")
        landed = self._landing(key)
        flight = resolver.flights.board(
            key, landed, flush=self._flush, story=self._story, uid=self._uid
        )
        self._waiting[key] = _Waiting(flight, landed, stale, stale_at)

    def late(self, keys: Iterable[Key]) -> None:
        """These hold up what is known already; they get `grace` seconds more."""
        for key in keys:
            waiting = self._waiting.get(key)
            if waiting is not None and waiting.late_at == math.inf:
                waiting.late_at = self._resolver.now() + self._grace

    async def more(self) -> bool:
        """Wait until something more is found, or given up; False: somebody has hung up."""
        until = min((each.until for each in self._waiting.values()), default=math.inf)
        if until == math.inf:
            await self._news.wait()
        else:
            with anyio.CancelScope(deadline=until):
                await self._news.wait()
        if self._closed:
            return False
        self._news = anyio.Event()
        if self._broken is not None:
            raise self._broken
        now = self._resolver.now()
        for key, waiting in [pair for pair in self._waiting.items() if pair[1].until <= now]:
            del self._waiting[key]
            self._resolver.flights.leave_to_finish(waiting.flight, waiting.landed)
            if waiting.stale is not None:
                error = TimedOut(
                    f"no answer for {key.name} in time, an old one was used",
                    setting="stale_timeout",
                )
                self._use_stale(key, waiting.stale, error)
            else:
                self.telling.late(key, self._grace)
                error = TimedOut(
                    f"no {key.type_text} records of {key.name} came soon after the others",
                    setting="grace",
                )
                self._found[key] = Found(None, error)
        return True

    def _landing(self, key: Key) -> Callable[[Flight], None]:
        def landed(flight: Flight) -> None:
            waiting = self._waiting.pop(key)
            outcome = flight.outcome
            if isinstance(outcome, Answer):
                self._found[key] = Found(outcome)
                self.telling.found(outcome)
            elif isinstance(outcome, WSAError):
                if waiting.stale is not None:
                    self._use_stale(key, waiting.stale, outcome)
                else:
                    self._found[key] = Found(None, outcome)
            else:
                self._broken = outcome or RuntimeError("the query was cancelled under its waiters")
            self._news.set()

        return landed

    def _use_stale(self, key: Key, stale: Answer, error: WSAError | None) -> None:
        self._found[key] = Found(stale, error)
        self.telling.stale(key, error)
        self.telling.found(stale)


def again(error: WSAError) -> WSAError:
    """The same error to be raised once more: one that many lookups raise would pile up traces."""
    return error_for(error.code, error.detail, error.data, error.setting)
