"""A record and a request that is to stop it, meeting at the daemon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from nspd.race.connection import Reply
from nspd.race.messages import NEXT
from nspd.race.scenarios.base import Racer

Against = Callable[[int], tuple[str, dict[str, Any]]]
"""Makes the request that is to stop a NextEx, from the id of that call."""


class Meeting(Struct, frozen=True):
    """How a meeting went."""

    call: Reply
    """What the NextEx got that waited for the record."""
    request: Reply
    """What the request got that was to stop it."""
    contested: bool
    """Neither side had been seen to win when the other set off."""


async def meet(racer: Racer, handle: int, gate: str, against: Against) -> Meeting:
    """Wait for a record, let it through its gate, and send a request against it.

    A quarter of the time the request goes first; else it goes when the token is
    acknowledged, or after a time that is learnt from how the last meetings went.

    Args:
        racer: the client.
        handle: a lookup whose one record waits at the gate.
        gate: that gate.
        against: End or a cancel request.

    Raises:
        Unexpected: the token was refused.
        HungUp: the daemon closed the connection.
    """
    wire, draw = racer.wire, racer.random.random
    [waiting] = await wire.send((NEXT, {"lookup": handle}))
    await racer.let_others_run(8)
    if draw() < 0.25:
        [sent] = await wire.send(against(waiting))
        await racer.let_others_run(8)
        contested = not wire.answered(waiting)
        await racer.token_added(await racer.add_token(gate))
        return Meeting(await wire.reply(waiting), await wire.reply(sent), contested)
    token = await racer.add_token(gate)
    aimed = draw() < 0.6
    if aimed:
        await racer.aim.hesitate()
    else:
        await racer.token_added(token)
    contested = not wire.answered(waiting)
    [sent] = await wire.send(against(waiting))
    call = await wire.reply(waiting)
    if aimed:
        await racer.token_added(token)
        cancelled = call.code is not None
        if cancelled or not contested:
            racer.aim.learn(too_early=cancelled)
    return Meeting(call, await wire.reply(sent), contested)
