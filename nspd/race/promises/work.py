"""C8: the truth about the work, in End's reply and in the daemon's census."""

from __future__ import annotations

from typing import Any

from nspd.race.entries import Call
from nspd.race.findings import Finding
from nspd.race.lookups import Lookup
from nspd.race.messages import member, shortened

_WORK = ("none", "stopped", "detached")

_EARLY = 0.9
"""A timer may go off a little early by another clock: the part of a time that must be over."""


def c8_tells(call: Call, ending: Any) -> Finding | None:
    """End's reply says how many calls it cancelled, and what became of the work."""
    cancelled, work = member(ending, "cancelled"), member(ending, "work")
    if type(cancelled) is not int or type(work) is not str or work not in _WORK:
        return "C8", f"{call} got {shortened(ending)}, which does not tell"
    return None


def c8_count(call: Call, lookup: Lookup, cancelled: int) -> Finding | None:
    """The number of calls cancelled is that of the calls that got 10111."""
    most = lookup.cancelled + lookup.perhaps_cancelled + lookup.unanswered
    if lookup.cancelled <= cancelled <= most:
        return None
    seen = f"{lookup.cancelled} to {most}" if most > lookup.cancelled else f"{most}"
    return "C8", f"{call} tells of {cancelled} calls cancelled; seen: {seen}"


def c8_in_time(call: Call, elapsed: float, within: float | None) -> Finding | None:
    """The reply is settled when ``end_grace`` is over, at the latest."""
    if within is not None and elapsed > within:
        return "C8", f"{call} was answered after {elapsed * 1e3:.0f} ms"
    return None


def c8_work(
    call: Call, lookup: Lookup, ending: Any, elapsed: float, end_grace: float | None
) -> tuple[Finding | None, bool]:
    """What is said of the work can be true. Returns also whether that could be told.

    Args:
        call: the End.
        lookup: what it ended.
        ending: its result.
        elapsed: seconds from sending End to its reply.
        end_grace: the daemon's setting, in seconds; None: unknown.
    """
    work = ending["work"]
    if work == "detached" and end_grace is not None and lookup.deadline is None:
        # A budget that ran out may have detached the work long before.
        if elapsed < end_grace * _EARLY:
            return ("C8", f"{call} says detached after {elapsed * 1e3:.1f} ms"), True
        return None, True
    if lookup.over:
        if work != "none":
            return ("C8", f"{call} says {work}, and every provider was through"), True
        return None, True
    if not lookup.test_records or ending["cancelled"] == 0:
        return None, False
    plan = lookup.plan
    # It gave a record, then kept a call waiting: so it was at work, and hung.
    if not plan.never_ends or plan.shared or lookup.deadline is not None:
        return None, False
    if work == "none":
        return ("C8", f"{call} says none, and the work was hanging"), True
    if work == "stopped" and elapsed < plan.stubborn * _EARLY:
        detail = f"{call} says stopped after {elapsed:.3f} s; it goes on for {plan.stubborn} s"
        return ("C8", detail), True
    return None, True


def c8_census(name: str, counted: int, most: int) -> Finding | None:
    """The daemon counts no more than there can be."""
    if counted > most:
        return "C8", f"the census has {counted} {name.replace('_', ' ')}; there can be {most}"
    return None
