"""The judge: is what clients saw on the wire what `cancellation.md` promises?

It is fed every message of every connection in the order in which the clients
sent or read it, and answers with the promises that the message breaks. It does
no I/O and knows no clock; a history from anywhere will do. What each promise
means here is in `nspd.race.promises`; what cannot be told from the clients'
side is counted as not judged, with the reason.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from nspd.model.errors import WSA_E_CANCELLED
from nspd.race import messages
from nspd.race.effects import Effects
from nspd.race.endings import Endings
from nspd.race.entries import BeginCall, Call, Connection, NextCall, OtherCall, StatusCall
from nspd.race.findings import Findings, Violation
from nspd.race.ledger import UNATTRIBUTABLE, Ledger
from nspd.race.messages import member, shortened, verdicts_in
from nspd.race.nextcalls import NextCalls
from nspd.race.promises import causes, handles, records, replies, work

__all__ = ["Direction", "Judge", "Violation"]

Direction = Literal["sent", "received", "shut", "hung_up", "left"]
"""What a client observed: a message sent or received (a request, a reply, a batch), the
client shutting its sending side, the daemon closing the connection, the client leaving it."""


class Judge:
    """Judges one run, message by message.

    Its memory is what is in flight (calls that wait, lookups that have not
    ended), and at most 65,536 intervals of handles that were used.
    """

    def __init__(
        self,
        *,
        alone: bool = True,
        end_grace: float | None = None,
        end_within: float | None = None,
    ) -> None:
        """Make a judge.

        Args:
            alone: the daemon has no other clients than those of the history; else its
                census is not judged.
            end_grace: the daemon's setting, in seconds; None: not known, so "detached" is
                believed however soon it is said.
            end_within: seconds from sending End to its reply that are too many; None: not
                judged. The client's own delays count, so it suits a client that has none.
        """
        self._findings = findings = Findings()
        self._report = findings.report
        self._ledger = ledger = Ledger(findings.not_judged)
        self._effects = Effects(ledger)
        self._next_calls = NextCalls(ledger, findings)
        self._endings = Endings(ledger, findings, end_grace, end_within)
        self._alone = alone
        self._baseline: dict[str, int] | None = None
        self.judged = 0
        """Replies judged."""
        self.not_judged: Counter[str] = findings.not_judged
        """What could not be told, by reason."""

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
            time: seconds on any clock that does not go back.
            client: the connection, a number that is used for no other one.
            direction: what happened.
            message: the decoded JSON that was sent or received.

        Returns:
            The violations that this observation brings to light.
        """
        ledger, findings = self._ledger, self._findings
        ledger.now = findings.now = time
        findings.client = client
        connection = ledger.connections.get(client)
        if connection is None:
            connection = ledger.connections[client] = Connection(client)
        if direction == "sent":
            if type(message) is dict:
                self._effects.enter(connection, message)
            else:
                self._effects.sent(connection, message)
        elif direction == "received":
            if type(message) is dict and "method" not in message:
                self._reply(connection, message)
            else:
                self._received(connection, message)
        elif direction == "shut":
            # What still waits when half_close_grace is over is answered 10111.
            connection.excused = True
        else:
            calls = ledger.close(client)
            if direction == "hung_up":
                for call in calls:
                    self._report(replies.c1_hung_up(call))
            elif calls:
                self.not_judged["the client left without waiting"] += len(calls)
        return findings.take()

    def finish(self, time: float) -> list[Violation]:
        """The history is over: every reply that was due and has not come is lost."""
        ledger, findings = self._ledger, self._findings
        ledger.now = time
        for client, connection in list(ledger.connections.items()):
            findings.client = client
            passed_over = {lookup.lost_ahead() for lookup in connection.lookups.values()}
            for call in ledger.close(client):
                if call.overdue(time):
                    self._report(replies.c1_answered(call))
                elif call in passed_over:
                    self._report(replies.c1_passed_over(call))
                else:
                    self.not_judged["still waiting, as it may"] += 1
        return findings.take()

    def _received(self, connection: Connection, message: Any) -> None:
        for reply in message if isinstance(message, list) else [message]:
            if not isinstance(reply, dict):
                self._report(("shape", f"neither a reply nor an event: {shortened(reply)}"))
            elif "method" not in reply:
                self._reply(connection, reply)
            elif reply["method"] == messages.GOING_AWAY:
                connection.excused = True

    def _reply(self, connection: Connection, reply: dict[str, Any]) -> None:
        """Find the call that a reply answers, and hold the reply against the promises."""
        id = reply.get("id")
        call = connection.remove(id) if type(id) is int or type(id) is str else None
        if call is None:
            self._stray(connection, id, reply)
            return
        self.judged += 1
        if call.method in messages.MAY_WAIT:
            self._ledger.answered += 1
        if "error" in reply:
            code: int | None = self._code(call, reply)
        else:
            code = None if "result" in reply else self._neither(call)
        if type(call) is NextCall:
            self._next_calls.answered(connection, call, reply, code)
        elif call.gone:
            self._report(handles.c4_gone(connection, call, code))
        elif call.lookup is not None:
            self._endings.ended(call, call.lookup, reply, code)
        elif call.handle is not None:
            self._guess(connection, call, call.handle, code)
        elif type(call) is BeginCall:
            if call.method == messages.BEGIN:
                self._endings.begun(connection, call, reply, code)
            else:
                self._whole_lookup(connection, call, reply, code)
        elif type(call) is OtherCall:
            self._endings.session_or_provider(connection, call, code)
        elif type(call) is StatusCall:
            self._status(call, reply)
        else:
            self._report(replies.c13_harmless(call, code))
            if code == WSA_E_CANCELLED:
                self._report(causes.c15_other_calls(connection, call, code, False))

    def _stray(self, connection: Connection, id: Any, reply: dict[str, Any]) -> None:
        """C1: a reply to nothing, unless it may be one that no client can attribute."""
        if connection.blind:
            self.not_judged[UNATTRIBUTABLE] += 1
        elif id is None and "error" in reply:
            self.not_judged["an error without an id"] += 1
        else:
            self._report(replies.c1_one_reply(id))

    def _neither(self, call: Call) -> int:
        self._report(("shape", f"{call} got neither a result nor an error"))
        return replies.UNREADABLE

    def _code(self, call: Call, reply: dict[str, Any]) -> int:
        """C6, C14, and that it is an error at all; its code."""
        error = reply["error"]
        if type(error) is not dict:
            error = {}
        code, data = error.get("code"), error.get("data")
        if type(code) is not int:
            self._report(("shape", f"{call} got an error without a code"))
            return replies.UNREADABLE
        if type(data) is dict:
            call.verdicts = verdicts_in(data)
        found = replies.c6_error_without_record(call, reply, data)
        if found is None:
            found = replies.c14_new_codes(call, code)
        if found is not None:
            self._report(found)
        return code

    def _guess(self, connection: Connection, call: Call, handle: int, code: int | None) -> None:
        """A call on a handle that no Begin had returned when it was sent."""
        if handle in self._ledger.handles:
            self.not_judged["a handle that no Begin had returned"] += 1
        else:
            self._report(handles.handle_known(connection, call, code))

    # Everything else

    def _whole_lookup(
        self, connection: Connection, call: BeginCall, reply: dict[str, Any], code: int | None
    ) -> None:
        """nspd.Lookup: C6, C7, C10, C15."""
        self._ledger.closed += 1
        self._report(causes.c10_settled_first(call, code))
        excused = call.interventions != self._ledger.interventions
        self._report(causes.c15_other_calls(connection, call, code, excused))
        if code is None:
            for finding in records.c7_whole_lookup(call, call.params, reply["result"]):
                self._report(finding)

    def _status(self, call: StatusCall, reply: dict[str, Any]) -> None:
        """C8: the census against what can be open."""
        census = member(reply.get("result"), "census")
        if not isinstance(census, dict):
            return
        if not self._alone or not self._ledger.counts_all:
            self.not_judged["a census that counts others, too"] += 1
            return
        counted = {name: census.get(name) for name in ("lookups", "waiting_calls")}
        lookups, waiting = (value if type(value) is int else 0 for value in counted.values())
        if self._baseline is None:
            # Whatever there is now may be somebody else's, and stay.
            self._baseline = {"lookups": lookups, "waiting_calls": waiting}
            return
        ledger = self._ledger
        closed, answered = call.closed
        most = self._baseline["lookups"] + ledger.opened - closed
        self._report(work.c8_census("lookups", lookups, most))
        most = self._baseline["waiting_calls"] + ledger.asked - answered
        self._report(work.c8_census("waiting_calls", waiting, most))
