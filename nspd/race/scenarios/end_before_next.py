"""End and NextEx sent together, in either order."""

from __future__ import annotations

from nspd.race.messages import END, NEXT
from nspd.race.racer import Racer
from nspd.race.scenario import (
    CANCELLED,
    INVALID_HANDLE,
    Race,
    Scenario,
    check_ended,
    outcome_of_call,
)


class EndBeforeNext(Scenario):
    """In one write or in two: requests take effect in the order in which they were sent."""

    name = "end-before-next"
    summary = "End and NextEx pipelined: the one sent first takes effect first"
    outcomes = (INVALID_HANDLE, CANCELLED)
    weight = 6

    async def race(self, racer: Racer) -> Race:
        wire, random = racer.wire, racer.random
        handle = await racer.begin(records=0, hang=1)
        end_first = random.random() < 0.5
        requests = [(END, {"lookup": handle}), (NEXT, {"lookup": handle})]
        if not end_first:
            requests.reverse()
        if random.random() < 0.5:
            ids = wire.send(*requests)
        else:
            ids = [id for request in requests for id in wire.send(request)]
        ending, waiting = ids if end_first else reversed(ids)
        check_ended(await wire.reply(ending))
        outcome = outcome_of_call(await wire.reply(waiting))
        if outcome != (INVALID_HANDLE if end_first else CANCELLED):
            order = "after" if end_first else "before"
            outcome = f"{outcome}, though sent {order} End"
        return Race(outcome)
