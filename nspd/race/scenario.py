"""What a scenario is, and the words that scenarios share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from nspd.model.errors import WSA_E_CANCELLED, WSA_INVALID_HANDLE, WSAENOBUFS, WSAETIMEDOUT
from nspd.race.connection import Reply
from nspd.race.messages import member, outcome
from nspd.race.tally import Race

if TYPE_CHECKING:
    from nspd.race.racer import Racer

__all__ = ["Race", "Scenario", "Unexpected"]

CANCELLED = "cancelled"
RECORD = "record"
TIMED_OUT = "timed out"
INVALID_HANDLE = "invalid handle"


class Unexpected(Exception):
    """A step of a scenario that must succeed did not; the text says which."""


class AtTheCap(Exception):
    """Begin was refused because too much detached work runs at the provider (C8).

    That is legal: on a starved machine even work that stops may take longer than
    ``end_grace``, and is detached for so long.
    """


class Scenario:
    """One kind of race. An object serves all clients and keeps nothing between lookups."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for people."""
    outcomes: ClassVar[tuple[str, ...]]
    """The legal outcomes. A run in which one of them never came has not raced."""
    rare: ClassVar[tuple[str, ...]] = ()
    """Further outcomes that are legal, and that a run may well go without."""
    gates: ClassVar[bool] = False
    """It hands out tokens, which only an administrator may."""
    weight: ClassVar[float] = 1.0
    """How often it is drawn in ``mixed``, relative to the others."""
    every: ClassVar[float | None] = None
    """Seconds: in ``mixed`` it is not drawn, but run by one client so often."""
    scale: ClassVar[float] = 1.0
    """Which share of ``--lookups`` it runs: less, if one takes long."""
    batch: ClassVar[int] = 1
    """About how many lookups one race has."""
    detaches: ClassVar[int] = 0
    """How many pieces of detached work one race may leave behind for a while."""

    async def race(self, racer: Racer) -> Race | Sequence[Race]:
        """Run one lookup from Begin to End, or some together.

        Raises:
            Unexpected: a step failed that must not.
            HungUp: the daemon closed the connection.
        """
        raise NotImplementedError


_WORDS = {
    None: RECORD,
    WSA_E_CANCELLED: CANCELLED,
    WSAETIMEDOUT: TIMED_OUT,
    WSA_INVALID_HANDLE: INVALID_HANDLE,
}


def outcome_of_call(reply: Reply) -> str:
    """How a NextEx ended: ``record``, ``cancelled``, …, or the error that it got instead."""
    return _WORDS.get(reply.code) or f"NextEx got {outcome(reply.code)}"


def work_of(end: Reply) -> str:
    """What an End told of the work.

    Raises:
        Unexpected: it failed.
    """
    check_ended(end)
    return str(member(end.result, "work"))


def check_ended(end: Reply) -> None:
    """See that an End succeeded.

    Raises:
        Unexpected: it failed.
    """
    if end.code is not None:
        raise Unexpected(f"End got {outcome(end.code)}")


def handle_of(begin: Reply) -> int:
    """The handle that a Begin returned.

    Raises:
        AtTheCap: it was refused with 10055.
        Unexpected: it was refused otherwise.
    """
    if begin.code == WSAENOBUFS:
        raise AtTheCap
    handle: Any = member(begin.result, "lookup")
    if type(handle) is not int:
        raise Unexpected(f"Begin got {outcome(begin.code)}")
    return handle
