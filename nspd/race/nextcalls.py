"""NextEx calls before the judge: what each got, and what their lookup's calls got in turn."""

from __future__ import annotations

from typing import Any

from nspd.model import errors
from nspd.model.flags import LookupFlags
from nspd.model.namespaces import Namespace
from nspd.race.entries import Connection, NextCall
from nspd.race.findings import Findings
from nspd.race.ledger import Ledger
from nspd.race.lookups import Lookup
from nspd.race.promises import causes, handles, records, replies
from nspd.race.testrecords import number_of

_TEST = int(Namespace.TEST)
_CANCELLED = errors.WSA_E_CANCELLED
_FLUSHPREVIOUS = int(LookupFlags.FLUSHPREVIOUS)
_NEUTRAL = frozenset(
    {
        errors.WSA_INVALID_HANDLE,
        errors.WSA_NOT_ENOUGH_MEMORY,
        errors.WSAEINVAL,
        errors.WSANOTINITIALISED,
        errors.WSAENOMORE,
        errors.WSAECANCELLED,
        replies.UNREADABLE,
    }
)
"""Codes that say nothing of where a lookup's records are: the call was not served."""


class NextCalls:
    """Judges the replies to NextEx calls that were sent while their lookup was live."""

    def __init__(self, ledger: Ledger, findings: Findings) -> None:
        self._ledger = ledger
        self._report = findings.report
        self._not_judged = findings.not_judged

    def answered(
        self, connection: Connection, call: NextCall, reply: dict[str, Any], code: int | None
    ) -> None:
        """C2, C5, C6, C7 and C15: one reply.

        Args:
            connection: on which it came.
            call: what it answers.
            reply: all of it.
            code: that of its error; None: it has a result.
        """
        lookup = call.lookup
        lookup.unanswered -= 1
        call.answer = 0 if code is None else code
        if call.late:
            self._report(handles.c2_released_first(call, code))
        if code is None:
            self._record(call, reply["result"])
        elif code == _CANCELLED:
            if lookup.ended_by is None:
                stray = causes.c15_somebody_asked(connection, call)
                self._report(stray)
                call.cancelled_by_nobody = stray is not None
            elif call.cancel_requested:
                lookup.perhaps_cancelled += 1
            else:
                lookup.cancelled += 1
        elif code in handles.REFUSED:
            self._report(handles.c2_not_refused(call, code))
        elif code == errors.WSAECANCELLED:
            lookup.perhaps_cancelled += 1
        else:
            self._report(replies.shape_of_error(call, code))
        self._take_turn(call, code)
        if lookup.end_answered and not lookup.unanswered:
            self._ledger.forget(lookup)

    def _record(self, call: NextCall, record: Any) -> None:
        """C6, and which record it is."""
        missing = records.c6_has_all(call, record)
        if missing is not None:
            self._report(missing)
            return
        if record["namespace"] != _TEST:
            self._report(records.c6_namespace(call, record))
            return
        lookup = call.lookup
        call.provider = str(record["provider_id"])
        call.number = number = number_of(record)
        if number is None:
            self._not_judged["a record without its number"] += 1
            return
        plan = lookup.plan
        wrong = records.c6_whole(call, record, plan, number, call.flags, lookup.watch)
        if wrong is None:
            wrong = records.c7_given(call, number, plan)
        if wrong is not None:
            self._report(wrong)

    def _take_turn(self, call: NextCall, code: int | None) -> None:
        """Follow a lookup's calls in the order in which they are served: that in which they came.

        A reply may overtake another one on the wire; then it is kept until its turn.
        """
        lookup = call.lookup
        if not lookup.in_order:
            return
        own_timeout = code == errors.WSAETIMEDOUT and not call.verdicts
        withdrawn = code == _CANCELLED and (call.cancel_requested or call.cancelled_by_nobody)
        if own_timeout or withdrawn or (code is not None and (code < 0 or code in _NEUTRAL)):
            if call.flags:
                lookup.flushed += 1  # it may have dropped a record before it was withdrawn
                lookup.dropped += 1
            lookup.remove(call)
        elif call is lookup.first and call.after is None:
            lookup.first = lookup.last = None
            self._served(call)
            return
        elif not lookup.hold(call):
            self._not_judged["too many replies ahead of an older call"] += 1
            return
        if lookup.first is not None:
            for served in lookup.in_turn():
                self._served(served)

    def _served(self, call: NextCall) -> None:
        """C5 and C7: one call after the other."""
        lookup = call.lookup
        if call.answer == _CANCELLED:
            lookup.cancelled_in_order = True
            return
        if lookup.cancelled_in_order:
            self._report(handles.c5_settled_in_turn(call))
        if lookup.watch:
            return
        if lookup.final:
            self._report(records.c7_not_after_the_end(call))
        if lookup.misfit:
            lookup.misfit = False
            if call.flags & _FLUSHPREVIOUS:
                lookup.flushed += 1
                lookup.dropped += 1
        if call.answer == 0:
            lookup.records += 1
            if call.number is not None:
                self._numbered(call, lookup, call.number)
            elif call.provider:
                lookup.test_records += 1
                lookup.flushed += 1  # one more that the next number accounts for
        elif call.answer == errors.WSAEFAULT:
            lookup.misfit = True
        elif not lookup.final:
            self._final(call, lookup)

    def _numbered(self, call: NextCall, lookup: Lookup, number: int) -> None:
        lookup.test_records += 1
        numbers = lookup.next_numbers
        if numbers is None:
            numbers = lookup.next_numbers = {}
        expected = numbers.get(call.provider, 1)
        wrong = records.c7_in_order(call, number, expected, lookup.flushed)
        if wrong is not None:
            self._report(wrong)
        lookup.flushed -= min(max(number - expected, 0), lookup.flushed)
        numbers[call.provider] = max(number + 1, expected)

    def _final(self, call: NextCall, lookup: Lookup) -> None:
        verdicts = call.verdicts
        assert call.answer is not None
        lookup.final = call.answer
        untrue = None
        if not lookup.may_have_ended:
            untrue = records.c2_not_over(call, call.answer, verdicts)
            self._report(untrue)
        lookup.over = untrue is None and records.through(verdicts)
        self._report(records.c7_all_came(call, lookup, call.answer, verdicts))
