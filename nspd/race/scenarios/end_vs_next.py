"""End against NextEx calls that would wait for ever."""

from __future__ import annotations

from nspd.race.messages import END, NEXT
from nspd.race.scenarios.base import CANCELLED, Race, Racer, Scenario, outcome_of_call


class EndVersusNext(Scenario):
    """One to three NextEx wait on a lookup that hangs; End follows, in the same write or not."""

    name = "end-vs-next"
    summary = "End while calls wait on a lookup that hangs"
    outcomes = (CANCELLED,)

    async def race(self, racer: Racer) -> Race:
        wire = racer.wire
        handle = await racer.begin(records=0, hang=1)
        calls = [(NEXT, {"lookup": handle})] * racer.random.randint(1, 3)
        end = (END, {"lookup": handle})
        if racer.random.random() < 0.5:
            *waiting, ending = await wire.send(*calls, end)
        else:
            waiting = await wire.send(*calls)
            await racer.let_others_run(3)
            [ending] = await wire.send(end)
        ended = await wire.reply(ending)
        racer.note_ended(ended)
        for id in waiting:
            reply = await wire.reply(id)
            racer.note_cancelled(ended.asked, reply)
            if (outcome := outcome_of_call(reply)) != CANCELLED:
                return Race(outcome)
        return Race(CANCELLED)
