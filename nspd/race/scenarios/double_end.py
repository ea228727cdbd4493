"""Several Ends of one lookup."""

from __future__ import annotations

from nspd.model.errors import WSA_INVALID_HANDLE
from nspd.race.messages import END, NEXT, outcome
from nspd.race.racer import Racer
from nspd.race.scenario import CANCELLED, Race, Scenario, check_ended, outcome_of_call

ONE_END = "one End"


class DoubleEnd(Scenario):
    """Two to four Ends, in one write or one after another: the first succeeds, the rest get 6."""

    name = "double-end"
    summary = "several Ends of one lookup: one succeeds, the others get 6"
    outcomes = (ONE_END,)
    weight = 6

    async def race(self, racer: Racer) -> Race:
        wire, random = racer.wire, racer.random
        handle = await racer.begin(records=0, hang=1)
        [waiting] = wire.send((NEXT, {"lookup": handle}))
        ends = [(END, {"lookup": handle})] * random.randint(2, 4)
        if random.random() < 0.5:
            ids = wire.send(*ends)
        else:
            ids = []
            for end in ends:
                ids += wire.send(end)
                await racer.let_others_run(3)
        first, *others = [await wire.reply(id) for id in ids]
        check_ended(first)
        for other in others:
            if other.code != WSA_INVALID_HANDLE:
                return Race(f"a further End got {outcome(other.code)}")
        called = outcome_of_call(await wire.reply(waiting))
        return Race(ONE_END if called == CANCELLED else called)
