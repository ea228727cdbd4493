"""The judge: is what a client saw on the wire what `cancellation.md` promises?

It is fed every message of every connection in the order in which the client
sent or read it, and answers with the promises that the message breaks. It does
no I/O and knows no clock; a history from anywhere will do. What cannot be told
from the client's side is counted as not judged, with the reason.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from msgspec import Struct

from nspd.model import errors
from nspd.model.namespaces import Namespace
from nspd.race import messages
from nspd.race.entries import Call, Connection, Lookup
from nspd.race.ledger import Ledger
from nspd.race.messages import is_id, member, outcome, shortened, verdicts_of

Direction = Literal["sent", "received", "hung_up", "left"]
"""What a client observed: a message sent or received (a request, a reply, a batch),
the daemon closing the connection, the client leaving it."""

_ALWAYS_THERE = ("namespace", "provider_id", "context", "output_flags")
_ONLY_IN_RECORDS = frozenset(
    {"service_instance_name", "comment", "addresses", "blob", "version", "output_flags"}
)
_WORK = frozenset({"none", "stopped", "detached"})
_UNREADABLE = 0
"""Stands for the code of a reply that has none."""
_NEVER_SENT = frozenset({errors.WSAENOMORE, errors.WSAECANCELLED})


class Violation(Struct, frozen=True):
    """One promise broken once."""

    promise: str
    """``C1`` to ``C15``, or one that cancellation.md does not number: ``isolation``
    (a foreign handle worked), ``shape`` (protocol.md knows no such reply), and, found by
    `nspd.race.drive`, ``outcome`` (not legal in this scenario)."""
    time: float
    """When it was seen, on the clock of the observations."""
    client: int
    """The connection on which it was seen."""
    detail: str
    """What was seen, in one sentence."""


class Judge:
    """Judges one run, message by message. Its memory is what is in flight, not the history.

    Nobody outside the history may end lookups meanwhile: the judge would take
    their 10111 for one that nobody asked for.
    """

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._found: list[Violation] = []
        self._now = 0.0
        self._client = 0
        self.judged = 0
        """Replies judged."""

    @property
    def not_judged(self) -> Counter[str]:
        """Messages about which nothing could be said, by reason."""
        return self._ledger.not_judged

    @property
    def remembered(self) -> int:
        """Calls and lookups held now; 0 once everything is settled."""
        calls = sum(len(connection.waiting) for connection in self._ledger.connections.values())
        return calls + len(self._ledger.lookups)

    def observe(
        self, time: float, client: int, direction: Direction, message: Any = None
    ) -> list[Violation]:
        """Take in one observation.

        Args:
            time: seconds on any clock; only repeated in violations.
            client: the connection, a number that is used for no other one.
            direction: what happened.
            message: the decoded JSON that was sent or received.

        Returns:
            The violations that this observation brings to light.
        """
        self._now, self._client = time, client
        match direction:
            case "sent":
                self._ledger.sent(self._ledger.connection(client), message)
            case "received":
                self._received(self._ledger.connection(client), message)
            case "hung_up":
                for call in self._ledger.close(client):
                    self._report("C1", f"the daemon hung up with {call} unanswered")
            case "left":
                waiting = self._ledger.close(client)
                self.not_judged["the client left without waiting"] += len(waiting)
        return self._take_found()

    def finish(self, time: float) -> list[Violation]:
        """The history is over: every reply that was due and has not come is lost."""
        self._now = time
        for client in list(self._ledger.connections):
            self._client = client
            for call in self._ledger.close(client):
                if call.must_be_answered:
                    self._report("C1", f"{call} was never answered")
                else:
                    self.not_judged["still waiting, as it may"] += 1
        return self._take_found()

    def _take_found(self) -> list[Violation]:
        found, self._found = self._found, []
        return found

    def _report(self, promise: str, detail: str) -> None:
        self._found.append(Violation(promise, self._now, self._client, detail))

    def _received(self, connection: Connection, message: Any) -> None:
        for reply in message if isinstance(message, list) else [message]:
            if not isinstance(reply, dict):
                self._report("shape", f"neither a reply nor an event: {shortened(reply)}")
            elif "method" not in reply:
                self._reply(connection, reply)
            elif reply["method"] == messages.GOING_AWAY:
                connection.excused = True

    def _reply(self, connection: Connection, reply: dict[str, Any]) -> None:
        """C1: it answers a call that waits, and strikes it out."""
        id = reply.get("id")
        if id is None:
            self.not_judged["a reply without an id"] += 1
            return
        call = connection.remove(id) if is_id(id) else None
        if call is None:
            self._report("C1", f"a reply to {shortened(id)}, which does not wait")
            return
        self.judged += 1
        code = self._check_form(call, reply)
        if call.gone:
            self._check_gone(connection, call, code)
        elif call.lookup is None:
            self._check_without_lookup(connection, call, reply, code)
        elif call.method == messages.END:
            self._check_end(call, call.lookup, reply, code)
        else:
            self._check_next(call, call.lookup, reply, code)

    def _check_form(self, call: Call, reply: dict[str, Any]) -> int | None:
        """C6, C14, and that it is a reply at all. Returns the code of an error; None: success."""
        error = reply.get("error")
        if error is None:
            if "result" not in reply:
                self._report("shape", f"{call} got neither a result nor an error")
                return _UNREADABLE
            return None
        data = member(error, "data")
        if "result" in reply or (isinstance(data, dict) and _ONLY_IN_RECORDS & data.keys()):
            self._report("C6", f"the error that {call} got carries a record")
        code = member(error, "code")
        if type(code) is not int:
            self._report("shape", f"{call} got an error without a code")
            return _UNREADABLE
        for sent in (code, *(member(verdict, "error") for verdict in verdicts_of(reply))):
            if type(sent) is int and sent in _NEVER_SENT:
                self._report("C14", f"{call} got {outcome(sent)}")
        return code

    def _check_gone(self, connection: Connection, call: Call, code: int | None) -> None:
        """C4: after End every call on the handle is answered 6, a second End too."""
        without_session = connection.excused and code == errors.WSANOTINITIALISED
        if code != errors.WSA_INVALID_HANDLE and not without_session:
            promise = "C4" if call.gone == "has ended" else "isolation"
            self._report(promise, f"{call}, which {call.gone}, got {outcome(code)}, not 6")

    def _check_without_lookup(
        self, connection: Connection, call: Call, reply: dict[str, Any], code: int | None
    ) -> None:
        """C4 (a handle is never given out twice) and C13 (a cancel request is harmless)."""
        if call.handle is not None:
            self.not_judged["a handle that no Begin had returned"] += 1
        elif call.method == messages.CANCEL and code is not None:
            self._report("C13", f"{call} got {outcome(code)}")
        elif call.method == messages.BEGIN and code is None:
            handle = member(reply.get("result"), "lookup")
            if type(handle) is not int:
                self._report("shape", f"{call} returned no handle")
            elif not self._ledger.begun(connection, call, handle):
                self._report("C4", f"{call} returned handle {handle}, which was used before")

    def _check_end(
        self, call: Call, lookup: Lookup, reply: dict[str, Any], code: int | None
    ) -> None:
        """C3: it cannot fail. What still waits is late, and judged when it is answered."""
        lookup.end_answered = True
        excused = lookup.excused or lookup.owner.excused
        if code is not None:
            if not excused:
                self._report("C3", f"{call}, which was live, got {outcome(code)}")
            lookup.excused = True
        else:
            for waiting in lookup.waiting.values():
                waiting.late = not (waiting.in_batch or call.in_batch)
            if not excused:
                self._check_ending(call, lookup, reply.get("result"))
        self._forget_if_settled(lookup)

    def _check_ending(self, call: Call, lookup: Lookup, ending: Any) -> None:
        """C8, as far as a client sees it: the calls cancelled, and a known word for the work."""
        cancelled, work = member(ending, "cancelled"), member(ending, "work")
        if type(cancelled) is not int or not isinstance(work, str) or work not in _WORK:
            self._report("C8", f"{call} got {shortened(ending)}, which does not tell")
            return
        most = lookup.cancelled + lookup.perhaps_cancelled + len(lookup.waiting)
        if not lookup.cancelled <= cancelled <= most:
            seen = f"{lookup.cancelled} to {most}" if most > lookup.cancelled else f"{most}"
            self._report("C8", f"{call} tells of {cancelled} calls cancelled; seen: {seen}")

    def _check_next(
        self, call: Call, lookup: Lookup, reply: dict[str, Any], code: int | None
    ) -> None:
        """C2, C5, C15: what may become of a call that was sent before End."""
        lookup.waiting.pop(call.id, None)
        excused = lookup.excused or lookup.owner.excused
        if code == errors.WSA_E_CANCELLED:
            lookup.count_cancelled(call)
            if not (lookup.ended or call.cancel_requested or excused):
                self._report("C15", f"{call} was cancelled, and nobody had asked for it")
        elif code == errors.WSA_INVALID_HANDLE and not excused:
            promise = "C2" if lookup.ended else "C4"
            self._report(promise, f"{call} got {outcome(code)} though it was sent before End")
        if call.late:
            promise = "C5" if code is None else "C2"
            self._report(promise, f"{call} got {outcome(code)} after the reply to End")
        if code is None:
            self._check_record(call, lookup, reply.get("result"))
        elif code == errors.WSA_E_NO_MORE:
            self._check_all_seen(call, lookup, reply)
        self._forget_if_settled(lookup)

    def _check_record(self, call: Call, lookup: Lookup, record: Any) -> None:
        """C6 (a whole record) and C7 (none twice; the test namespace numbers its records)."""
        missing = [name for name in _ALWAYS_THERE if member(record, name) is None]
        if missing:
            self._report("C6", f"{call} got a record without {', '.join(missing)}")
            return
        lookup.records += 1
        number = member(record.get("version"), "version")
        numbered = record["namespace"] == Namespace.TEST and type(number) is int
        if numbered and lookup.in_order and not lookup.number_seen(number):
            self._report("C7", f"{call} got record {number} a second time")

    def _check_all_seen(self, call: Call, lookup: Lookup, reply: dict[str, Any]) -> None:
        """C7: at the end the client has as many records as the verdicts count."""
        if lookup.waiting or not lookup.in_order:
            return
        counts = [member(verdict, "records") for verdict in verdicts_of(reply)]
        given = sum(count for count in counts if type(count) is int)
        if lookup.records < given:
            self._report("C7", f"{call}: {given} records were given, {lookup.records} came")

    def _forget_if_settled(self, lookup: Lookup) -> None:
        """C7, at the last moment: no record before one that came was left out."""
        if not lookup.settled:
            return
        self._ledger.forget(lookup)
        if lookup.in_order and lookup.out_of_order:
            self._report("C7", f"lookup {lookup.handle}: record {lookup.next_record} was left out")
