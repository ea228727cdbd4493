"""Answers as lookups get them: records made once, kept beside what they are made of."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from msgspec import Struct

from nspd.core.provider import Answer, Query
from nspd.model.flags import LookupFlags
from nspd.model.queryset import weight
from nspd.providers.dns.answers import size_of
from nspd.providers.dns.memory import Kept, Memory

_ASKED_FOR = int(
    LookupFlags.CONTAINERS
    | LookupFlags.NEAREST
    | LookupFlags.RETURN_ALIASES
    | LookupFlags.FLUSHCACHE
    | LookupFlags.SECURE
    | LookupFlags.ADDRCONFIG
    | LookupFlags.DUAL_ADDR
    | LookupFlags.DISABLE_IDN_ENCODING
)
"""The flags on which an answer depends."""

_BYTES = 100

_TOUCHED_EVERY = 16
"""Uses of an answer after which what it is made of counts as used in the cache, too."""


class _Ready(Struct, eq=False):
    answer: Answer
    until: float
    """When it must be made anew."""
    made_of: tuple[Kept, ...]


def asked_of(query: Query) -> tuple[Hashable, ...]:
    """All of the restrictions on which an answer depends, and whom the query names."""
    asked = query.restrictions
    return (
        asked.service_instance_name,
        asked.query_string,
        asked.protocols,
        asked.context,
        asked.version,
        asked.namespace,
        asked.provider_id is None,
    )


class ReadyAnswers:
    """The part of a memory's cache that holds answers as they are given."""

    def __init__(self, memory: Memory) -> None:
        """Answers in the cache of this memory."""
        self._memory = memory

    def get(self, query: Query, now: float) -> Answer | None:
        """The answer, unless something newer is known than it is made of; this is a use of it.

        Args:
            query: what is asked.
            now: the time on the memory's clock.
        """
        cache = self._memory.cache
        ready: _Ready | None = cache.get(_place(query))
        if ready is None or now >= ready.until:
            return None
        for kept in ready.made_of:
            if kept.superseded:
                return None
            kept.hits += 1
            if not kept.hits % _TOUCHED_EVERY:
                cache.get(kept.key)
        return ready.answer

    def keep(self, query: Query, answer: Answer, made_of: Sequence[Kept], now: float) -> None:
        """Keep an answer until the first of what it is made of is due for a refresh.

        Args:
            query: what was asked.
            answer: all of its records, in a tuple.
            made_of: what it was taken from; nothing, if it can never change.
            now: the time on the memory's clock.
        """
        until = min(map(self._memory.fresh_until, made_of), default=math.inf)
        if until > now:
            size = _BYTES + sum(map(weight, answer.records))
            # It holds them in memory even where the cache has let go of them.
            size += sum(size_of(kept.answer) for kept in made_of if kept.answer is not None)
            self._memory.cache.put(_place(query), _Ready(answer, until, tuple(made_of)), size)


def _place(query: Query) -> Hashable:
    asked = query.restrictions
    return (
        asked.service_instance_name,
        query.control_flags & _ASKED_FOR,
        asked.namespace,
        asked.query_string,
        asked.protocols,
        asked.context,
        asked.version,
        asked.provider_id is None,
    )
