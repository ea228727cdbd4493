"""C1 (exactly one reply), C13 (a cancel is harmless), C14 (the codes), and the form of a reply."""

from __future__ import annotations

from typing import Any

from nspd.model import errors
from nspd.race.entries import Call, NextCall
from nspd.race.findings import Finding
from nspd.race.messages import CANCEL, END, member, outcome, shortened

UNREADABLE = 0
"""Stands for the code of a reply that has none."""

_ONLY_IN_RECORDS = frozenset(
    {"service_instance_name", "comment", "addresses", "blob", "version", "output_flags"}
)
_NEVER_SENT = frozenset({errors.WSAENOMORE, errors.WSAECANCELLED})
_WITHOUT_VERDICTS = frozenset(
    {
        errors.WSA_INVALID_HANDLE,
        errors.WSA_NOT_ENOUGH_MEMORY,
        errors.WSAEFAULT,
        errors.WSAEINVAL,
        errors.WSAENOBUFS,
        errors.WSAETIMEDOUT,
        errors.WSANOTINITIALISED,
        errors.WSAENOMORE,
        errors.WSAECANCELLED,
        errors.WSA_E_CANCELLED,
        errors.WSASYSCALLFAILURE,
    }
)
"""Errors of a NextEx that do not end its lookup, or not always."""


def c1_one_reply(id: Any) -> Finding:
    """A reply that nothing waits for: a second one, or one to nothing."""
    return "C1", f"a reply to {shortened(id)}, which does not wait"


def c1_hung_up(call: Call) -> Finding:
    """The daemon settles everything before it closes a connection."""
    return "C1", f"the daemon hung up with {call} unanswered"


def c1_answered(call: Call) -> Finding:
    """Every request is answered; one that a Rundown and the like left hanging breaks C10."""
    lookup = call.lookup
    broken = call.late if call.late in ("C10", "C12") else "C1"
    if type(call) is NextCall and lookup is not None and not call.late:
        ended_by = lookup.ended_by
        if lookup.must_settle or (ended_by is not None and ended_by.method != END):
            broken = "C10"
    return broken, f"{call} was never answered"


def c1_passed_over(call: Call) -> Finding:
    """Calls of one lookup are served in turn, so a later one's record means that it was lost."""
    return "C1", f"{call} was never answered, and a later call was given a record"


def c6_error_without_record(call: Call, reply: dict[str, Any], data: Any) -> Finding | None:
    """C6: a cancelled or failed call carries no part of a record."""
    if "result" in reply or (type(data) is dict and not _ONLY_IN_RECORDS.isdisjoint(data)):
        return "C6", f"the error that {call} got carries a record"
    return None


def c13_harmless(call: Call, code: int | None) -> Finding | None:
    """C13: a cancel request does something or nothing, and never fails."""
    if call.method == CANCEL and code is not None:
        return "C13", f"{call} got {outcome(code)}"
    return None


def c14_new_codes(call: Call, code: int) -> Finding | None:
    """C14: 10110 and 10111 are sent, and 10102 and 10103 never, in verdicts neither."""
    if code in _NEVER_SENT:
        return "C14", f"{call} got {outcome(code)}"
    for verdict in call.verdicts:
        error = member(verdict, "error")
        if type(error) is int and error in _NEVER_SENT:
            return "C14", f"{call} got a verdict of {outcome(error)}"
    return None


def shape_of_error(call: NextCall, code: int) -> Finding | None:
    """protocol.md knows the reply: who ends a lookup tells the verdicts, 10014 the size."""
    if code == errors.WSAETIMEDOUT and call.deadline is None and not call.verdicts:
        return "shape", f"{call}, which has no time-out, got {outcome(code)} without verdicts"
    if code == errors.WSAEFAULT and call.room is None:
        return "shape", f"{call}, which takes any size, got {outcome(code)}"
    if code > 0 and code not in _WITHOUT_VERDICTS and not call.verdicts:
        return "shape", f"{call} got {outcome(code)} without verdicts"
    return None
