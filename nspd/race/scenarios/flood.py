"""End of a lookup whose provider never has to wait."""

from __future__ import annotations

from nspd.race.messages import END, NEXT
from nspd.race.racer import Racer
from nspd.race.scenario import (
    CANCELLED,
    RECORD,
    Race,
    Scenario,
    check_ended,
    outcome_of_call,
)

_RECORDS = 1_000_000
_MOST_CALLS = 40
"""More than the daemon holds ready, so that the last of them waits."""


class Flood(Scenario):
    """Calls and End in one write: what is ready is delivered, what is not is cancelled."""

    name = "flood"
    summary = "End behind calls on a lookup that is flooded with records"
    outcomes = (RECORD, CANCELLED)
    weight = 1

    async def race(self, racer: Racer) -> Race:
        wire, random = racer.wire, racer.random
        handle = await racer.begin(records=_RECORDS, flood=1)
        if random.random() < 0.5:
            await wire.call(NEXT, lookup=handle)
        calls = [(NEXT, {"lookup": handle})] * random.randint(1, _MOST_CALLS)
        *waiting, ending = wire.send(*calls, (END, {"lookup": handle}))
        check_ended(await wire.reply(ending))
        outcomes = [outcome_of_call(await wire.reply(id)) for id in waiting]
        if sorted(outcomes, reverse=True) != outcomes:
            return Race(f"a record after a cancelled call: {', '.join(outcomes)}")
        return Race(outcomes[-1])
