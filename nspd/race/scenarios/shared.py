"""One of many leaves work that they share."""

from __future__ import annotations

from typing import Any

from nspd.race.connection import Connection, Reply, Request
from nspd.race.messages import END, NEXT
from nspd.race.racer import Racer
from nspd.race.scenario import (
    CANCELLED,
    RECORD,
    Race,
    Scenario,
    handle_of,
    outcome_of_call,
    work_of,
)

LAST_LEFT = "last one left"


class Shared(Scenario):
    """Lookups of two connections share work that takes a while; one leaves, or all do."""

    name = "shared"
    summary = "one of several leaves shared work while its record comes; the others get it"
    outcomes = (RECORD, CANCELLED, LAST_LEFT)
    weight = 3

    async def race(self, racer: Racer) -> Race:
        random = racer.random
        behaviour: dict[str, Any] = {
            "records": 1,
            "delay": f"{random.uniform(0.001, 0.006):.6f}",
            "shared": f"{random.getrandbits(48):x}",
        }
        wires = [racer.wire, await racer.second()] * random.randint(1, 2)
        begun = [(wire, _sent(wire, racer.begin_request(**behaviour))) for wire in wires]
        lookups = [(wire, handle_of(await wire.reply(id))) for wire, id in begun]
        calls = [(wire, _sent(wire, (NEXT, {"lookup": handle}))) for wire, handle in lookups]
        await racer.hesitate()
        leaves = len(lookups) if random.random() < 0.25 else 1
        contested = not calls[0][0].answered(calls[0][1])
        ending = [
            (wire, _sent(wire, (END, {"lookup": handle}))) for wire, handle in lookups[:leaves]
        ]
        left = [await wire.reply(id) for wire, id in calls[:leaves]]
        works = [work_of(await wire.reply(id)) for wire, id in ending]
        racer.aim.learn(too_early=left[0].code is not None)
        stayed = [outcome_of_call(await wire.reply(id)) for wire, id in calls[leaves:]]
        for wire, handle in lookups[leaves:]:
            work_of(await wire.call(END, lookup=handle))
        lost = [outcome for outcome in stayed if outcome != RECORD]
        if lost:
            return Race(f"one left, and another's {lost[0]}")
        if leaves > 1:
            return Race(_all_left(left, works), contested)
        return Race(outcome_of_call(left[0]), contested)


def _sent(wire: Connection, request: Request) -> int:
    [id] = wire.send(request)
    return id


def _all_left(calls: list[Reply], works: list[str]) -> str:
    outcomes = {outcome_of_call(call) for call in calls}
    if outcomes != {CANCELLED}:
        return RECORD if RECORD in outcomes else sorted(outcomes)[0]
    stopped = len(works) - works.count("none")
    return LAST_LEFT if stopped <= 1 else f"{stopped} Ends stopped the same work"
