"""A cancellation that is nobody's, against End."""

from __future__ import annotations

from nspd.model.errors import WSA_E_NO_MORE
from nspd.race.messages import END, NEXT
from nspd.race.racer import Racer
from nspd.race.scenario import (
    CANCELLED,
    RECORD,
    Race,
    Scenario,
    check_ended,
    handle_of,
    outcome_of_call,
)

FAILED = "failed"


class Foreign(Scenario):
    """A provider awaits what somebody else cancels: it fails, and a lookup beside it goes on."""

    name = "foreign"
    summary = "a stray cancellation inside a provider, against End; others are not touched"
    outcomes = (FAILED, CANCELLED)
    weight = 2

    async def race(self, racer: Racer) -> Race:
        wire, random = racer.wire, racer.random
        begins = [
            racer.begin_request(records=1, foreign=1, delay=f"{random.uniform(0, 0.002):.6f}"),
            racer.begin_request(records=0, hang=1),
        ]
        stray, beside = [handle_of(await wire.reply(id)) for id in wire.send(*begins)]
        first, second, bystander = wire.send(
            (NEXT, {"lookup": stray}), (NEXT, {"lookup": stray}), (NEXT, {"lookup": beside})
        )
        await racer.hesitate()
        contested = not wire.answered(second)
        [end] = wire.send((END, {"lookup": stray}))
        check_ended(await wire.reply(end))
        record, last = await wire.reply(first), await wire.reply(second)
        touched = wire.answered(bystander)
        check_ended(await wire.call(END, lookup=beside))
        if touched or outcome_of_call(await wire.reply(bystander)) != CANCELLED:
            return Race("the lookup beside it was touched")
        cancelled = outcome_of_call(last) == CANCELLED
        racer.aim.learn(too_early=cancelled)
        if cancelled or outcome_of_call(record) != RECORD or last.code != WSA_E_NO_MORE:
            return Race(outcome_of_call(last), contested)
        return Race(FAILED, contested)
