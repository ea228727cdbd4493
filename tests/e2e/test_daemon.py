"""The daemon as a process, on real sockets: what only a kernel can do to it.

What it serves is checked in tests/cases, with the sockets in memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

DEADLINE = 20.0
"""Seconds after which what a test waits for is taken to be missing."""

CONNECTIONS = 12

CONFIGURATION = """
[daemon]
socket = "{directory}/nspd.sock"
state_dir = "{directory}/state"
backend = "{backend}"
drain_timeout = 15

[limits]
connections = {connections}

[log]
format = "json"

[[provider]]
kind = "test"
"""

TEST = 65537
HANG = "records=0&hang=1"
NOT_ENOUGH_MEMORY, NOT_READY, CANCELLED = 8, 10091, 10111
INVALID_REQUEST = -32600


class Daemon:
    """`nspd serve` on a socket of its own; it says itself when it is ready."""

    def __init__(
        self, directory: Path, backend: str, more: str = "", connections: int = CONNECTIONS
    ) -> None:
        """Start it and wait until it serves; ``more`` is added to its configuration."""
        self.socket = directory / "nspd.sock"
        self._log = directory / "log"
        configuration = directory / "nspd.toml"
        configuration.write_text(
            CONFIGURATION.format(directory=directory, backend=backend, connections=connections)
            + more
        )
        environment = {k: v for k, v in os.environ.items() if not k.startswith("NSPD_")}
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices,
            self._log.open("wb") as log,
        ):
            notices.settimeout(DEADLINE)
            notices.bind(str(directory / "notify"))
            program = "from nspd.cli.nspd import main; main()"
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, "serve", "--config", str(configuration)],
                stdin=subprocess.DEVNULL,
                stderr=log,
                env={**environment, "NOTIFY_SOCKET": str(directory / "notify")},
            )
            try:
                while b"READY=1" not in notices.recv(65536):
                    pass
            except TimeoutError:
                self.process.kill()
                pytest.fail(f"the daemon did not start: {self._log.read_text()}")

    def exited(self) -> int:
        """Wait until it has ended; its status."""
        return self.process.wait(DEADLINE)

    def stop(self) -> None:
        """End it, if it has not ended by itself."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(DEADLINE)
        self.process.kill()
        self.process.wait()

    def complaints(self) -> list[str]:
        """Lines of its log at error level, or that are no log at all."""
        lines = self._log.read_text().splitlines()
        return [line for line in lines if not line.startswith("{") or '"level":"error"' in line]

    def memory(self) -> int:
        """Bytes of its memory that are in use."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Caller:
    """A client that writes lines and reads lines."""

    def __init__(self, daemon: Daemon) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(DEADLINE)
        try:
            self.socket.connect(str(daemon.socket))
        except OSError:
            self.socket.close()
            raise
        self._lines = self.socket.makefile("rb")
        self._ids = count(1)
        self._kept: dict[int, Any] = {}
        self.notifications: list[Any] = []

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self.socket.close()

    def send(self, method: str, **params: Any) -> int:
        """Send a request; its id."""
        (id,) = self.send_many(1, method, **params)
        return id

    def send_many(self, number: int, method: str, **params: Any) -> list[int]:
        """Send so many requests in one write: the kernel keeps them until they are read."""
        ids = [next(self._ids) for _ in range(number)]
        messages = [{"jsonrpc": "2.0", "id": id, "method": method, "params": params} for id in ids]
        self.socket.sendall(b"".join(json.dumps(each).encode() + b"\n" for each in messages))
        return ids

    def read(self) -> Any:
        """The next message; None at the end."""
        line = self._lines.readline()
        return json.loads(line) if line else None

    def reply(self, id: int) -> Any:
        """The reply to a request, which must come once."""
        while id not in self._kept:
            message = self.read()
            assert message is not None, "the daemon hung up"
            if "id" not in message:
                self.notifications.append(message)
                continue
            assert message["id"] not in self._kept
            self._kept[message["id"]] = message
        return self._kept[id]

    def call(self, method: str, **params: Any) -> Any:
        """A request's result."""
        reply = self.reply(self.send(method, **params))
        assert "error" not in reply, reply
        return reply["result"]

    def code(self, id: int) -> int:
        """The code of a request's error, or 0."""
        code: int = self.reply(id).get("error", {"code": 0})["code"]
        return code

    def begin(self, script: str) -> int:
        """Begin a lookup in the test namespace; its handle."""
        restrictions = {"namespace": TEST, "query_string": script}
        handle: int = self.call("NSPv2LookupServiceBegin", restrictions=restrictions)["lookup"]
        return handle

    def next(self, handle: int) -> int:
        """Send a NextEx."""
        return self.send("NSPv2LookupServiceNextEx", lookup=handle)

    def census(self) -> dict[str, int]:
        """What the daemon counts."""
        census: dict[str, int] = self.call("nspd.Status")["census"]
        return census


def until(condition: Callable[[], object]) -> None:
    """Ask again and again until a condition holds; each time it asks the daemon."""
    limit = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < limit


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def daemon(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    """A daemon on either event loop, which has nothing to complain of in the end."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), request.param)
    try:
        yield daemon
    finally:
        daemon.stop()
    assert daemon.complaints() == []


@pytest.fixture
def caller(daemon: Daemon) -> Iterator[Caller]:
    """A client with its Startup done; after the test nothing is left of other clients."""
    with Caller(daemon) as caller:
        caller.call("NSPv2Startup")
        until(lambda: caller.census()["connections"] == 1)
        before = caller.census()
        yield caller
        until(lambda: caller.census() == before)


@pytest.fixture(params=["asyncio", "trio"])
def ending(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that the test itself ends."""
    daemon = Daemon(tmp_path, request.param)
    try:
        yield daemon
    finally:
        daemon.stop()
    assert daemon.complaints() == []


def test_half_closed_socket(daemon: Daemon, caller: Caller) -> None:
    """Case 42: after shutdown(SHUT_WR) the record still comes, and then the end."""
    with Caller(daemon) as other:
        other.call("NSPv2Startup")
        waiting = other.next(other.begin("gate=half"))
        other.socket.shutdown(socket.SHUT_WR)
        until(lambda: caller.census()["waiting_calls"] == 1)
        caller.call("nspd.TestGate", gate="half", tokens=1)
        assert other.code(waiting) == 0
        assert other.read() is None


HOLDER = """
import json, socket, sys
peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
peer.connect(sys.argv[1])
query = {"namespace": 65537, "query_string": "records=0&hang=1"}
calls = [("NSPv2Startup", {})] + [("NSPv2LookupServiceBegin", {"restrictions": query})] * 1000
lines = [json.dumps({"jsonrpc": "2.0", "id": n, "method": method, "params": params})
         for n, (method, params) in enumerate(calls)]
peer.sendall("\\n".join(lines).encode() + b"\\n")
replies = peer.makefile()
for _ in lines:
    replies.readline()
print("ready", flush=True)
replies.readline()
"""


def test_a_process_with_a_thousand_handles_is_killed(daemon: Daemon, caller: Caller) -> None:
    """Case 89: when its connection is gone, so are its lookups; then their work, in slices."""
    mine = caller.begin("records=1")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(daemon.socket)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        assert caller.census()["lookups"] == 1001
        holder.kill()
        census = caller.census()
        limit = time.monotonic() + DEADLINE
        while census["connections"] > 1:
            assert census["lookups"] == 1001
            assert time.monotonic() < limit
            census = caller.census()
        assert census["lookups"] == 1
    assert caller.code(caller.next(mine)) == 0
    until(lambda: caller.census()["provider_tasks"] == 0)
    caller.call("NSPv2LookupServiceEnd", lookup=mine)


def test_stopped_twice(ending: Daemon) -> None:
    """Case 90: the second SIGTERM ends the drain; status 0, and the socket file is gone."""
    with Caller(ending) as caller:
        caller.call("NSPv2Startup")
        caller.next(caller.begin(HANG))
        ending.process.send_signal(signal.SIGTERM)
        assert caller.read()["method"] == "nspd.GoingAway"
        assert not ending.socket.exists()
        ending.process.send_signal(signal.SIGTERM)
        assert ending.exited() == 0


def test_a_graceful_stop_waits_for_a_record(ending: Daemon) -> None:
    """Cases 91 and 92: Next gets its data, End is served, Begin is not; only then it exits."""
    with Caller(ending) as caller:
        caller.call("NSPv2Startup")
        handle = caller.begin("records=1&gate=late")
        waiting = caller.next(handle)
        ending.process.send_signal(signal.SIGTERM)
        refused = caller.send("NSPv2LookupServiceBegin", restrictions={"namespace": TEST})
        while caller.code(refused) == 0:  # the signal has not arrived yet
            refused = caller.send("NSPv2LookupServiceBegin", restrictions={"namespace": TEST})
        assert caller.code(refused) == NOT_READY
        with pytest.raises(OSError, match=r"No such file|refused"):
            Caller(ending)
        caller.call("nspd.TestGate", gate="late", tokens=1)
        assert caller.code(waiting) == 0
        assert ending.process.poll() is None
        for entry in caller.call("nspd.ListLookups")["lookups"]:
            caller.send("NSPv2LookupServiceEnd", lookup=entry["lookup"])
        assert ending.exited() == 0
    assert not ending.socket.exists()


def test_a_thousand_connections_come_and_go(daemon: Daemon, caller: Caller) -> None:
    """Case 94: as many descriptors as before."""
    before = caller.census()["file_descriptors"]
    for number in range(1000):
        with Caller(daemon) as other:
            if number % 10 == 0:
                other.call("NSPv2Startup")
                other.begin(HANG)
        if number % CONNECTIONS // 2 == 0:
            until(lambda: caller.census()["connections"] == 1)
    until(lambda: caller.census()["connections"] == 1)
    assert caller.census()["file_descriptors"] == before


def test_endless_bytes_without_a_line_end(daemon: Daemon, caller: Caller) -> None:
    """Case 122: one error, that connection is closed, memory stays, others are served."""
    before = daemon.memory()
    with Caller(daemon) as endless:
        endless.send("NSPv2Startup")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(100_000):
                endless.socket.sendall(b"x" * 65536)
            pytest.fail("the daemon reads on for ever")
        assert caller.code(caller.next(caller.begin("records=1"))) == 0
    assert daemon.memory() - before < 8 * 1024 * 1024
    (handle,) = [entry["lookup"] for entry in caller.call("nspd.ListLookups")["lookups"]]
    caller.call("NSPv2LookupServiceEnd", lookup=handle)


def test_a_line_that_is_too_long(daemon: Daemon, caller: Caller) -> None:
    """Case 122: what waits is answered, the error comes last, and the daemon hangs up by itself."""
    with Caller(daemon) as other:
        other.call("NSPv2Startup")
        waiting = other.next(other.begin(HANG))
        other.socket.sendall(b"x" * (1024 * 1024 + 1))
        assert other.code(waiting) == CANCELLED
        last = other.read()
        assert (last["id"], last["error"]["code"]) == (None, INVALID_REQUEST)
        assert other.read() is None
        until(lambda: caller.census()["connections"] == 1)


def test_one_connection_too_many(daemon: Daemon, caller: Caller) -> None:
    """Case 134: it is refused with an error 8; the others work; one leaves, another gets in."""
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(Caller(daemon)) for _ in range(CONNECTIONS - 1)]
        for other in others:
            other.call("nspd.Status")
        with Caller(daemon) as refused:
            assert refused.read()["error"]["code"] == NOT_ENOUGH_MEMORY
            assert refused.read() is None
        for other in others:
            other.call("nspd.Status")
        others[0].__exit__()
        until(lambda: caller.census()["connections"] == CONNECTIONS - 1)
        with Caller(daemon) as late:
            late.call("nspd.Status")


def test_a_client_that_does_not_read(daemon: Daemon, caller: Caller) -> None:
    """Case 136: with 1000 large replies due it is held back; when it goes, its handles go."""
    before = daemon.memory()
    with Caller(daemon) as slow:
        slow.call("NSPv2Startup")
        handle = slow.begin("records=1000&size=100000")
        slow.send_many(1000, "NSPv2LookupServiceNextEx", lookup=handle)
        until(lambda: session_of(caller, 1)["bytes_unsent"] > 256 * 1024)
        assert caller.code(caller.next(caller.begin("records=1"))) == 0
        assert session_of(caller, 1)["bytes_unsent"] < 1024 * 1024
        assert daemon.memory() - before < 16 * 1024 * 1024
    (handle,) = [
        entry["lookup"] for entry in caller.call("nspd.ListLookups")["lookups"] if mine(entry)
    ]
    caller.call("NSPv2LookupServiceEnd", lookup=handle)


def session_of(caller: Caller, number: int) -> dict[str, Any]:
    """What the daemon says of one session, by the order of their Startups."""
    session: dict[str, Any] = caller.call("nspd.ListSessions")["sessions"][number]
    return session


def mine(entry: dict[str, Any]) -> bool:
    """Whether a lookup is one of those that give one record."""
    return bool(entry["query_string"] == "records=1")


def test_a_client_that_reads_again(daemon: Daemon, caller: Caller) -> None:
    """Case 136: all of its thousand replies come, in order and whole."""
    with Caller(daemon) as slow:
        slow.call("NSPv2Startup")
        handle = slow.begin("records=1000&size=10000")
        calls = slow.send_many(1000, "NSPv2LookupServiceNextEx", lookup=handle)
        until(lambda: session_of(caller, 1)["bytes_unsent"] > 256 * 1024)
        names = [slow.reply(id)["result"]["service_instance_name"] for id in calls]
        assert names == [f"test-{number}" for number in range(1, 1001)]


def test_the_client_is_gone_when_its_reply_is_written(daemon: Daemon, caller: Caller) -> None:
    """Case 137: fifty clients close while their records come; their handles are freed."""
    for _ in range(50):
        with Caller(daemon) as other:
            other.call("NSPv2Startup")
            other.next(other.begin("gate=gone"))
            caller.send("nspd.TestGate", gate="gone", tokens=1)
        caller.call("nspd.TestReset")
    until(lambda: caller.census()["lookups"] == 0)
