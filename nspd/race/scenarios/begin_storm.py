"""Very many Begins at once, ended while they are still being begun."""

from __future__ import annotations

from nspd.race.messages import END, NEXT
from nspd.race.racer import Racer
from nspd.race.scenario import (
    CANCELLED,
    Race,
    Scenario,
    check_ended,
    handle_of,
    outcome_of_call,
)

_FEWEST, _MOST = 50, 200


class BeginStorm(Scenario):
    """Begins in one write; the first are ended while the last are not yet answered."""

    name = "begin-storm"
    summary = "many Begins in one write, ended while more of them are under way"
    outcomes = (CANCELLED,)
    weight = 0.1
    batch = (_FEWEST + _MOST) // 2

    async def race(self, racer: Racer) -> Race:
        wire = racer.wire
        begins = [racer.begin_request(records=0, hang=1)] * racer.random.randint(_FEWEST, _MOST)
        begun = wire.send(*begins)
        pairs: list[tuple[int, int]] = []
        under_way = False
        for id in begun:
            target = {"lookup": handle_of(await wire.reply(id))}
            waiting, ending = wire.send((NEXT, target), (END, target))
            under_way |= not wire.answered(begun[-1])
            pairs.append((waiting, ending))
        outcome = CANCELLED
        for waiting, ending in pairs:
            check_ended(await wire.reply(ending))
            called = outcome_of_call(await wire.reply(waiting))
            if called != CANCELLED:
                outcome = called
        return Race(outcome, under_way, len(pairs))
