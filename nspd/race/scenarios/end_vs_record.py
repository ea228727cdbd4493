"""End against the record that a NextEx waits for."""

from __future__ import annotations

from nspd.race.messages import END
from nspd.race.scenarios.base import CANCELLED, RECORD, Race, Racer, Scenario, outcome_of_call
from nspd.race.scenarios.meeting import meet


class EndVersusRecord(Scenario):
    """A gate lets the record through from a second connection at the time of End."""

    name = "end-vs-record"
    summary = "End at the moment when the record becomes ready"
    outcomes = (RECORD, CANCELLED)
    gates = True

    async def race(self, racer: Racer) -> Race:
        gate = racer.new_gate()
        handle = await racer.begin(records=1, gate=gate)
        meeting = await meet(racer, handle, gate, lambda _: (END, {"lookup": handle}))
        racer.note_ended(meeting.request)
        racer.note_cancelled(meeting.request.asked, meeting.call)
        return Race(outcome_of_call(meeting.call), meeting.contested)
