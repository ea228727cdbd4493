"""A cancel request against the record that its call waits for."""

from __future__ import annotations

from nspd.race.messages import CANCEL, END, NEXT
from nspd.race.scenarios.base import CANCELLED, RECORD, Race, Racer, Scenario, outcome_of_call
from nspd.race.scenarios.meeting import meet


class CancelRequest(Scenario):
    """A NextEx is withdrawn while its record comes; the next call must get what it did not."""

    name = "cancel-request"
    summary = "$/cancelRequest at the moment when the record becomes ready; it is not lost"
    outcomes = (RECORD, CANCELLED)
    gates = True

    async def race(self, racer: Racer) -> Race:
        gate = racer.new_gate()
        handle = await racer.begin(records=1, gate=gate)
        meeting = await meet(racer, handle, gate, lambda call: (CANCEL, {"id": call}))
        racer.note_cancelled(meeting.request.asked, meeting.call)
        outcome = outcome_of_call(meeting.call)
        if outcome == CANCELLED:
            kept = outcome_of_call(await racer.wire.call(NEXT, lookup=handle))
            outcome = CANCELLED if kept == RECORD else f"the record was not kept: {kept}"
        racer.note_ended(await racer.wire.call(END, lookup=handle))
        return Race(outcome, meeting.contested)
