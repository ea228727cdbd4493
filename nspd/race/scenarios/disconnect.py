"""Clients that leave in the middle of their lookups, politely or not."""

from __future__ import annotations

import time

from nspd.model.errors import WSA_E_NO_MORE
from nspd.race.connection import Connection
from nspd.race.messages import NEXT, STARTUP, member
from nspd.race.racer import CLIENT, Racer
from nspd.race.scenario import RECORD, Race, Scenario, Unexpected, handle_of, outcome_of_call

CLOSED = "closed"
HALF_A_FRAME = "half a frame"
HALF_CLOSED = "half closed"
KILLED = "killed"

_LOOKUPS = 3


class Disconnect(Scenario):
    """The client closes, breaks off in a frame, shuts its sending side, or its process is killed.

    The lookups are over as soon as the daemon lists the session no more; that is timed.
    """

    name = "disconnect"
    summary = "a client leaves, or is killed, in the middle of its lookups"
    outcomes = (CLOSED, HALF_A_FRAME, HALF_CLOSED, KILLED)
    weight = 0.5

    async def race(self, racer: Racer) -> Race:
        way = racer.random.choices(self.outcomes, (4, 3, 3, 2))[0]
        if way == KILLED:
            victim = await racer.site.victims.one(_LOOKUPS)
            await racer.until_gone(victim.session, racer.site.victims.kill(victim))
            return Race(KILLED)
        wire = await racer.plain()
        session = member((await wire.call(STARTUP, client=CLIENT)).result, "client_session")
        if type(session) is not int:
            raise Unexpected("Startup returned no session")
        if way == HALF_CLOSED:
            outcome = await _half_closed(racer, wire)
            return Race(HALF_CLOSED if outcome == RECORD else f"half closed, then {outcome}")
        begins = [racer.begin_request(records=0, hang=1)] * _LOOKUPS
        handles = [handle_of(await wire.reply(id)) for id in wire.send(*begins)]
        wire.send(*[(NEXT, {"lookup": handle}) for handle in handles])
        if way == HALF_A_FRAME:
            wire.write(b'{"jsonrpc":"2.0","id":99,"method":"NSPv2Look')
        await racer.let_others_run(4)
        left = time.monotonic()
        wire.leave()
        await racer.until_gone(session, left)
        return Race(way)


async def _half_closed(racer: Racer, wire: Connection) -> str:
    """Shut the sending side with a call waiting: its record still comes, then the end."""
    begin = racer.begin_request(records=1, delay=f"{racer.random.uniform(0, 0.003):.6f}")
    handle = handle_of(await wire.reply(wire.send(begin)[0]))
    first, last = wire.send(*[(NEXT, {"lookup": handle})] * 2)
    wire.half_close()
    record, end = await wire.reply(first), await wire.reply(last)
    await wire.finish()
    return outcome_of_call(record) if end.code == WSA_E_NO_MORE else outcome_of_call(end)
