"""Lookups of the bad kinds, kept up until this process is ended, for others to be measured beside.

    python -m bench.nuisance SOCKET

Work that goes on shielded when it is cancelled, work in blocked threads with the
worker pool full, and a provider that floods, its records read as fast as they come.
"""

from __future__ import annotations

import sys
from itertools import count

from nspd.race.connection import Connection, connect
from nspd.race.loop import Loop
from nspd.race.messages import BEGIN, END, NEXT, STARTUP
from nspd.race.scenario import handle_of

_SHIELDED = 20  # at once; one user may have 30 pieces of detached work at the test provider
_SHIELDED_SECONDS = 0.4
_BLOCKED = 60  # at once, on 40 threads
_BLOCKED_SECONDS = 0.05


class Nuisance:
    """One connection for each kind."""

    def __init__(self, path: str) -> None:
        self._loop = Loop()
        self._path = path
        self._numbers = count(1)

    def run(self) -> None:
        """Go on for ever, or until the daemon hangs up."""
        self._loop.run(self._all())

    async def _all(self) -> None:
        shielded, blocked, flooded = [await self._connected() for _ in range(3)]
        tasks = [self._loop.spawn(self._shielded(shielded)) for _ in range(1)]
        tasks.append(self._loop.spawn(self._blocked(blocked)))
        tasks.append(self._loop.spawn(self._flooded(flooded)))
        print("ready", flush=True)
        for task in tasks:
            await self._loop.join(task)

    async def _connected(self) -> Connection:
        connection = await connect(self._loop, self._path, next(self._numbers), lambda *_: None)
        await connection.call(STARTUP)
        return connection

    async def _begun(self, connection: Connection, query: str, number: int) -> list[int]:
        restrictions = {"namespace": 65537, "query_string": query}
        ids = connection.send(*[(BEGIN, {"restrictions": restrictions})] * number)
        return [handle_of(await connection.reply(id)) for id in ids]

    async def _shielded(self, connection: Connection) -> None:
        """End a handful at a time: each goes on, detached, for its seconds."""
        query = f"records=0&hang=1&stubborn={_SHIELDED_SECONDS}"
        while True:
            handles = await self._begun(connection, query, _SHIELDED)
            for id in connection.send(*[(END, {"lookup": handle}) for handle in handles]):
                await connection.reply(id)
            await self._loop.sleep(_SHIELDED_SECONDS)

    async def _blocked(self, connection: Connection) -> None:
        """Keep more lookups in threads than there are threads."""
        query = f"records=1000000&thread={_BLOCKED_SECONDS}"
        handles = await self._begun(connection, query, _BLOCKED)
        while True:
            for id in connection.send(*[(NEXT, {"lookup": handle}) for handle in handles]):
                await connection.reply(id)

    async def _flooded(self, connection: Connection) -> None:
        """Read one record after another, with the next one always ready."""
        [handle] = await self._begun(connection, "records=1000000000&flood=1", 1)
        while True:
            await connection.call(NEXT, lookup=handle)


def main() -> None:
    """Be a nuisance to the daemon that the command line names."""
    Nuisance(sys.argv[1]).run()


if __name__ == "__main__":
    main()
