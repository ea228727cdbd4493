"""Rundown against the records of all lookups of a session."""

from __future__ import annotations

from nspd.model.errors import WSAEINVAL
from nspd.race.messages import CLEANUP, NEXT, RUNDOWN, outcome
from nspd.race.racer import Racer
from nspd.race.scenario import (
    CANCELLED,
    RECORD,
    Race,
    Scenario,
    Unexpected,
    handle_of,
    outcome_of_call,
)

_LOOKUPS = 4


class Rundown(Scenario):
    """A session with some lookups is run down, and asked for one more in the same write."""

    name = "rundown"
    summary = "ClientSessionRundown while records come; a Begin behind it is refused"
    outcomes = (RECORD, CANCELLED)
    weight = 1
    batch = _LOOKUPS

    async def race(self, racer: Racer) -> list[Race]:
        wire, random = await racer.open(), racer.random
        begins = [
            racer.begin_request(records=1, delay=f"{random.uniform(0, 0.004):.6f}")
            for _ in range(_LOOKUPS)
        ]
        handles = [handle_of(await wire.reply(id)) for id in wire.send(*begins)]
        calls = wire.send(*[(NEXT, {"lookup": handle}) for handle in handles])
        await racer.loop.sleep(random.uniform(0, 0.004))
        contested = [not wire.answered(id) for id in calls]
        *_, begin, cleanup = wire.send((RUNDOWN, {}), racer.begin_request(), (CLEANUP, {}))
        races = [
            Race(outcome_of_call(await wire.reply(id)), open)
            for id, open in zip(calls, contested, strict=True)
        ]
        refused = await wire.reply(begin)
        if refused.code != WSAEINVAL:
            raise Unexpected(f"Begin after Rundown got {outcome(refused.code)}")
        over = await wire.reply(cleanup)
        if over.code is not None:
            raise Unexpected(f"Cleanup got {outcome(over.code)}")
        await wire.finish()
        return races
