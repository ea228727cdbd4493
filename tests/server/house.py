"""A server on a real socket within the test's process, and clients of it."""

from __future__ import annotations

import json
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, cast

import anyio
from anyio.lowlevel import checkpoint

from nspd.core.catalog import Entry
from nspd.core.limits import Limits
from nspd.core.provider import Provider
from nspd.core.router import open_router
from nspd.core.users import Peer
from nspd.model.namespaces import Namespace
from nspd.providers.test import TestProvider
from nspd.server.access import Access
from nspd.server.connection import Connection
from nspd.server.listener import listen
from nspd.server.peer import Credentials
from nspd.server.poller import Poller
from nspd.server.server import Server
from nspd.server.settings import AccessSettings, DaemonSettings, Settings
from tests.core.world import Log

TEST = int(Namespace.TEST)
DEADLINE = 20.0

Reply = dict[str, Any]


async def until(condition: Callable[[], object]) -> None:
    """Let others run until the condition holds; fails after `DEADLINE` of real time."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for does not come"
        await checkpoint()


class Client:
    """One client: a socket, and what came from it."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self.socket = connected
        self.messages: list[Any] = []
        self.at_end = False
        self.taken = 0
        """Bytes received."""
        self._rest = b""
        self._ids = count(1)
        self.reading = True

    def send(self, method: str, **params: Any) -> int:
        """Send one request; its id."""
        number = next(self._ids)
        self.write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return number

    def write(self, *messages: Any) -> None:
        """Send messages, in one write."""
        self.write_bytes(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def write_bytes(self, data: bytes) -> None:
        """Send bytes that the socket has room for."""
        assert self.socket.send(data) == len(data)

    def read(self) -> None:
        """Take what has come."""
        while not self.at_end:
            try:
                data = self.socket.recv(1 << 20)
            except BlockingIOError:
                return
            except ConnectionResetError:
                data = b""
            if not data:
                self.at_end = True
            self.taken += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            self.messages.extend(json.loads(line) for line in lines)

    def replies(self, number: int | str | None) -> list[Reply]:
        """The replies with this id."""
        return [
            message
            for message in self.messages
            if isinstance(message, dict) and "id" in message and message["id"] == number
        ]

    async def reply(self, number: int | str | None) -> Reply:
        """Wait for a reply."""

        def has_come() -> list[Reply]:
            self.read()
            return self.replies(number)

        await until(has_come)
        return self.replies(number)[0]

    async def result(self, method: str, **params: Any) -> Any:
        """Send a request and wait for its result."""
        reply = await self.reply(self.send(method, **params))
        assert "result" in reply, reply
        return reply["result"]

    async def code(self, number: int | str | None) -> int:
        """Wait for a reply; the code of its error, or 0."""
        reply = await self.reply(number)
        code: int = reply["error"]["code"] if "error" in reply else 0
        return code

    async def any_message(self, beyond: int = 0) -> None:
        """Wait until more than so many messages have come."""

        def have_come() -> bool:
            self.read()
            return len(self.messages) > beyond

        await until(have_come)

    async def hung_up(self) -> None:
        """Wait until the daemon has closed the connection."""

        def at_end() -> bool:
            self.read()
            return self.at_end

        await until(at_end)

    async def startup(self) -> None:
        """NSPv2Startup."""
        await self.result("NSPv2Startup")

    def send_begin(self, script: str = "", **params: Any) -> int:
        """Send a Begin in the test namespace."""
        query = {"namespace": TEST, "query_string": script}
        return self.send("NSPv2LookupServiceBegin", restrictions=query, **params)

    async def begin(self, script: str = "", **params: Any) -> int:
        """Begin a lookup in the test namespace; its handle."""
        reply = await self.reply(self.send_begin(script, **params))
        handle: int = reply["result"]["lookup"]
        return handle

    def next(self, handle: int, **params: Any) -> int:
        """Send a NextEx."""
        return self.send("NSPv2LookupServiceNextEx", lookup=handle, **params)


class _Ordinary:
    """Access rules that take everyone for the same ordinary user."""

    def peer(self, who: Credentials) -> Peer:
        return Peer(60001, pid=who.pid)


class House:
    """A server under test."""

    def __init__(self, server: Server, path: Path, log: Log) -> None:
        self.server = server
        self.router = server.router
        self.path = path
        self.log = log
        self.clients: list[Client] = []

    async def client(self) -> Client:
        """A client that the server has taken."""
        before = self.server.welcomed
        client = self.knock()
        await until(lambda: self.server.welcomed > before)
        return client

    def knock(self) -> Client:
        """A client whose connection is made, but perhaps not taken."""
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(str(self.path))
        client = Client(connected)
        self.clients.append(client)
        return client

    def connection(self) -> Connection:
        """The connection of the only client."""
        (link,) = self.server.links
        return link.connection

    async def user(self) -> Client:
        """A client of a user who is no administrator."""
        access = self.server.access
        self.server.access = cast(Access, _Ordinary())
        try:
            return await self.client()
        finally:
            self.server.access = access

    def add_tokens(self, gate: str, tokens: int = 1) -> None:
        """Open a gate of the test namespace."""
        for entry in self.router.catalog:
            if isinstance(entry.provider, TestProvider):
                entry.provider.add_tokens(gate, tokens)


@asynccontextmanager
async def open_house(
    *providers: Provider | Entry,
    limits: Limits | None = None,
    access: AccessSettings | None = None,
    end_grace: float = 0.1,
) -> AsyncIterator[House]:
    """A server with these providers (by default the test namespace), listening."""
    log = Log()
    limits = limits or Limits()
    entries = [
        each if isinstance(each, Entry) else Entry(each) for each in providers or [TestProvider()]
    ]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "nspd.sock"
        settings = Settings(
            daemon=DaemonSettings(socket=str(path), state_dir=directory, end_grace=end_grace),
            limits=limits,
            access=access or AccessSettings(),
            providers=(),
        )
        complete = False
        async with open_router(entries, log=log, limits=limits, end_grace=end_grace) as router:
            poller = Poller()
            server = Server(settings, router, poller, listen(path, 0o600), log=log, backend="test")
            house = House(server, path, log)
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(poller.run)
                    yield house
                    for client in house.clients:
                        client.socket.close()
                    await until(lambda: not server.links)
                    await until(lambda: router.work.running == 0 and router.sweeper.idle)
                    assert router.lookups == 0
                    assert router.sessions == set()
                    assert router.users == {}
                    tasks.cancel_scope.cancel()
            finally:
                server.close()
                poller.close()
            assert not path.exists()
            assert log.surprises == []
            complete = True
        assert complete, "the router was stopped under the test"
