"""C2 to C5: End releases, cannot fail, leaves nothing behind, and what was settled stays."""

from __future__ import annotations

from nspd.model import errors
from nspd.race.entries import Call, Connection, NextCall
from nspd.race.findings import Finding
from nspd.race.lookups import Lookup
from nspd.race.messages import END, RUNDOWN, member, outcome

REFUSED = frozenset({errors.WSA_INVALID_HANDLE, errors.WSANOTINITIALISED})
"""What a call on a handle that does not exist may get."""


def c2_released_first(call: NextCall, code: int | None) -> Finding | None:
    """C2, and C5 for a record: what waited is answered before End, or what did its work, is."""
    if not call.late:
        return None
    broken = "C5" if code is None and call.late == "C2" else call.late
    ended_by = call.lookup.ended_by
    by = "End" if ended_by is None or ended_by.method == END else str(ended_by)
    return broken, f"{call} got {outcome(code)} after the reply to {by}"


def c2_not_refused(call: NextCall, code: int) -> Finding | None:
    """C2 and C4: a call sent before End is settled 10111, and a live handle is never gone."""
    lookup = call.lookup
    if lookup.may_have_ended:
        return None
    ended_by = lookup.ended_by
    if ended_by is not None:
        broken = "C2" if ended_by.method == END else "C10"
        return broken, f"{call} got {outcome(code)} though it was sent before {ended_by}"
    broken = "C7" if lookup.withdrawn else "C4"
    why = "a call of it was withdrawn, and it" if lookup.withdrawn else "it"
    return broken, f"{call} got {outcome(code)} though {why} is live"


def c3_cannot_fail(call: Call, lookup: Lookup, code: int) -> Finding | None:
    """C3: End of a live handle succeeds; C10: EndLookup, like End."""
    if lookup.may_have_ended:
        return None
    broken = "C3" if call.method == END else "C10"
    return broken, f"{call}, which was live, got {outcome(code)}"


def c4_gone(connection: Connection, call: Call, code: int | None) -> Finding | None:
    """C4: after End any call on the handle is answered 6; a foreign handle is no handle at all."""
    if code == errors.WSA_INVALID_HANDLE:
        return None
    if code == errors.WSANOTINITIALISED and (connection.cleaned or not connection.session.least):
        return None
    broken = "C4" if call.gone == "has ended" else "isolation"
    return broken, f"{call}, which {call.gone}, got {outcome(code)}, not 6"


def c4_ended_once(call: Call) -> Finding:
    """C4: of two Ends, an EndLookup among them, one gets 6."""
    return "C4", f"{call} ended a lookup that another End had ended"


def c4_new_handle(call: Call, handle: int) -> Finding:
    """C4: handle values are never used again."""
    return "C4", f"{call} returned handle {handle}, which was used before"


def c5_settled_in_turn(call: NextCall) -> Finding:
    """C5: calls are served in turn, so once End has settled one, no later one gets anything."""
    got = "a record" if call.answer == 0 else outcome(call.answer)
    return "C5", f"{call} got {got} though an earlier call had been cancelled by the end"


def handle_known(connection: Connection, call: Call, code: int | None) -> Finding | None:
    """protocol.md, Order: nothing about a lookup is sent before the reply to its Begin."""
    if code is not None and (code in REFUSED or code < 0 or code == errors.WSAEINVAL):
        return None
    begins = [other for other in connection.waiting.values() if other.method.endswith("Begin")]
    if any(begin.batch is not None for begin in begins):
        return None
    if begins:
        return "order", f"{call} got {outcome(code)} before any Begin returned this handle"
    return "isolation", f"{call} got {outcome(code)}, and no Begin had returned this handle"


def c10_no_begin(call: Call) -> Finding:
    """C10: nothing begins in a session that was run down."""
    return "C10", f"{call} began a lookup after {RUNDOWN}"


def c10_no_failure(call: Call, certain: bool, code: int | None) -> Finding | None:
    """C10: Rundown, and the last Cleanup, cannot fail."""
    return ("C10", f"{call} got {outcome(code)}") if certain and code is not None else None


def handle_of(result: object) -> int | None:
    """The handle that a Begin returned; None: it returned none."""
    handle = member(result, "lookup")
    return handle if type(handle) is int else None
