"""Requests that begin and end lookups before the judge: Begin, End, Rundown and their like."""

from __future__ import annotations

from typing import Any

from nspd.model import errors
from nspd.race import messages
from nspd.race.entries import BeginCall, Call, Connection, OtherCall
from nspd.race.findings import Findings
from nspd.race.ledger import Ledger
from nspd.race.lookups import Lookup
from nspd.race.promises import causes, handles, work

_CANCELLED = errors.WSA_E_CANCELLED


class Endings:
    """Judges the replies to what begins lookups and what ends them."""

    def __init__(
        self,
        ledger: Ledger,
        findings: Findings,
        end_grace: float | None,
        end_within: float | None,
    ) -> None:
        self._ledger = ledger
        self._findings = findings
        self._report = findings.report
        self._not_judged = findings.not_judged
        self._end_grace = end_grace
        self._end_within = end_within

    def begun(
        self, connection: Connection, call: BeginCall, reply: dict[str, Any], code: int | None
    ) -> None:
        if call.candidates:
            self._resolve(call, code is None)
        if code is not None:
            self._ledger.closed += 1
            return
        handle = handles.handle_of(reply["result"])
        if handle is None:
            self._report(("shape", f"{call} returned no handle"))
            return
        if call.after_rundown:
            self._report(handles.c10_no_begin(call))
        if not self._ledger.begun(connection, call, handle):
            self._report(handles.c4_new_handle(call, handle))

    def _resolve(self, call: BeginCall, began: bool) -> None:
        """C12: a Begin that may have ended lookups is answered, and one can tell which."""
        for lookup in {candidate.lookup for candidate in call.candidates}:
            lookup.doubts -= 1
        self._report(causes.c12_began(call, began))
        for candidate in call.candidates:
            lookup = candidate.lookup
            if not began or candidate.answer not in (None, _CANCELLED):
                continue
            if lookup.ended_by not in (None, call) or candidate.cancel_requested:
                lookup.excused = True  # ended by this or by something else: one cannot tell
                continue
            lookup.must_settle = lookup.end_answered = True
            lookup.ended_by = call
            if candidate.answer is None and candidate.batch is None and call.batch is None:
                candidate.late = "C12"
            if lookup.settled:
                self._ledger.forget(lookup)

    def ended(self, call: Call, lookup: Lookup, reply: dict[str, Any], code: int | None) -> None:
        """C2, C3, C8: what End's reply says, and what it means for the calls that still wait."""
        elsewhere = lookup.ended_by is not call
        if elsewhere:
            lookup.doubts -= 1
        if code is not None:
            if not elsewhere:
                self._report(handles.c3_cannot_fail(call, lookup, code))
                lookup.excused = lookup.end_answered = True
        else:
            lookup.ends += 1
            if lookup.ends > 1:
                self._report(handles.c4_ended_once(call))
            lookup.end_answered = True
            if elsewhere:
                lookup.must_settle = True
                if lookup.ended_by is None:
                    lookup.ended_by = call
            else:
                self._late(call, lookup)
                if not lookup.may_have_ended:
                    self._ending(call, lookup, reply["result"])
        if lookup.settled:
            self._ledger.forget(lookup)

    def _late(self, ended_by: Call, lookup: Lookup) -> None:
        """What still waits is late, and judged when it is answered."""
        if lookup.unanswered and ended_by.batch is None:
            broken = causes.promise_of(ended_by)
            for waiting in lookup.waiting():
                if waiting.batch is None:
                    waiting.late = broken

    def _ending(self, call: Call, lookup: Lookup, ending: Any) -> None:
        untold = work.c8_tells(call, ending)
        if untold is not None:
            self._report(untold)
            return
        elapsed = self._findings.now - call.sent
        self._report(work.c8_count(call, lookup, ending["cancelled"]))
        self._report(work.c8_in_time(call, elapsed, self._end_within))
        finding, told = work.c8_work(call, lookup, ending, elapsed, self._end_grace)
        self._report(finding)
        if not told:
            self._not_judged["whether an End left any work to stop"] += 1

    def session_or_provider(
        self, connection: Connection, call: OtherCall, code: int | None
    ) -> None:
        ledger = self._ledger
        call.answered = True
        call.code = code
        self._report(handles.c10_no_failure(call, call.certain, code))
        if call.certain:
            self._swept(connection, call)
        if call.method in (messages.STARTUP, messages.CLEANUP):
            closed = connection.session.settle()
            if closed is not None:
                ledger.close_session(connection, closed)
        else:
            ledger.intervened(call)

    def _swept(self, connection: Connection, by: OtherCall) -> None:
        """C10: Rundown, or the last Cleanup, is answered; what it ended is answered before it."""
        for lookup in list(connection.lookups.values()):
            if lookup.ended_by is by:
                lookup.end_answered = True
                self._late(by, lookup)
                if lookup.settled:
                    self._ledger.forget(lookup)
        for call in connection.waiting.values():
            waits = call.ended_by is by and call.method == messages.LOOKUP
            if waits and call.batch is None and by.batch is None:
                call.late = "C10"
