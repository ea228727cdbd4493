"""SIGTERM under load, to a daemon of its own."""

from __future__ import annotations

import time

from nspd.model.errors import WSASYSNOTREADY
from nspd.race.connection import Connection
from nspd.race.daemon import DrainingDaemon
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

REFUSED = "refused"

_LOOKUPS = 24
_DRAIN_TIMEOUT = 0.6
_BETWEEN_BEGINS = 0.002


class Drain(Scenario):
    """Records come, lookups hang, Begins go on: all is answered, and the daemon exits 0."""

    name = "drain"
    summary = "SIGTERM while records come and Begins go on; a daemon of its own each time"
    outcomes = (RECORD, CANCELLED, REFUSED)
    every = 20.0
    scale = 0.1
    batch = _LOOKUPS

    async def race(self, racer: Racer) -> list[Race]:
        await racer.site.daemons.take(1)
        try:
            return await self._drained(racer)
        finally:
            racer.site.daemons.give_back(1)

    async def _drained(self, racer: Racer) -> list[Race]:
        with DrainingDaemon(racer.loop, racer.site.backend, _DRAIN_TIMEOUT) as daemon:
            await daemon.listening()
            wire = await racer.open(daemon.socket)
            random = racer.random
            begins = [
                racer.begin_request(records=1, delay=f"{random.uniform(0, 0.2):.4f}")
                if place % 2
                else racer.begin_request(records=0, hang=1)
                for place in range(_LOOKUPS)
            ]
            handles = [handle_of(await wire.reply(id)) for id in wire.send(*begins)]
            calls = wire.send(*[(NEXT, {"lookup": handle}) for handle in handles])
            await racer.loop.sleep(random.uniform(0, 0.1))
            open = [not wire.answered(id) for id in calls]
            daemon.terminate()
            await self._begin_until_refused(racer, wire)
            # End is served to the last; what is left is cancelled at the deadline.
            ends = wire.send(*[(END, {"lookup": handle}) for handle in handles[:_LOOKUPS:4]])
            races = [
                Race(outcome_of_call(await wire.reply(id)), contested)
                for id, contested in zip(calls, open, strict=True)
            ]
            for id in ends:
                check_ended(await wire.reply(id))
            await wire.finish()
            status = await daemon.exit_status()
            if status != 0:
                raise Unexpected(f"the drained daemon ended with exit {status}")
        return [*races, Race(REFUSED)]

    async def _begin_until_refused(self, racer: Racer, wire: Connection) -> None:
        """Begin and End until Begin is refused: the drain has begun."""
        until = time.monotonic() + _DRAIN_TIMEOUT / 2
        while time.monotonic() < until:
            begin = await wire.reply(wire.send(racer.begin_request(records=0, hang=1))[0])
            if begin.code == WSASYSNOTREADY:
                return
            check_ended(await wire.call(END, lookup=handle_of(begin)))
            await racer.loop.sleep(_BETWEEN_BEGINS)
        raise Unexpected("a daemon told to stop goes on to begin lookups")
