"""One client of a race: its connections, its random numbers, what its scenarios ask for."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from nspd import __version__
from nspd.model.namespaces import Namespace
from nspd.race.aim import Aim
from nspd.race.connection import Connection, Request, connect
from nspd.race.judge import Direction
from nspd.race.loop import Loop
from nspd.race.messages import BEGIN, STARTUP, member, outcome
from nspd.race.permits import Permits
from nspd.race.scenario import Unexpected, handle_of

if TYPE_CHECKING:
    from nspd.race.tally import Tally
    from nspd.race.victims import Victims

CLIENT = f"nspctl-race/{__version__}"


class Site:
    """What the racers of one driver share."""

    def __init__(
        self,
        *,
        loop: Loop,
        socket: str,
        backend: str | None,
        clients: int,
        numbers: Callable[[], int],
        observe: Callable[[Racer, float, int, Direction, Any], None],
        detached: Permits,
        pool: Permits,
        daemons: Permits,
        victims: Victims,
    ) -> None:
        self.loop = loop
        self.socket = socket
        self.backend = backend
        """The event loop of further daemons; None: the default."""
        self.clients = clients
        """How many race at once, in this driver and the others."""
        self.numbers = numbers
        """A number for each new connection."""
        self.observe = observe
        self.detached = detached
        """For each piece of work that may go on after its End."""
        self.pool = pool
        """For filling the daemon's worker threads."""
        self.daemons = daemons
        """For each further daemon at the same time."""
        self.victims = victims
        self.aims: dict[str, Aim] = {}
        """By scenario."""


class Racer:
    """One client. Its connections are open from `start` to `finish`."""

    wire: Connection
    """The connection with its session."""

    def __init__(self, site: Site, number: int, random: Random, tally: Tally) -> None:
        self.site = site
        self.loop = site.loop
        self.number = number
        """From 0, among all clients of the run."""
        self.random = random
        self.tally = tally
        """Of the scenario that it runs now."""
        self.late = 0.0
        """Seconds by which the present race began after its time."""
        self._second: Connection | None = None
        self._prefix = f"race-{random.getrandbits(64):016x}"
        self._gates = 0
        self._clean_gate: str | None = None
        self._open: list[Connection] = []

    # Connections

    async def start(self) -> None:
        """Connect and start the session.

        Raises:
            OSError: nobody listens.
            Unexpected: no session is given.
        """
        self.wire = await self.open()

    async def open(self, socket: str | None = None, *, session: bool = True) -> Connection:
        """One more connection, by default with a session; closed when the racer is, if not before.

        Raises:
            OSError: nobody listens.
            Unexpected: no session is given.
        """
        connection = await self.plain(socket)
        if session:
            started = await connection.call(STARTUP, client=CLIENT)
            if started.code is not None:
                raise Unexpected(f"Startup got {outcome(started.code)}")
        return connection

    async def plain(self, socket: str | None = None) -> Connection:
        """A connection without a session."""
        site = self.site
        connection = await connect(self.loop, socket or site.socket, site.numbers(), self._observe)
        self._open = [other for other in self._open if not other.closed]
        self._open.append(connection)
        return connection

    async def second(self) -> Connection:
        """The second connection, for what must come from elsewhere; opened when first used."""
        if self._second is None or self._second.hung_up:
            self._second = await self.open()
        return self._second

    async def finish(self) -> None:
        """Read every connection to its end, and close it."""
        for connection in self._open:
            await connection.finish()

    def leave(self) -> None:
        """Close every connection at once, whatever is owed."""
        for connection in self._open:
            connection.leave()

    def close(self) -> None:
        """Close what is still open, as it is."""
        for connection in self._open:
            connection.close()

    def _observe(self, now: float, number: int, direction: Direction, message: Any) -> None:
        self.site.observe(self, now, number, direction, message)

    # Lookups

    def begin_request(self, name: str = "race", **behaviour: Any) -> Request:
        """A Begin in the test namespace; ``behaviour``: the keys of its query string."""
        return _begin_request(name, tuple(behaviour.items()))

    async def begin(self, **behaviour: Any) -> int:
        """Begin a lookup in the test namespace and return its handle.

        Raises:
            Unexpected: it was refused.
        """
        [id] = self.wire.send(self.begin_request(**behaviour))
        return handle_of(await self.wire.reply(id))

    # Gates

    def gate(self) -> str:
        """A gate without a token, and nobody at it.

        A token left over would open it too early, so a name is used again only after
        `gate_is_clean`; the daemon remembers each name until it is reset.
        """
        gate, self._clean_gate = self._clean_gate, None
        if gate is None:
            self._gates += 1
            gate = f"{self._prefix}-{self._gates}"
        return gate

    def gate_is_clean(self, gate: str) -> None:
        """The token that this gate was given has been used."""
        self._clean_gate = gate

    # Time

    @property
    def aim(self) -> Aim:
        """What has been learnt in this scenario of when to come."""
        aim = self.site.aims.get(self.tally.name)
        if aim is None:
            aim = self.site.aims[self.tally.name] = Aim()
        return aim

    async def hesitate(self) -> None:
        """Wait for about as long as was right last time."""
        await self.loop.sleep(self.aim.drawn(self.random))

    async def let_others_run(self, most: int) -> None:
        """Give the other clients a random number of turns."""
        for _ in range(self.random.randrange(most + 1)):
            await self.loop.turn()

    async def until_gone(self, session: int, left: float) -> None:
        """Wait until the daemon lists this session no more, and note how long that took.

        Args:
            session: its number.
            left: when its client left, in seconds of the monotonic clock.

        Raises:
            Unexpected: the daemon does not tell.
        """
        second = await self.second()
        while True:
            reply = await second.call("nspd.ListSessions")
            sessions = member(reply.result, "sessions")
            if not isinstance(sessions, list):
                raise Unexpected(f"ListSessions got {outcome(reply.code)}")
            if all(member(entry, "session") != session for entry in sessions):
                break
        self.tally.latencies.to_census.record(time.monotonic() - left + self.late)

    @property
    def wire_number(self) -> int:
        """The number of its first connection; 0 if it has none yet."""
        return self.wire.number if hasattr(self, "wire") else 0


@lru_cache(maxsize=256)
def _begin_request(name: str, behaviour: tuple[tuple[str, Any], ...]) -> Request:
    restrictions = {
        "namespace": int(Namespace.TEST),
        "service_instance_name": name,
        "query_string": urlencode(behaviour),
    }
    return BEGIN, {"restrictions": restrictions}
