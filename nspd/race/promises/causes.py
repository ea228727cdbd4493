"""C10, C11, C12 and C15: whose doing a cancellation may be."""

from __future__ import annotations

from nspd.model.errors import WSA_E_CANCELLED
from nspd.race.entries import BeginCall, Call, Connection, NextCall
from nspd.race.findings import Finding
from nspd.race.messages import BEGIN, END, LOOKUP, outcome


def c15_somebody_asked(connection: Connection, call: NextCall) -> Finding | None:
    """C15: only what was to cancel a call cancels it; C11 and C12 if the guilty can be told."""
    lookup = call.lookup
    if lookup.ended_by is not None or call.cancel_requested or lookup.may_have_ended:
        return None
    if lookup.plan.shared:
        return "C11", f"{call}, which shares its work, was cancelled, and nobody had asked for it"
    for other in connection.waiting.values():
        if other.method == BEGIN and other.sent >= call.sent and other.batch is None:
            return "C12", f"{call} was cancelled while {other} was carried out"
    return "C15", f"{call} was cancelled, and nobody had asked for it"


def c15_other_calls(
    connection: Connection, call: Call, code: int | None, excused: bool
) -> Finding | None:
    """C15 for calls that wait without a handle: nspd.Lookup, Monitor, ConfigChange."""
    if code != WSA_E_CANCELLED or excused or connection.excused or call.cancel_requested:
        return None
    if call.method == LOOKUP and call.ended_by is not None:
        return None
    return "C15", f"{call} was cancelled, and nobody had asked for it"


def c12_began(call: BeginCall, began: bool) -> Finding | None:
    """C12: with ``cancel_on_begin`` a Begin cancels once it has passed its checks, never else."""
    if began:
        return None
    for candidate in call.candidates:
        lookup = candidate.lookup
        cancelled = candidate.answer == WSA_E_CANCELLED and not candidate.cancel_requested
        if cancelled and lookup.ended_by is None and not lookup.excused and lookup.doubts == 0:
            return "C12", f"{candidate} was cancelled by {call}, which failed"
    return None


def promise_of(ended_by: Call) -> str:
    """The promise by which a lookup's calls are settled before the reply to what ended it."""
    if ended_by.method == END:
        return "C2"
    return "C12" if ended_by.method == BEGIN else "C10"


def c10_settled_first(call: Call, code: int | None) -> Finding | None:
    """C10 for an nspd.Lookup: Rundown's reply comes after its own."""
    if call.late:
        return call.late, f"{call} got {outcome(code)} after the reply to {call.ended_by}"
    return None
