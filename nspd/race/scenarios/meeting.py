"""A record and a request that is to stop it, meeting at the daemon."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from nspd.race.connection import Reply, Request
from nspd.race.messages import NEXT, outcome
from nspd.race.racer import Racer
from nspd.race.scenario import Unexpected

Against = Callable[[int], Request]
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

    They come in one write, in either order; or the request goes first; or it
    goes when the token is acknowledged; or after a time that is learnt from how
    the last meetings went.

    Args:
        racer: the client.
        handle: a lookup whose one record waits at the gate.
        gate: that gate.
        against: End or a cancel request.

    Raises:
        Unexpected: the token was refused.
        HungUp: the daemon closed the connection.
    """
    wire, chance = racer.wire, racer.random.random()
    token: Request = ("nspd.TestGate", {"gate": gate, "tokens": 1})
    [waiting] = wire.send((NEXT, {"lookup": handle}))
    if chance < 0.2:
        pair = [token, against(waiting)]
        first, other = wire.send(*pair) if chance < 0.1 else reversed(wire.send(*reversed(pair)))
        _check_token(await wire.reply(first))
        return Meeting(await wire.reply(waiting), await wire.reply(other), contested=True)
    second = await racer.second()
    await racer.let_others_run(4)
    if chance < 0.4:
        [sent] = wire.send(against(waiting))
        await racer.let_others_run(4)
        contested = not wire.answered(waiting)
        [given] = second.send(token)
        _check_token(await second.reply(given))
        return Meeting(await wire.reply(waiting), await wire.reply(sent), contested)
    [given] = second.send(token)
    aimed = chance < 0.85
    if aimed:
        await racer.hesitate()
    else:
        _check_token(await second.reply(given))
    contested = not wire.answered(waiting)
    [sent] = wire.send(against(waiting))
    call = await wire.reply(waiting)
    if aimed:
        _check_token(await second.reply(given))
        cancelled = call.code is not None
        if cancelled or not contested:
            racer.aim.learn(too_early=cancelled)
    return Meeting(call, await wire.reply(sent), contested)


def _check_token(reply: Reply) -> None:
    if reply.code is not None:
        raise Unexpected(f"TestGate got {outcome(reply.code)}")
