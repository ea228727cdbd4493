"""A daemon small enough to be seen through: it keeps the promises, or breaks one of them.

The core is pure: `FakeDaemon.take` carries out one request and puts what is due
into outboxes. `serving` gives it a real UNIX socket.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import anyio
import msgspec
from anyio.abc import TaskGroup

from nspd.providers.test.provider import record
from tests.race.histories import BEGIN, END, NEXT

Message = dict[str, Any]

_PROVIDER = "5e1d0000-0000-4000-8000-000000010001"


class FakeLookup:
    """One lookup of the test namespace: records behind a gate, or none and it hangs."""

    def __init__(self, client: int, behaviour: dict[str, str]) -> None:
        self.client = client
        self.gate = behaviour.get("gate")
        self.total = self.to_come = int(behaviour.get("records", "1"))
        self.hangs = "hang" in behaviour
        self.given = 0
        self.ready: deque[int] = deque()
        self.waiting: deque[Any] = deque()


class FakeDaemon:
    """It answers everything at once; the subclasses in `LIARS` each tell one lie."""

    namespaces: tuple[int, ...] = (65537,)
    gates_allowed = True
    gone = False

    def __init__(self, first_handle: int = 1_000) -> None:
        self.outboxes: dict[int, list[Message]] = {}
        self.lookups: dict[int, FakeLookup] = {}
        self._handles = count(first_handle)

    @property
    def census(self) -> dict[str, int]:
        waiting = sum(len(lookup.waiting) for lookup in self.lookups.values())
        return {
            "connections": len(self.outboxes),
            "lookups": len(self.lookups),
            "waiting_calls": waiting,
        }

    def connect(self, client: int) -> None:
        self.outboxes[client] = []

    def disconnect(self, client: int) -> None:
        del self.outboxes[client]
        for handle in [h for h, lookup in self.lookups.items() if lookup.client == client]:
            del self.lookups[handle]

    def take(self, client: int, request: Message) -> None:
        """Carry out one request."""
        id, params = request["id"], request.get("params", {})
        match request["method"]:
            case "nspd.Status":
                status = {"version": "0", "backend": "fake", "census": self.census}
                self.result(client, id, status)
            case "WSAEnumNameSpaceProvidersEx":
                catalog = [{"namespace": number, "active": True} for number in self.namespaces]
                self.result(client, id, {"providers": catalog})
            case "nspd.TestGate" if not self.gates_allowed:
                self.error(client, id, 10013)
            case "nspd.TestGate":
                self.result(client, id, None)
                self.add_tokens(params["gate"], params["tokens"])
            case method if method == BEGIN:
                self.begin(client, id, params["restrictions"]["query_string"])
            case method if method == NEXT:
                self.next(client, id, params["lookup"])
            case method if method == END:
                self.end(client, id, params["lookup"])
            case "$/cancelRequest":
                self.cancel(client, params["id"])
                self.result(client, id, None)
            case _:
                self.result(client, id, {})

    def begin(self, client: int, id: Any, query_string: str) -> None:
        behaviour = {key: values[0] for key, values in parse_qs(query_string).items()}
        handle = next(self._handles)
        self.lookups[handle] = FakeLookup(client, behaviour)
        self.result(client, id, {"lookup": handle})

    def next(self, client: int, id: Any, handle: int) -> None:
        lookup = self.lookups.get(handle)
        if lookup is None or lookup.client != client:
            self.error(client, id, 6)
            return
        lookup.waiting.append(id)
        self.serve(lookup)

    def end(self, client: int, id: Any, handle: int) -> None:
        lookup = self.lookups.get(handle)
        if lookup is None or lookup.client != client:
            self.error(client, id, 6)
            return
        del self.lookups[handle]
        self.settle(client, id, lookup)

    def settle(self, client: int, id: Any, lookup: FakeLookup) -> None:
        for waiting in lookup.waiting:
            self.error(client, waiting, 10111)
        work = "stopped" if lookup.to_come or lookup.hangs else "none"
        self.result(client, id, {"cancelled": len(lookup.waiting), "work": work})

    def cancel(self, client: int, id: Any) -> None:
        for lookup in self.lookups.values():
            if lookup.client == client and id in lookup.waiting:
                lookup.waiting.remove(id)
                self.error(client, id, 10111)

    def add_tokens(self, gate: str, tokens: int) -> None:
        for lookup in list(self.lookups.values()):
            while lookup.gate == gate and lookup.to_come and tokens:
                tokens -= 1
                lookup.to_come -= 1
                lookup.given += 1
                lookup.ready.append(lookup.given)
            self.serve(lookup)

    def serve(self, lookup: FakeLookup) -> None:
        while lookup.waiting and lookup.ready:
            number = lookup.ready.popleft()
            given = record("race", number, lookup.total, 0, _PROVIDER, 65537)
            self.result(lookup.client, lookup.waiting.popleft(), msgspec.to_builtins(given))
        if not lookup.ready and not lookup.to_come and not lookup.hangs:
            while lookup.waiting:
                verdicts = [{"records": lookup.given, "error": None}]
                self.error(lookup.client, lookup.waiting.popleft(), 10110, verdicts=verdicts)

    def result(self, client: int, id: Any, result: Any) -> None:
        self.send(client, {"jsonrpc": "2.0", "id": id, "result": result})

    def error(self, client: int, id: Any, code: int, **data: Any) -> None:
        error = {"code": code, "message": f"WSA_{code}", "data": data}
        self.send(client, {"jsonrpc": "2.0", "id": id, "error": error})

    def send(self, client: int, message: Message) -> None:
        self.outboxes[client].append(message)


class LosesCancelled(FakeDaemon):
    """Ends the lookup and forgets to tell those who wait (C1)."""

    def settle(self, client: int, id: Any, lookup: FakeLookup) -> None:
        self.result(client, id, {"cancelled": len(lookup.waiting), "work": "stopped"})


class DoublesCancelled(FakeDaemon):
    """Tells those who wait twice (C1)."""

    def send(self, client: int, message: Message) -> None:
        super().send(client, message)
        if message.get("error", {}).get("code") == 10111:
            super().send(client, message)


class EndsFirst(FakeDaemon):
    """Answers End, and only then those who wait (C2)."""

    def settle(self, client: int, id: Any, lookup: FakeLookup) -> None:
        super().settle(client, id, lookup)
        outbox = self.outboxes[client]
        outbox.insert(len(outbox) - 1 - len(lookup.waiting), outbox.pop())


class RefusesEnd(FakeDaemon):
    """Has no memory left for End (C3)."""

    def settle(self, client: int, id: Any, lookup: FakeLookup) -> None:
        for waiting in lookup.waiting:
            self.error(client, waiting, 10111)
        self.error(client, id, 8)


class ForgetsNothing(FakeDaemon):
    """Lets a lookup be ended again and again (C4)."""

    def end(self, client: int, id: Any, handle: int) -> None:
        lookup = self.lookups[handle]
        self.settle(client, id, lookup)
        lookup.waiting.clear()


class ReusesHandles(FakeDaemon):
    """Gives every client the same few handles in turn (C4)."""

    def begin(self, client: int, id: Any, query_string: str) -> None:
        self._handles = count(max(self.lookups, default=999) + 1)
        super().begin(client, id, query_string)


class DropsWithdrawn(FakeDaemon):
    """Throws away the record for which a withdrawn call had waited (C7)."""

    def cancel(self, client: int, id: Any) -> None:
        for lookup in self.lookups.values():
            if lookup.client == client and id in lookup.waiting:
                lookup.to_come -= 1
                lookup.given += 1
        super().cancel(client, id)


class SendsOldCode(FakeDaemon):
    """Says 10103 where it must say 10111 (C14)."""

    def error(self, client: int, id: Any, code: int, **data: Any) -> None:
        super().error(client, id, 10103 if code == 10111 else code, **data)


class CancelAsNotFound(FakeDaemon):
    """Tells those who wait that there is nothing (the race cancel-as-success).

    Each reply could have been settled before End, so only the scenario can tell.
    """

    def error(self, client: int, id: Any, code: int, **data: Any) -> None:
        super().error(client, id, 11004 if code == 10111 else code, **data)

    def settle(self, client: int, id: Any, lookup: FakeLookup) -> None:
        for waiting in lookup.waiting:
            self.error(client, waiting, 10111)
        self.result(client, id, {"cancelled": 0, "work": "stopped"})


class Leaks(FakeDaemon):
    """Counts a lookup as open for ever (census)."""

    ended = 0

    @property
    def census(self) -> dict[str, int]:
        census = super().census
        return {**census, "lookups": census["lookups"] + self.ended}

    def settle(self, client: int, id: Any, lookup: FakeLookup) -> None:
        self.ended += 1
        super().settle(client, id, lookup)


class GoesAway(FakeDaemon):
    """Carries out so many Begins, then closes all connections and listens no more."""

    def __init__(self, begins: int) -> None:
        super().__init__()
        self._begins = begins

    def begin(self, client: int, id: Any, query_string: str) -> None:
        super().begin(client, id, query_string)
        self._begins -= 1
        self.gone = self._begins <= 0


class Capped(FakeDaemon):
    """Refuses every fifth Begin because too much is detached, which is no lie."""

    begins = 0

    def begin(self, client: int, id: Any, query_string: str) -> None:
        self.begins += 1
        if self.begins % 5:
            super().begin(client, id, query_string)
        else:
            self.error(client, id, 10055)


LIARS: dict[type[FakeDaemon], str] = {
    LosesCancelled: "C1",
    DoublesCancelled: "C1",
    EndsFirst: "C2",
    RefusesEnd: "C3",
    ForgetsNothing: "C4",
    ReusesHandles: "C4",
    DropsWithdrawn: "C7",
    SendsOldCode: "C14",
    CancelAsNotFound: "outcome",
}
"""Each liar whose lie is on the wire, and the promise that it breaks."""


@asynccontextmanager
async def serving(daemon: FakeDaemon, path: Path) -> AsyncIterator[str]:
    """Serve a fake daemon on a UNIX socket; yields its path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.setblocking(False)
        listener.bind(str(path))
        listener.listen()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_accept, daemon, listener, tasks)
            yield str(path)
            tasks.cancel_scope.cancel()


def _go_away(sockets: dict[int, socket.socket]) -> None:
    for each in sockets.values():
        Path(each.getsockname()).unlink(missing_ok=True)
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


async def _accept(daemon: FakeDaemon, listener: socket.socket, tasks: TaskGroup) -> None:
    # Not anyio's own listener: on uvloop its reader callback may be called twice.
    sockets: dict[int, socket.socket] = {}
    for number in count():
        await anyio.wait_readable(listener)
        sockets[number], _ = listener.accept()
        sockets[number].setblocking(False)
        daemon.connect(number)
        tasks.start_soon(_serve, daemon, number, sockets)


async def _serve(daemon: FakeDaemon, number: int, sockets: dict[int, socket.socket]) -> None:
    rest = b""
    with sockets[number] as own:
        try:
            while True:
                await anyio.wait_readable(own)
                chunk = own.recv(65_536)
                if not chunk:
                    break
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    daemon.take(number, msgspec.json.decode(line))
                if daemon.gone:
                    _go_away(sockets)
                    return
                for client, outbox in daemon.outboxes.items():
                    for message in outbox:
                        # A client that left needs no answer; its own task takes note.
                        with suppress(BrokenPipeError):
                            sockets[client].send(msgspec.json.encode(message) + b"\n")
                    outbox.clear()
        except ConnectionResetError:
            pass
        finally:
            daemon.disconnect(number)
            del sockets[number]
