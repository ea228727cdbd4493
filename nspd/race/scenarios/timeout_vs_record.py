"""The time-out of a call against the record that it waits for."""

from __future__ import annotations

from nspd.race.messages import END, NEXT
from nspd.race.racer import Racer
from nspd.race.scenario import (
    RECORD,
    TIMED_OUT,
    Race,
    Scenario,
    check_ended,
    outcome_of_call,
)


class TimeoutVersusRecord(Scenario):
    """A call ends in 10060 when its record becomes ready; the next call must get that record."""

    name = "timeout-vs-record"
    summary = "a NextEx times out at the moment when the record becomes ready; it is not lost"
    outcomes = (RECORD, TIMED_OUT)
    weight = 4

    async def race(self, racer: Racer) -> Race:
        delay = racer.random.uniform(0.002, 0.008)
        handle = await racer.begin(records=1, delay=f"{delay:.6f}")
        # The record's time runs from Begin, the call's from when it takes effect.
        timeout = max(delay - racer.aim.drawn(racer.random), 0.0)
        call = await racer.wire.call(NEXT, lookup=handle, timeout=timeout)
        outcome = outcome_of_call(call)
        racer.aim.learn(too_early=outcome == RECORD)
        if outcome == TIMED_OUT:
            kept = outcome_of_call(await racer.wire.call(NEXT, lookup=handle))
            if kept != RECORD:
                outcome = f"the record was not kept: {kept}"
        check_ended(await racer.wire.call(END, lookup=handle))
        return Race(outcome)
