"""End of work that ignores its cancellation for a while."""

from __future__ import annotations

import time

from nspd.race.messages import END, NEXT
from nspd.race.racer import Racer
from nspd.race.scenario import CANCELLED, RECORD, Race, Scenario, outcome_of_call, work_of

STOPPED = "stopped"
DETACHED = "detached"

_SHORTEST, _LONGEST = 0.02, 0.18
"""Seconds; end_grace, 100 ms by default, lies between."""

_MARGIN = 0.5


class Stubborn(Scenario):
    """The caller is released at once; End says whether the work stopped within end_grace."""

    name = "stubborn"
    summary = "End of work that goes on shielded: stopped within end_grace, or detached"
    outcomes = (STOPPED, DETACHED)
    weight = 0.3
    scale = 0.3
    detaches = 1

    async def race(self, racer: Racer) -> Race:
        wire = racer.wire
        seconds = racer.random.uniform(_SHORTEST, _LONGEST)
        await racer.site.detached.take(1)
        ended = time.monotonic()
        try:
            handle = await racer.begin(records=1, hang=1, stubborn=f"{seconds:.4f}")
            # Its record shows that the work has begun: else there may be nothing to stop.
            begun = outcome_of_call(await wire.call(NEXT, lookup=handle))
            if begun != RECORD:
                return Race(begun)
            [waiting] = wire.send((NEXT, {"lookup": handle}))
            await racer.let_others_run(2)
            ended = time.monotonic()
            [ending] = wire.send((END, {"lookup": handle}))
            call = outcome_of_call(await wire.reply(waiting))
            work = work_of(await wire.reply(ending))
        finally:
            racer.site.detached.give_back(1, ended + seconds + _MARGIN - time.monotonic())
        return Race(work if call == CANCELLED else call)
