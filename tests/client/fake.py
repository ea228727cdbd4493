"""A daemon that does what a test tells it, over a real UNIX socket, in threads of its own.

Requests that the test has given an answer for are answered at once; every other
one waits until the test takes it with `FakeDaemon.expect` and replies.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from nspd.model.queryset import CsAddr, SocketAddress

DEADLINE = 10.0
"""Seconds after which a test that waits in vain fails."""

ADDRESS = {"remote": {"family": "inet", "host": "192.0.2.1", "port": 80}}


def record(name: str, **members: Any) -> dict[str, Any]:
    """A record as the daemon sends it."""
    return {
        "service_instance_name": name,
        "namespace": 65537,
        "provider_id": "5e1d0000-0000-4000-8000-000000010001",
        "context": "",
        "output_flags": 0,
        **members,
    }


def verdict(outcome: str = "answered", error: int | None = None) -> dict[str, Any]:
    """What became of a provider, as the daemon tells it."""
    return {
        "provider_id": "5e1d0000-0000-4000-8000-000000010001",
        "namespace": 65537,
        "identifier": "test",
        "outcome": outcome,
        "error": error,
        "setting": None,
        "records": 1,
        "elapsed": 0.25,
    }


WEB = CsAddr(remote=SocketAddress.inet("192.0.2.1", 80), socket_type=1, protocol=6)
"""What `newer_address` is to a client of today."""


def newer_address() -> dict[str, Any]:
    """`WEB` as a newer daemon may send it, with members unknown today at both depths."""
    remote = {**ADDRESS["remote"], "later": "x"}
    return {"remote": remote, "socket_type": 1, "protocol": 6, "later": None}


def explained() -> dict[str, Any]:
    """The members of an nspd.Explain that found something, beside what it found."""
    return {"error": None, "elapsed": 0.5, "story": [], "left_out": 0}


class Request:
    """One request that the daemon received."""

    def __init__(self, peer: socket.socket, message: dict[str, Any]) -> None:
        self._peer = peer
        self.id: int | None = message.get("id")
        self.method: str = message["method"]
        self.params: dict[str, Any] = message["params"]

    def reply(self, result: Any = None) -> None:
        """Answer with a result."""
        self._send({"id": self.id, "result": result})

    def fail(self, code: int, **data: Any) -> None:
        """Answer with an error."""
        self._send({"id": self.id, "error": {"code": code, "message": "E", "data": data}})

    def reply_to(self, request_id: object) -> None:
        """Answer a request that nobody made."""
        self._send({"id": request_id, "result": None})

    def notify(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification on the connection of this request."""
        self._send({"method": method, "params": params})

    def hang_up(self) -> None:
        """Close the connection of this request."""
        self._peer.shutdown(socket.SHUT_RDWR)

    def _send(self, message: dict[str, Any]) -> None:
        self._peer.sendall(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


Answer = Callable[[Request], None]


class FakeDaemon:
    """Opened by entering it, closed on leaving; it may be stopped and started in between."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "nspd.sock")
        self.seen: list[Request] = []
        """Every request, in the order in which they came."""
        self._answers: dict[str, Answer] = {
            "NSPv2Startup": lambda request: request.reply(
                {"client_session": 1, "protocol": 1, "server": "nspd/0", "limits": {}}
            ),
            "NSPv2Cleanup": lambda request: request.reply(),
        }
        self._unanswered: queue.Queue[Request] = queue.Queue()
        self._put_back: list[Request] = []
        self._peers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None

    def answer(self, method: str, result: Any) -> None:
        """From now on, answer the method with this result."""
        self._answers[method] = lambda request: request.reply(result)

    def answer_with(self, method: str, answer: Answer) -> None:
        """From now on, have the method answered by a function."""
        self._answers[method] = answer

    def refuse(self, method: str, code: int, **data: Any) -> None:
        """From now on, answer the method with this error."""
        self._answers[method] = lambda request: request.fail(code, **data)

    def hold(self, method: str) -> None:
        """From now on, leave the method to `expect`."""
        self._answers.pop(method, None)

    def expect(self, method: str) -> Request:
        """The oldest request for this method that nothing has answered, once it is there."""
        for request in self._put_back:
            if request.method == method:
                self._put_back.remove(request)
                return request
        while True:
            request = self._unanswered.get(timeout=DEADLINE)
            if request.method == method:
                return request
            self._put_back.append(request)

    def count(self, method: str) -> int:
        """How many requests for this method have come."""
        return sum(request.method == method for request in self.seen)

    @property
    def connections(self) -> int:
        """How many connections were made since the daemon was first started."""
        return len(self._peers)

    def start(self) -> None:
        """Listen."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._run(self._accept, self._listener)

    def stop(self) -> None:
        """Close the listener and every connection, as a daemon that dies does."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener = None
            Path(self.path).unlink()
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE)
        self._threads.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _run(self, function: Callable[[socket.socket], None], sock: socket.socket) -> None:
        thread = threading.Thread(target=function, args=(sock,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with listener, contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                self._peers.append(peer)
                self._run(self._serve, peer)

    def _serve(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as lines, contextlib.suppress(OSError):
            for line in lines:
                request = Request(peer, json.loads(line))
                self.seen.append(request)
                answer = self._answers.get(request.method)
                if answer is not None and request.id is not None:
                    answer(request)
                else:
                    self._unanswered.put(request)
