"""The whole server, with clients in memory, and its books checked at the end of each test.

`open_house` runs the real router, server and links; only the sockets are not
real. When it closes, every request of every client has had exactly one reply
(the ledger), and everything that the daemon counts is back at its start (the
census), and nothing was logged at error level that the test did not announce.
"""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from types import MappingProxyType
from typing import Any, cast

import anyio
import pytest
from anyio.lowlevel import checkpoint

from nspd.core.catalog import Entry
from nspd.core.limits import Limits
from nspd.core.provider import Provider
from nspd.core.router import Router, open_router
from nspd.core.users import User
from nspd.model.namespaces import Namespace, fixed_guid
from nspd.providers.test import TestProvider
from nspd.server.listener import Listener
from nspd.server.server import Server
from nspd.server.settings import AccessSettings, DaemonSettings, Settings
from tests.cases.memory import MemoryListener, MemoryPoller, MemorySocket

ADMIN = os.getuid()
ALICE, BOB = 60001, 60002
TEST = int(Namespace.TEST)
REGISTRY = int(Namespace.REGISTRY)
HANG = "records=0&hang=1"

DEADLINE = 20.0
"""Seconds after which what a test waits for is taken to be missing."""

VIRTUAL_TIME = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"], indirect=True)
"""For tests in which much time passes: not on uvloop, where it would be real."""

REAL_TIME = pytest.mark.parametrize("anyio_backend", ["uvloop", "trio in real time"], indirect=True)
"""For tests with threads, for which virtual time does not wait."""

INVALID_HANDLE, NOT_ENOUGH_MEMORY, ACCESS, FAULT, INVALID = 6, 8, 10013, 10014, 10022
NOT_SUPPORTED, TIMED_OUT, NOT_READY = 10045, 10060, 10091
VERSION, NOT_INITIALISED, NO_MORE, CANCELLED = 10092, 10093, 10110, 10111
FAILURE, NOT_FOUND, NO_DATA = 10107, 10108, 11004
PARSE_ERROR, INVALID_REQUEST, NO_METHOD = -32700, -32600, -32601
INVALID_PARAMS, INTERNAL_ERROR = -32602, -32603

Reply = dict[str, Any]


class Log:
    """Takes the daemon's log; what is at error level must have been announced."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, dict[str, Any]]] = []
        self.announced: set[str] = set()

    def bind(self, **values: Any) -> Log:
        return self

    def __getattr__(self, level: str) -> Callable[..., None]:
        def log(event: str, **values: Any) -> None:
            self.entries.append((level, event, values))

        return log

    @property
    def surprises(self) -> list[tuple[str, str, dict[str, Any]]]:
        """What was logged at error level though nobody expected it."""
        return [
            entry
            for entry in self.entries
            if entry[0] in ("error", "exception", "critical") and entry[1] not in self.announced
        ]


async def until(condition: Callable[[], object], within: float = DEADLINE) -> None:
    """Wait for a condition. Time may pass meanwhile, virtual or real."""
    pause = 0.0
    with anyio.fail_after(within):
        while not condition():
            await anyio.sleep(pause)
            pause = min(pause + 0.0001, 0.005)


async def ticks(number: int = 20) -> None:
    """Let every other task take so many steps."""
    for _ in range(number):
        await checkpoint()


class Client:
    """One client of the house: what it asked, and what it was told."""

    def __init__(self, house: House, descriptor: int, uid: int) -> None:
        self._house = house
        self.uid = uid
        self.socket = MemorySocket(descriptor, uid, house.poller, self._take)
        self._rest = b""
        self._ids = count(1)
        self.asked: list[int | str] = []
        self.received: list[Any] = []
        """Every line that came, decoded, in order."""
        self._replies: dict[int | str, list[Reply]] = {}
        self._news = anyio.Event()
        self.on_reply: Callable[[Reply], None] | None = None
        """Called with each reply as it comes."""
        self.left = False
        """It has gone without waiting for its answers."""

    # Asking

    def send(
        self,
        method: str,
        arguments: Mapping[str, Any] = MappingProxyType({}),
        /,
        *,
        id: int | str | None = None,
        **params: Any,
    ) -> int:
        """Send one request, which takes effect at once; its id."""
        params = {**arguments, **params}
        if id is None:
            id = next(self._ids)
        self.asked.append(id)
        self.write({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        return cast(int, id)

    def notify(self, method: str, **params: Any) -> None:
        """Send a notification."""
        self.write({"jsonrpc": "2.0", "method": method, "params": params})

    def write(self, *messages: Any) -> None:
        """Send messages, in one write."""
        self.write_bytes(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def write_bytes(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.write(data)

    def startup(self, **params: Any) -> int:
        """NSPv2Startup."""
        return self.send("NSPv2Startup", **params)

    def begin(self, script: str = "", name: str | None = None, **params: Any) -> int:
        """Begin a lookup in the test namespace, told what to do by ``script``; its handle."""
        reply = self.now(self.send_begin(script, name, **params))
        handle: int = reply["result"]["lookup"]
        return handle

    def send_begin(self, script: str = "", name: str | None = None, **params: Any) -> int:
        """Send that Begin."""
        query: dict[str, Any] = {"namespace": TEST, "query_string": script}
        if name is not None:
            query["service_instance_name"] = name
        return self.send("NSPv2LookupServiceBegin", **{"restrictions": query, **params})

    def begin_query(self, query: dict[str, Any], **params: Any) -> int:
        """Send a Begin for any query set."""
        return self.send("NSPv2LookupServiceBegin", restrictions=query, **params)

    def next(self, handle: int, **params: Any) -> int:
        """Send a NextEx."""
        return self.send("NSPv2LookupServiceNextEx", lookup=handle, **params)

    def end(self, handle: int) -> int:
        """Send an End."""
        return self.send("NSPv2LookupServiceEnd", lookup=handle)

    def register(self, name: str, *hosts: str, operation: int = 0, **params: Any) -> int:
        """Send a SetServiceEx to the registry for a name, with one address for each host."""
        addresses = [
            {
                "remote": {"family": "inet", "host": host, "port": 80},
                "socket_type": 1,
                "protocol": 6,
            }
            for host in hosts
        ]
        registration: dict[str, Any] = {"namespace": REGISTRY, "service_instance_name": name}
        registration |= params.pop("members", {})
        if addresses:
            registration["addresses"] = addresses
        return self.send(
            "NSPv2SetServiceEx", registration=registration, operation=operation, **params
        )

    # Being told

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            self.received.append(message)
            for reply in message if isinstance(message, list) else [message]:
                if reply.get("id") is not None:
                    self._replies.setdefault(reply["id"], []).append(reply)
                    if self.on_reply is not None:
                        self.on_reply(reply)
        news, self._news = self._news, anyio.Event()
        news.set()

    def told(self, id: int | str) -> Reply | None:
        """The reply to a request, if it has come."""
        replies = self._replies.get(id)
        return replies[0] if replies else None

    def now(self, id: int | str) -> Reply:
        """The reply to a request, which has come in the very step of the request."""
        reply = self.told(id)
        assert reply is not None, f"request {id} was not answered at once"
        return reply

    async def reply(self, id: int | str) -> Reply:
        """Wait for the reply to a request."""
        with anyio.fail_after(DEADLINE):
            while (reply := self.told(id)) is None:
                await self._news.wait()
        return reply

    async def result(self, id: int | str) -> Any:
        """The result of a request, which must not fail."""
        reply = await self.reply(id)
        assert "result" in reply, reply
        return reply["result"]

    async def code(self, id: int | str) -> int:
        """The code of a request's error; 0 if there is none."""
        return code_of(await self.reply(id))

    async def error(self, id: int | str) -> Reply:
        """The error of a request, which must fail."""
        error: Reply = (await self.reply(id))["error"]
        return error

    async def name(self, handle: int, **params: Any) -> str:
        """The name in the next record."""
        record = await self.result(self.next(handle, **params))
        name: str = record["service_instance_name"]
        return name

    async def records(self, handle: int, **params: Any) -> list[Any]:
        """Every record that is left; the lookup must end with 10110."""
        records = []
        while code_of(reply := await self.reply(self.next(handle, **params))) == 0:
            records.append(reply["result"])
        assert reply["error"]["code"] == NO_MORE, reply
        return records

    @property
    def open_calls(self) -> list[int | str]:
        """The requests that have had no reply."""
        return [id for id in self.asked if id not in self._replies]

    async def settled(self) -> None:
        """Wait until every request has had its reply."""
        await until(lambda: not self.open_calls)

    # Going

    def vanish(self) -> None:
        """Close without waiting for anything."""
        self.left = True
        self.socket.vanish()

    def check_ledger(self) -> None:
        """One reply for each request, none for anything else."""
        expected = Counter(self.asked)
        told = {id: len(replies) for id, replies in self._replies.items()}
        if self.left:
            assert not set(told) - set(expected)
            assert all(told[id] <= expected[id] for id in told)
        else:
            assert told == expected


def code_of(reply: Reply) -> int:
    """The code of a reply's error; 0 for a result."""
    code: int = reply["error"]["code"] if "error" in reply else 0
    return code


class House:
    """A running server and its clients."""

    def __init__(
        self, server: Server, poller: MemoryPoller, listener: MemoryListener, log: Log
    ) -> None:
        self.server = server
        self.router: Router = server.router
        self.poller = poller
        self.log = log
        self._listener = listener
        self._descriptors = count(1)
        self.clients: list[Client] = []
        self._accounts: set[User] = set()

    def connect(self, uid: int = ADMIN, *, startup: bool = True) -> Client:
        """A new client, with its Startup done unless told otherwise."""
        client = Client(self, next(self._descriptors), uid)
        self.clients.append(client)
        self._listener.connect(client.socket)
        self._accounts.update(self.router.users.values())
        if startup:
            client.now(client.startup())
        return client

    @property
    def test(self) -> TestProvider:
        """The first provider of the test namespace."""
        return next(
            entry.provider
            for entry in self.router.catalog
            if isinstance(entry.provider, TestProvider)
        )

    def open(self, gate: str, tokens: int = 1) -> None:
        """Let records pass a gate."""
        self.test.add_tokens(gate, tokens)

    def census(self) -> dict[str, int]:
        """How many there are of everything that can leak."""
        router = self.router
        return {
            "links": len(self.server.links),
            "sessions": len(router.sessions),
            "users": len(router.users),
            "lookups": router.lookups,
            "tasks": router.work.running,
            "of providers": sum(entry.running for entry in router.catalog),
            "detached": len(router.detached) + sum(entry.detached for entry in router.catalog),
            "timers": len(router.clock) - router.clock._dead,
            "shared": len(router.shared.runs),
            "watchers of the catalog": len(router.catalog._watchers),
            "swept": 0 if router.sweeper.idle else 1,
            "bytes": sum(user.bytes for user in self._accounts),
            "sessions of users": sum(user.sessions for user in self._accounts),
            "lookups of users": sum(user.lookups for user in self._accounts),
            "starved": sum(len(user.starved) for user in self._accounts),
        }

    async def close(self) -> None:
        """Have every client settle what it left open and go; then check the books."""
        for client in self.clients:
            if not client.socket.closed and not client.left:
                client.socket.read_again()
                client.send("NSPv2ClientSessionRundown")
                await client.settled()
                client.socket.vanish()
        empty = dict.fromkeys(self.census(), 0)
        await until(lambda: self.router.work.running == 0 and not self.server.links)
        await until(lambda: self.router.sweeper.idle)
        assert self.census() == empty
        for client in self.clients:
            client.check_ledger()
        assert self.log.surprises == []


@asynccontextmanager
async def open_house(
    *providers: Provider | Entry,
    limits: Limits | None = None,
    access: AccessSettings | None = None,
    end_grace: float = 0.1,
) -> AsyncIterator[House]:
    """A server with these providers (by default one of the test namespace), running."""
    log = Log()
    limits = limits or Limits()
    settings = Settings(
        daemon=DaemonSettings(socket="memory", state_dir="memory", end_grace=end_grace),
        limits=limits,
        access=access or AccessSettings(),
        providers=(),
    )
    entries = as_entries(providers or (TestProvider(),))
    async with open_router(entries, log=log, limits=limits, end_grace=end_grace) as router:
        poller = MemoryPoller()
        listening = MemoryListener(poller)
        poller.sockets[listening.fileno()] = listening
        listener = Listener(cast(socket.socket, listening))
        server = Server(settings, router, poller, listener, log=log, backend="memory")
        house = House(server, poller, listening, log)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(poller.run)
            yield house
            await house.close()
            tasks.cancel_scope.cancel()
        server.close()


def as_entries(providers: Iterable[Provider | Entry]) -> Sequence[Entry]:
    """Catalog entries for providers."""
    return [each if isinstance(each, Entry) else Entry(each) for each in providers]


def another_test_provider(number: int = 1, namespace: int = TEST) -> TestProvider:
    """One more provider of the test namespace, with a GUID of its own."""
    return TestProvider(
        provider_id=fixed_guid(0xF000 + number), identifier=f"test{number}", namespace=namespace
    )
