"""What happened in one lookup, told by those who took part in it.

A story is plain data: events in the order in which they were noted, each with
the seconds since the story's start. It is kept only for a lookup that somebody
asked to have explained, so providers note nothing otherwise::

    if query.story is not None:
        query.story.note("attempt", server="192.0.2.1:53", outcome="timed out")
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from msgspec import Struct

Fact = str | int | float | bool | None
"""What an event may say: values that a line of JSON can hold."""

MOST_EVENTS = 256
"""Events that one story keeps; what comes after them is counted, not kept."""

MOST_BYTES = 32 * 1024
"""Bytes that one story keeps, roughly: the text of its events and of their facts."""

_LONGEST_TEXT = 1024
_EVENT_SIZE = 64


class Event(Struct, frozen=True, gc=False):
    """One thing that happened."""

    at: float
    """Seconds since the start of the story; below 0 for what came before it."""
    event: str
    """What kind of thing, in a word: "attempt", "cache", "joined", ..."""
    facts: dict[str, Fact]
    order: int
    """Its place among all events of all stories: the clock may be too coarse to tell."""


_order = count()


class Story:
    """The events of one lookup, or of one run of a provider; bounded in number and in bytes."""

    __slots__ = ("_now", "_size", "events", "left_out", "started")

    def __init__(self, now: Callable[[], float], started: float | None = None) -> None:
        """Begin a story.

        Args:
            now: a monotonic clock in seconds.
            started: the time on that clock to count from; by default now.
        """
        self._now = now
        self.started = now() if started is None else started
        """Its start on the clock that it was given."""
        self.events: list[Event] = []
        self.left_out = 0
        """Events that came after the story was full."""
        self._size = 0

    @property
    def elapsed(self) -> float:
        """Seconds since its start."""
        return self._now() - self.started

    def note(self, event: str, **facts: Fact) -> None:
        """Note that something has happened just now; never waits and never fails.

        Long texts are cut; an event for which there is no room is counted only.

        Args:
            event: what kind of thing, in a word.
            facts: what there is to say of it. Durations are seconds.
        """
        kept = {name: _plain(fact) for name, fact in facts.items()}
        size = _EVENT_SIZE + len(event)
        for name, fact in kept.items():
            size += len(name) + (len(fact) if isinstance(fact, str) else 8)
        if len(self.events) >= MOST_EVENTS or self._size + size > MOST_BYTES:
            self.left_out += 1
            return
        self._size += size
        self.events.append(Event(self.elapsed, event, kept, next(_order)))


def _plain(fact: Fact) -> Fact:
    """The fact as JSON can say it, whatever a provider's author took for a fact."""
    if fact is None or isinstance(fact, float):
        return fact
    if isinstance(fact, int) and abs(fact) < 2**63:
        return fact
    text = str(fact).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"
