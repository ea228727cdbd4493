"""What a scenario is, and what one client of it has at hand."""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar
from urllib.parse import urlencode

import anyio.lowlevel
from msgspec import Struct

from nspd.model.errors import WSA_E_CANCELLED
from nspd.model.namespaces import Namespace
from nspd.race.connection import Connection, Reply
from nspd.race.histogram import Histogram
from nspd.race.messages import BEGIN, outcome
from nspd.race.scenarios.aim import Aim

CANCELLED = "cancelled"
RECORD = "record"


class Race(Struct, frozen=True):
    """How one lookup went."""

    outcome: str
    """One of the scenario's legal outcomes, or a description of what happened instead."""
    contested: bool = True
    """Either side could still win when the race was started."""


class Unexpected(Exception):
    """A step of a scenario that must succeed did not; the text says which."""


class Racer:
    """One client in a scenario: its connections, its random numbers, where latencies go."""

    def __init__(
        self,
        wire: Connection,
        control: Connection | None,
        random: Random,
        to_cancelled: Histogram,
        to_end_reply: Histogram,
    ) -> None:
        self.wire = wire
        self._control = control
        self.random = random
        self.aim = Aim(random)
        self.to_cancelled = to_cancelled
        self.to_end_reply = to_end_reply
        self._prefix = f"race-{random.getrandbits(64):016x}"
        self._gates = 0

    async def begin(self, **behaviour: Any) -> int:
        """Begin a lookup in the test namespace and return its handle.

        Args:
            behaviour: the keys of the query string (test-namespace.md).

        Raises:
            Unexpected: it was refused.
        """
        restrictions = {
            "namespace": int(Namespace.TEST),
            "service_instance_name": "race",
            "query_string": urlencode(behaviour),
        }
        reply = await self.wire.call(BEGIN, restrictions=restrictions)
        if not isinstance(reply.result, dict) or type(reply.result.get("lookup")) is not int:
            raise Unexpected(f"Begin got {outcome(reply.code)}")
        handle: int = reply.result["lookup"]
        return handle

    def new_gate(self) -> str:
        """A name for a gate that nobody has used: a token left over would open it too early."""
        self._gates += 1
        return f"{self._prefix}-{self._gates}"

    async def add_token(self, gate: str) -> int:
        """Ask, on the second connection, for one token; `token_added` takes the answer."""
        [id] = await self._second.send(("nspd.TestGate", {"gate": gate, "tokens": 1}))
        return id

    async def token_added(self, id: int) -> None:
        """Wait for the answer to `add_token`.

        Raises:
            Unexpected: there is no token.
        """
        reply = await self._second.reply(id)
        if reply.code is not None:
            raise Unexpected(f"TestGate got {outcome(reply.code)}")

    @property
    def _second(self) -> Connection:
        if self._control is None:
            raise Unexpected("this scenario does not say that it uses gates")
        return self._control

    async def let_others_run(self, most: int) -> None:
        """Give the other clients a random number of turns."""
        for _ in range(self.random.randrange(most + 1)):
            await anyio.lowlevel.checkpoint()

    def note_cancelled(self, cancel_sent: float, call: Reply) -> None:
        """Note the latency of a call that was answered 10111."""
        if call.code == WSA_E_CANCELLED:
            self.to_cancelled.record(call.received - cancel_sent)

    def note_ended(self, end: Reply) -> None:
        """Note the latency of an End.

        Raises:
            Unexpected: it failed.
        """
        self.to_end_reply.record(end.seconds)
        if end.code is not None:
            raise Unexpected(f"End got {outcome(end.code)}")


class Scenario:
    """One kind of race. An object serves all clients and keeps nothing between lookups."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for people."""
    outcomes: ClassVar[tuple[str, ...]]
    """The legal outcomes. A run in which one of them never came has not raced."""
    gates: ClassVar[bool] = False
    """It hands out tokens, so each client needs a second connection, and an administrator."""

    async def race(self, racer: Racer) -> Race:
        """Run one lookup from Begin to End.

        Raises:
            Unexpected: a step failed that must not.
            HungUp: the daemon closed the connection.
        """
        raise NotImplementedError


def outcome_of_call(reply: Reply) -> str:
    """How a NextEx ended: ``record``, ``cancelled``, or the error that it got instead."""
    if reply.code is None:
        return RECORD
    return CANCELLED if reply.code == WSA_E_CANCELLED else f"NextEx got {outcome(reply.code)}"
