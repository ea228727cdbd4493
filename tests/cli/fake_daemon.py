"""A daemon in a thread that gives prepared answers and remembers what it was asked."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from itertools import count
from types import TracebackType
from typing import Any

from nspd.model.errors import (
    WSA_E_CANCELLED,
    WSA_E_NO_MORE,
    WSA_INVALID_HANDLE,
    error_name,
)

DEADLINE = 10.0

HOSTS = "5e1d0000-0000-4000-8000-00000000000b"


class Refusal:
    """An error to answer with."""

    def __init__(self, code: int, detail: str = "", **data: Any) -> None:
        self.code = code
        self.data = {"detail": detail, **data}


def verdict(identifier: str = "hosts", outcome: str = "answered", **other: Any) -> dict[str, Any]:
    """One verdict; ``other`` replaces its members."""
    return {
        "provider_id": HOSTS,
        "namespace": 11,
        "identifier": identifier,
        "outcome": outcome,
        "error": None,
        "setting": None,
        "records": 1,
        "elapsed": 0.0005,
        **other,
    }


def record(name: str = "localhost", host: str = "127.0.0.1", **other: Any) -> dict[str, Any]:
    """One record of the hosts namespace; ``other`` replaces its members."""
    family = "inet6" if ":" in host else "inet"
    remote = {"family": family, "host": host, "port": 0}
    return {
        "service_instance_name": name,
        "namespace": 11,
        "provider_id": HOSTS,
        "context": "",
        "output_flags": 0,
        "addresses": [{"remote": remote, "socket_type": 0, "protocol": 0}],
        **other,
    }


class FakeDaemon:
    """Answers JSON lines on a UNIX socket; a context manager that leaves no thread behind."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.asked: list[tuple[str, dict[str, Any]]] = []
        """Method and params of each request, in the order received."""
        self.records: list[dict[str, Any] | Refusal] = [record()]
        """What NextEx gives, one after the other."""
        self.end: Refusal | None = Refusal(WSA_E_NO_MORE, verdicts=[verdict()])
        """What NextEx gives after the records; None: it waits until End."""
        self.answers: dict[str, Any] = {
            "NSPv2Startup": {
                "client_session": 1,
                "protocol": 1,
                "server": "nspd/0.0.0",
                "limits": {},
            },
            "NSPv2LookupServiceBegin": self._begin,
            "NSPv2LookupServiceNextEx": self._next,
            "NSPv2LookupServiceEnd": self._end,
        }
        """The result, a Refusal, or a function of the params, for each method; default null."""
        self.events: list[dict[str, Any]] = []
        """What a Monitor is told before it is answered."""
        self.waiting = threading.Event()
        """A NextEx waits."""
        self.end_overtakes = False
        """End is answered before the calls that it cancels, against C2."""
        self.held: dict[int, list[Any]] = {}
        """The ids of the NextEx calls that wait, by lookup."""
        self._handles = count(7)
        self._changed = threading.Condition()
        self._listener = socket.socket(socket.AF_UNIX)
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> FakeDaemon:
        self._listener.bind(self.path)
        self._listener.listen()
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self._connections:
            connection.close()
        for thread in self._threads:
            thread.join(DEADLINE)
        self._listener.close()

    def methods(self) -> list[str]:
        """The methods asked for, without those that open and close a session."""
        ignored = ("NSPv2Startup", "NSPv2Cleanup")
        return [method for method, _ in self.asked if method not in ignored]

    def params(self, method: str) -> dict[str, Any]:
        """The params of the first request of this method."""
        return next(params for name, params in self.asked if name == method)

    def wait_for(self, method: str) -> bool:
        """Wait until this method was asked for; False: it was not, in a long time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: any(name == method for name, _ in self.asked), DEADLINE
            )

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        # Closing the stream may have something to send, too, when the client is gone.
        with contextlib.suppress(OSError), connection.makefile("rwb") as stream:
            for line in stream:
                self._take(json.loads(line), stream)

    def _take(self, request: Mapping[str, Any], stream: Any) -> None:
        method, params = request["method"], request.get("params", {})
        with self._changed:
            self.asked.append((method, params))
            self._changed.notify_all()
        answer = self.answers.get(method)
        handle = params.get("lookup", 0)
        result = answer(params) if callable(answer) else answer
        if method == "nspd.Monitor":
            for event in self.events:
                _send(stream, {"method": "nspd.Event", "params": event})
        ids = [request["id"]] if "id" in request else []
        if result is _WAIT:
            self.held[handle].append(request["id"])
            self.waiting.set()
        elif method == "NSPv2LookupServiceEnd":
            cancelled: list[Any] = [(held, _CANCELLED) for held in self.held.pop(handle, [])]
            ended: list[Any] = [(number, result) for number in ids]
            both = ended + cancelled if self.end_overtakes else cancelled + ended
            for number, outcome in both:
                _reply(stream, number, outcome)
        else:
            for number in ids:
                _reply(stream, number, result)

    def _begin(self, _params: Mapping[str, Any]) -> dict[str, int]:
        handle = next(self._handles)
        self.held[handle] = []
        return {"lookup": handle}

    def _next(self, params: Mapping[str, Any]) -> Any:
        if params["lookup"] not in self.held:
            return Refusal(WSA_INVALID_HANDLE, "there is no such lookup")
        if self.records:
            return self.records.pop(0)
        return _WAIT if self.end is None else self.end

    def _end(self, params: Mapping[str, Any]) -> Any:
        cancelled = len(self.held.get(params["lookup"], ()))
        return {"cancelled": cancelled, "work": "stopped" if cancelled else "none"}


_WAIT = object()
_CANCELLED = Refusal(WSA_E_CANCELLED, "the lookup was ended")


def _reply(stream: Any, number: Any, result: Any) -> None:
    if isinstance(result, Refusal):
        error = {"code": result.code, "message": error_name(result.code), "data": result.data}
        _send(stream, {"id": number, "error": error})
    else:
        _send(stream, {"id": number, "result": result})


def _send(stream: Any, members: dict[str, Any]) -> None:
    stream.write(json.dumps({"jsonrpc": "2.0", **members}).encode() + b"\n")
    stream.flush()
