"""A client of some hundred lines that keeps the contract: JSON lines, a reader thread, no more."""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

from nspd.testing import ClientContract

LOST = 10050
SAME = {10102: 10110, 10103: 10111}
BEGIN, NEXT, END = (f"NSPv2LookupService{name}" for name in ("Begin", "NextEx", "End"))


class Failed(Exception):
    """A call ended with an error number."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Call:
    """One request without its reply."""

    def __init__(self, lookup: Lookup | None = None) -> None:
        self.lookup = lookup
        self.done = threading.Event()
        self.given_up = False
        self.result: Any = None
        self.code = 0


class Lookup:
    """One lookup of a client, on the connection over which it was begun."""

    def __init__(self, connection: Connection, handle: int) -> None:
        self.connection = connection
        self.handle = handle
        self.kept: deque[Any] = deque()


class Connection:
    """One socket, and the thread that reads it."""

    ids = count(1)

    def __init__(self, path: str, client: PlainClient) -> None:
        self.client = client
        self.calls: dict[Any, Call] = {}
        self.lost = False
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        threading.Thread(target=self.read, daemon=True).start()

    def start(self, method: str, params: Any, call: Call) -> int:
        number = self.client.new_id(self)
        self.calls[number] = call
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        try:
            self.socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self.client.lost(self)
        return number

    def read(self) -> None:
        with self.socket, suppress(OSError, ValueError):
            for line in self.client.lines(self.socket):
                self.client.take(self, line)
        self.client.lost(self)


class PlainClient:
    """The client. What lies in the tests overrides one of its methods."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.connection: Connection | None = None

    # What a program calls

    def begin(self) -> Lookup:
        if self.connection is None or self.connection.lost:
            self.connection = Connection(self.path, self)
            self.perform(self.connection, "NSPv2Startup", {"protocol": 1})
        connection = self.connection
        params = {"restrictions": {"service_instance_name": "anything"}}
        return Lookup(connection, self.perform(connection, BEGIN, params)["lookup"])

    def next(self, lookup: Lookup) -> str:
        if lookup.kept:
            return self.name(lookup.kept.popleft())
        call = Call(lookup)
        self.start_next(lookup, call)
        return self.name(self.wait(call))

    def start_next(self, lookup: Lookup, call: Call) -> int:
        connection = self.connection_of(lookup)
        return connection.start(NEXT, {"lookup": lookup.handle}, call)

    def connection_of(self, lookup: Lookup) -> Connection:
        if lookup.connection.lost:
            raise Failed(6)
        return lookup.connection

    def end(self, lookup: Lookup) -> None:
        self.perform(self.connection_of(lookup), END, {"lookup": lookup.handle})

    def give_up_next(self, lookup: Lookup, when: Callable[[], object]) -> None:
        call = Call(lookup)
        number = self.start_next(lookup, call)
        when()
        call.given_up = True
        self.withdraw(lookup.connection, number)

    def withdraw(self, connection: Connection, number: int) -> None:
        connection.start("$/cancelRequest", {"id": number}, Call())

    def close(self) -> None:
        if self.connection is not None:
            with suppress(OSError):
                self.connection.socket.shutdown(socket.SHUT_RDWR)
            self.lost(self.connection)

    # What it does by itself

    def new_id(self, connection: Connection) -> int:
        return next(connection.ids)

    def perform(self, connection: Connection, method: str, params: Any) -> Any:
        call = Call()
        connection.start(method, params, call)
        return self.wait(call)

    def wait(self, call: Call) -> Any:
        call.done.wait()
        if call.code:
            raise Failed(self.meaning(call.code))
        return call.result

    def meaning(self, code: int) -> int:
        return SAME.get(code, code)

    def name(self, record: Any) -> str:
        name: str = record["service_instance_name"]
        return name

    def lines(self, sock: socket.socket) -> Iterator[bytes]:
        with sock.makefile("rb") as lines:
            yield from lines

    def take(self, connection: Connection, line: bytes) -> None:
        message = json.loads(line)
        call = connection.calls.pop(message.get("id"), None)
        if call is None:
            self.stray(connection, message)
        elif call.given_up:
            self.late(connection, call, message)
        else:
            call.result = message.get("result")
            call.code = message["error"]["code"] if "error" in message else 0
            call.done.set()

    def stray(self, connection: Connection, message: Any) -> None:
        """What answers no call is nobody's."""

    def late(self, connection: Connection, call: Call, message: Any) -> None:
        if call.lookup is None or "result" not in message:
            return
        for other in connection.calls.values():
            if other.lookup is call.lookup and not other.given_up:
                # It is the older record, so that call's own is the next one's.
                other.given_up = True
                other.result = message["result"]
                other.done.set()
                return
        call.lookup.kept.append(message["result"])

    def lost(self, connection: Connection) -> None:
        connection.lost = True
        calls, connection.calls = connection.calls, {}
        for call in calls.values():
            call.code = LOST
            call.done.set()


class Plain(ClientContract):
    """The contract of the plain client."""

    made: type[PlainClient] = PlainClient

    def connect(self, path: str) -> PlainClient:
        return self.made(path)

    def close(self, client: PlainClient) -> None:
        client.close()

    def begin(self, client: PlainClient) -> Lookup:
        return client.begin()

    def next(self, client: PlainClient, lookup: Lookup) -> str:
        return client.next(lookup)

    def end(self, client: PlainClient, lookup: Lookup) -> None:
        client.end(lookup)

    def give_up_next(self, client: PlainClient, lookup: Lookup, when: Callable[[], object]) -> None:
        client.give_up_next(lookup, when)
