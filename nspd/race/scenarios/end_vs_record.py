"""End against the record that a NextEx waits for."""

from __future__ import annotations

from nspd.race.messages import END
from nspd.race.racer import Racer
from nspd.race.scenario import (
    CANCELLED,
    RECORD,
    Race,
    Scenario,
    check_ended,
    outcome_of_call,
)
from nspd.race.scenarios.meeting import meet


class EndVersusRecord(Scenario):
    """A gate lets the record through at the time of End; both may come in one step."""

    name = "end-vs-record"
    summary = "End at the moment when the record becomes ready"
    outcomes = (RECORD, CANCELLED)
    gates = True
    weight = 12

    async def race(self, racer: Racer) -> Race:
        gate = racer.gate()
        handle = await racer.begin(records=1, gate=gate)
        meeting = await meet(racer, handle, gate, lambda _: (END, {"lookup": handle}))
        check_ended(meeting.request)
        outcome = outcome_of_call(meeting.call)
        if outcome == RECORD:
            racer.gate_is_clean(gate)
        return Race(outcome, meeting.contested)
