"""A daemon that does what a test tells it, on a UNIX socket, in threads of its own.

It answers at once what it has been given an answer for (`FakeDaemon.answer`);
every other request waits until the test takes it with `FakeDaemon.expect`.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import msgspec

from nspd.testing.violation import ContractViolation, require
from nspd.wire.events import Invalid
from nspd.wire.messages import decode_line

TEST_PROVIDER = "5e1d0000-0000-4000-8000-000000010001"


def record(name: str, **members: Any) -> dict[str, Any]:
    """A record as a daemon sends it."""
    return {
        "service_instance_name": name,
        "namespace": 65537,
        "provider_id": TEST_PROVIDER,
        "context": "",
        "output_flags": 0,
        **members,
    }


class Request:
    """One request that the daemon received."""

    def __init__(self, peer: socket.socket, message: dict[str, Any]) -> None:
        self._peer = peer
        self.id: int | str | None = message.get("id")
        self.method: str = message["method"]
        self.params: dict[str, Any] = message.get("params", {})

    def reply(self, result: Any = None, **members: Any) -> None:
        """Answer with a result, and with further members of the reply."""
        self.write({"jsonrpc": "2.0", "id": self.id, "result": result, **members})

    def fail(self, code: int, **data: Any) -> None:
        """Answer with an error."""
        error = {"code": code, "message": f"WSA_{code}", "data": {"detail": "", **data}}
        self.write({"jsonrpc": "2.0", "id": self.id, "error": error})

    def write(self, *messages: Any) -> None:
        """Send messages on this connection, in one write."""
        self.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in messages))

    def write_bytes(self, data: bytes) -> None:
        """Send bytes on this connection; nothing happens if the client has left."""
        with suppress(OSError):
            self._peer.sendall(data)

    def hang_up(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)


class FakeDaemon:
    """Opened by ``with``, and closed with all its connections at the end."""

    def __init__(self, path: Path, within: float = 5.0) -> None:
        """Make one.

        Args:
            path: where the socket goes.
            within: seconds to wait for a request.
        """
        self.path = str(path)
        self.seen: list[Request] = []
        """Every request, in the order in which they came."""
        self.ill_formed: list[str] = []
        """What was wrong with lines that no daemon would carry out."""
        self.open = 0
        """Connections that the client has not closed."""
        self._within = within
        self._answers: dict[str, Callable[[Request], None]] = {}
        self._unanswered: queue.Queue[Request] = queue.Queue()
        self._put_back: list[Request] = []
        self._peers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._handles = iter(range(7_000_000_001, 7_000_001_000))
        session = {"client_session": 1, "protocol": 1, "server": "nspd/0.0.0", "limits": {}}
        self.answer("NSPv2Startup", lambda request: request.reply(session))
        self.answer("NSPv2Cleanup", lambda request: request.reply())
        self.answer("$/cancelRequest", lambda request: request.reply())
        self.answer("NSPv2LookupServiceBegin", self._begin)

    def _begin(self, request: Request) -> None:
        request.reply({"lookup": next(self._handles)})

    def answer(self, method: str, answer: Callable[[Request], None] | None) -> None:
        """From now on, have a function answer this method; None: leave it to `expect`."""
        if answer is None:
            self._answers.pop(method, None)
        else:
            self._answers[method] = answer

    def expect(self, method: str) -> Request:
        """The oldest request for this method that nothing has answered, once it is there.

        Raises:
            ContractViolation: it does not come.
        """
        for request in self._put_back:
            if request.method == method:
                self._put_back.remove(request)
                return request
        while True:
            try:
                request = self._unanswered.get(timeout=self._within)
            except queue.Empty:
                raise ContractViolation(f"the client does not send {method}") from None
            if request.method == method:
                return request
            self._put_back.append(request)

    def sent(self, method: str) -> list[Request]:
        """The requests for this method that have come."""
        return [request for request in self.seen if request.method == method]

    @property
    def connections(self) -> int:
        """How many connections were made."""
        return len(self._peers)

    def __enter__(self) -> Self:
        self._listener.bind(self.path)
        self._listener.listen()
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(self._within)
        Path(self.path).unlink()

    def _start(self, function: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=function, args=args, name="fake daemon", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self._peers.append(peer)
                self.open += 1
                self._start(self._serve, peer)

    def _serve(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as lines, suppress(OSError):
            for line in lines:
                event = decode_line(line)
                if isinstance(event, Invalid):
                    self.ill_formed.append(event.detail)
                self._take(Request(peer, msgspec.json.decode(line)))
        self.open -= 1

    def _take(self, request: Request) -> None:
        self.seen.append(request)
        answer = self._answers.get(request.method)
        if answer is None or request.id is None:
            self._unanswered.put(request)
        else:
            answer(request)

    def must_be_well_formed(self) -> None:
        """Every line that came was a request that a daemon carries out.

        Raises:
            ContractViolation: one was not.
        """
        require(not self.ill_formed, f"the client sends what no daemon takes: {self.ill_formed}")
