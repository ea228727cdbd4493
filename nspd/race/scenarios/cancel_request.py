"""A cancel request against the record that its call waits for."""

from __future__ import annotations

from nspd.race.messages import CANCEL, END, NEXT
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


class CancelRequest(Scenario):
    """A NextEx is withdrawn while its record comes; the next call must get what it did not."""

    name = "cancel-request"
    summary = "$/cancelRequest at the moment when the record becomes ready; it is not lost"
    outcomes = (RECORD, CANCELLED)
    gates = True
    weight = 8

    async def race(self, racer: Racer) -> Race:
        gate = racer.gate()
        handle = await racer.begin(records=1, gate=gate)
        meeting = await meet(racer, handle, gate, lambda call: (CANCEL, {"id": call}))
        outcome = outcome_of_call(meeting.call)
        if outcome == CANCELLED:
            kept = outcome_of_call(await racer.wire.call(NEXT, lookup=handle))
            if kept != RECORD:
                outcome = f"the record was not kept: {kept}"
        check_ended(await racer.wire.call(END, lookup=handle))
        racer.gate_is_clean(gate)
        return Race(outcome, meeting.contested)
