"""The daemon's own count of what it holds, before and after a run."""

from __future__ import annotations

import anyio

from nspd.model.errors import NetworkDown, error_for
from nspd.race.connection import Connection
from nspd.race.messages import member

_POLL = 0.02

Census = dict[str, int]


async def census_of(control: Connection) -> Census:
    """The census of ``nspd.Status``.

    Raises:
        WSAError: the daemon refused.
        NetworkDown: the reply has no census.
    """
    reply = await control.call("nspd.Status")
    if reply.code is not None:
        raise error_for(reply.code, "nspd.Status was refused")
    census = member(reply.result, "census")
    if not isinstance(census, dict):
        raise NetworkDown("whatever listens there is no nspd: its status has no census")
    return census


def leaked(before: Census, after: Census) -> Census:
    """What there is more of than before, and how much."""
    return {
        name: after[name] - before[name]
        for name in before
        if after.get(name, before[name]) > before[name]
    }


async def census_when_back(control: Connection, before: Census, patience: float) -> Census:
    """The census once it is back to what it was, or as it is when patience (seconds) ends."""
    after = await census_of(control)
    with anyio.move_on_after(patience):
        while leaked(before, after):
            await anyio.sleep(_POLL)
            after = await census_of(control)
    return after
