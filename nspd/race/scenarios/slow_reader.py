"""A client that asks for much and reads nothing for a while."""

from __future__ import annotations

from nspd.race.messages import END, NEXT
from nspd.race.racer import Racer
from nspd.race.scenario import (
    CANCELLED,
    RECORD,
    Race,
    Scenario,
    Unexpected,
    check_ended,
    handle_of,
    outcome_of_call,
)

_SIZE = 16_384
_MOST_CALLS = 64


class SlowReader(Scenario):
    """More than the daemon keeps unsent; meanwhile another connection is served as ever."""

    name = "slow-reader"
    summary = "a client stops reading with large replies due, and then reads on"
    outcomes = (RECORD, CANCELLED)
    weight = 0.1

    async def race(self, racer: Racer) -> Race:
        wire, random = await racer.open(), racer.random
        begin = racer.begin_request(records=1_000, flood=1, size=_SIZE)
        handle = handle_of(await wire.reply(wire.send(begin)[0]))
        wire.pause()
        calls = [(NEXT, {"lookup": handle})] * random.randint(1, _MOST_CALLS)
        *waiting, ending = wire.send(*calls, (END, {"lookup": handle}))
        meanwhile = await racer.begin(records=1)
        if outcome_of_call(await racer.wire.call(NEXT, lookup=meanwhile)) != RECORD:
            raise Unexpected("another client got no record meanwhile")
        check_ended(await racer.wire.call(END, lookup=meanwhile))
        wire.go_on()
        outcomes = [outcome_of_call(await wire.reply(id)) for id in waiting]
        check_ended(await wire.reply(ending))
        await wire.finish()
        return Race(outcomes[-1])
