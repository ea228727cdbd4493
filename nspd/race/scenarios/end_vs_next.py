"""End against NextEx calls that would wait for ever."""

from __future__ import annotations

from nspd.race.messages import END, NEXT
from nspd.race.racer import Racer
from nspd.race.scenario import CANCELLED, Race, Scenario, check_ended, outcome_of_call


class EndVersusNext(Scenario):
    """One to three NextEx wait on a lookup that hangs; End follows, in the same write or not."""

    name = "end-vs-next"
    summary = "End while calls wait on a lookup that hangs"
    outcomes = (CANCELLED,)
    weight = 12

    async def race(self, racer: Racer) -> Race:
        wire, draw = racer.wire, racer.random.random
        handle = await racer.begin(records=0, hang=1)
        calls = [(NEXT, {"lookup": handle})] * (1 + int(draw() * 3))
        end = (END, {"lookup": handle})
        if draw() < 0.5:
            *waiting, ending = wire.send(*calls, end)
        else:
            waiting = wire.send(*calls)
            await racer.let_others_run(3)
            [ending] = wire.send(end)
        check_ended(await wire.reply(ending))
        for id in waiting:
            if (outcome := outcome_of_call(await wire.reply(id))) != CANCELLED:
                return Race(outcome)
        return Race(CANCELLED)
