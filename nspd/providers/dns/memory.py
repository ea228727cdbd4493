"""What a resolver remembers: answers for their time to live, and failures for a moment.

Positive answers are kept as RFC 1035 says, negative ones as RFC 2308, failures
as RFC 9520. An answer whose time is over may serve once more (RFC 8767). That
there is no such name is kept once for all types (RFC 2308, section 5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import dns.name
import dns.rdatatype
import msgspec
from msgspec import Struct

from nspd.core.provider import CacheEntry
from nspd.model.errors import WSAError
from nspd.providers.dns.answers import Answer, Lifetimes, size_of
from nspd.providers.dns.cache import Cache
from nspd.providers.dns.idn import name_text

_OFTEN = 3  # uses within one lifetime that make a name worth a refresh
_FAILURE_BYTES = 1000
_ANY_TYPE = 0
_TIMES = ("failure_ttl", "max_stale", "stale_timeout", "stale_recheck")


class Key:
    """What is asked: a name and a record type. Names are equal in whatever case."""

    __slots__ = ("_hash", "_identity", "name", "rdtype")

    def __init__(self, name: dns.name.Name, rdtype: int) -> None:
        self.name = name
        self.rdtype = rdtype
        # A name works out its hash anew each time, label by label.
        self._identity = (*map(bytes.lower, name.labels), rdtype)
        self._hash = hash(self._identity)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self._identity == other._identity

    def __repr__(self) -> str:
        return f"Key({self.name} {self.type_text})"

    @property
    def type_text(self) -> str:
        """The type in letters."""
        return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(self.rdtype))


class Tuning(Struct, frozen=True, kw_only=True):
    """What a memory may be told. Times are in seconds, sizes in bytes."""

    grace: float = 0.25
    """For how long what has come waits for what has not."""
    cache_size: int = 8 * 1024 * 1024
    lifetimes: Lifetimes = Lifetimes()
    failure_ttl: float = 1.0
    """For how long a failure is kept."""
    prefetch: float = 0.1
    """The last part of a lifetime, in which a use has the answer refreshed; 0: never."""
    max_stale: float = 86400.0
    """For how long an answer may serve after its time; 0: never."""
    stale_timeout: float = 1.8
    """For how long servers are waited for if there is an answer whose time is over."""
    stale_recheck: float = 30.0
    """For how long such answers serve at once after a failure."""

    def __post_init__(self) -> None:
        for name in ("grace", "cache_size", *_TIMES):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be below 0")
        if not 0 <= self.prefetch <= 1:
            raise ValueError("prefetch is a part of a lifetime, from 0 to 1")


class Kept(Struct, eq=False):
    """What is kept under a name and type: an answer, or a failure without one."""

    key: Key
    """Where the cache has it."""
    answer: Answer | None
    since: float
    expires: float
    hits: int = 0
    failure: WSAError | None = None
    """Why the last refresh failed, or why there is no answer."""
    recheck_at: float = 0.0
    """When the servers may be asked again after a failure."""
    superseded: bool = False
    """Something newer was kept instead."""


class Found(Struct, frozen=True):
    """What came of a question: an answer, an error, or an answer past its time and why."""

    answer: Answer | None
    error: WSAError | None = None


class Memory:
    """A cache that knows the time."""

    def __init__(self, tuning: Tuning, now: Callable[[], float]) -> None:
        """Nothing is remembered.

        Args:
            tuning: how long, and how much.
            now: a clock in seconds.
        """
        self.tuning = tuning
        self._now = now
        self.cache: Cache[Any] = Cache(tuning.cache_size)
        """Others may keep values of their own in it, under keys that are no `Key`."""

    def _newest(self, key: Key) -> Kept | None:
        """What was kept last for a question: for its type, or for all types."""
        kept: Kept | None = self.cache.get(key)
        for_all: Kept | None = self.cache.get(Key(key.name, _ANY_TYPE))
        if kept is None or for_all is None:
            return kept or for_all
        return kept if kept.since >= for_all.since else for_all

    def fresh(self, key: Key) -> Kept | None:
        """What is kept for a question, if its time is not over; this is a use of it."""
        kept = self._newest(key)
        if kept is None or self._now() >= kept.expires:
            return None
        kept.hits += 1
        return kept

    def _refresh_at(self, kept: Kept) -> float:
        """From when on a use of an answer that is used often has it refreshed."""
        if kept.answer is None or not self.tuning.prefetch:
            return math.inf
        return max(kept.expires - self.tuning.prefetch * kept.answer.ttl, kept.recheck_at)

    def is_due(self, kept: Kept) -> bool:
        """Whether an answer is to be refreshed now, before its time is over."""
        return kept.hits >= _OFTEN and self._now() >= self._refresh_at(kept)

    def fresh_until(self, kept: Kept) -> float:
        """When its time is over, or a use of it may have it refreshed."""
        return min(kept.expires, self._refresh_at(kept))

    def stale(self, key: Key) -> Kept | None:
        """An answer whose time is over, but not for too long."""
        kept = self._newest(key)
        if kept is None or kept.answer is None:
            return None
        return kept if self._now() < kept.expires + self.tuning.max_stale else None

    def keep(self, key: Key, answer: Answer) -> None:
        """Remember an answer, instead of what was known before."""
        for_all = Key(key.name, _ANY_TYPE)
        for place in (key, for_all):
            before: Kept | None = self.cache.get(place)
            if before is not None:
                before.superseded = True
                self.cache.discard(place)
        if answer.ttl > 0:
            if answer.kind == "nxdomain" and len(answer.chain) == 1:
                key = for_all
            now = self._now()
            self.cache.put(key, Kept(key, answer, now, now + answer.ttl), size_of(answer))

    def keep_failure(self, key: Key, failure: WSAError) -> None:
        """Remember that the servers were asked in vain; an answer that is kept stays."""
        now = self._now()
        kept = self._newest(key)
        if kept is not None and kept.answer is not None:
            kept.failure = failure
            kept.recheck_at = now + self.tuning.stale_recheck
        elif self.tuning.failure_ttl > 0:
            kept = Kept(key, None, now, now + self.tuning.failure_ttl, failure=failure)
            self.cache.put(key, kept, _FAILURE_BYTES)

    def entries(self, name: dns.name.Name | None = None) -> Iterator[CacheEntry]:
        """What is kept, or what of it is kept for a name; least recently used first."""
        now = self._now()
        for key, kept, _ in self.cache:
            if isinstance(key, Key) and (name is None or name == key.name):
                answer = kept.answer
                if answer is None:
                    texts = [str(kept.failure)]
                else:
                    texts = [rdata.to_text() for rdata in answer.rrset or ()]
                yield CacheEntry(
                    name=name_text(key.name),
                    type="any" if key.rdtype == _ANY_TYPE else key.type_text,
                    kind="failure" if answer is None else answer.kind,
                    ttl=kept.expires - now,
                    records=tuple(texts),
                )


def as_stale(answer: Answer) -> Answer:
    """The answer, marked as one whose time is over."""
    return msgspec.structs.replace(answer, stale=True)
