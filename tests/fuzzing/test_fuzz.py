"""Damaged sessions against a real daemon, for as long as one likes.

NSPD_FUZZ_SECONDS=180 pytest tests/fuzzing/test_fuzz.py     the whole of case 149
NSPD_SEED=7                                                 other sessions
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_daemon import DEADLINE, Caller, Daemon, until
from tests.fuzzing.mutator import damaged, pieces
from tests.fuzzing.sessions import HANDLE, SESSIONS

SECONDS = float(os.environ.get("NSPD_FUZZ_SECONDS", "3"))
SEED = int(os.environ.get("NSPD_SEED", "0"))

BETWEEN_CHECKS = 20
"""Rounds after which a sound client looks whether it is still served."""

AT_ONCE, HELD = 5, 4
"""Sessions that are played in one round, and connections that are left open after it."""

GROWTH = 48 * 1024 * 1024
"""Bytes by which the daemon's memory may have grown, caches and thresholds included."""

OTHERS = """
[[provider]]
kind = "hosts"

[[provider]]
kind = "registry"
store = "memory"
"""

TEST = 65537
SCRIPTS = ("records=3", "records=0&hang=1", "gate=g", "records=900&flood=1", "records=2&size=9000")


class Session:
    """One client that is not to be trusted; everything that it does comes from its seed."""

    def __init__(self, daemon: Daemon, seed: int) -> None:
        self._chance = random.Random(f"{SEED}-{seed}")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(str(daemon.socket))
        self._handle = 1
        self._pieces: deque[bytes] = deque()
        self._begins = self._chance.random() < 0.9

    def begin(self) -> None:
        """A Startup and a Begin that are as they should be."""
        if self._begins:
            query = {"namespace": TEST, "query_string": self._chance.choice(SCRIPTS)}
            self.socket.sendall(
                request(1, "NSPv2Startup")
                + request(2, "NSPv2LookupServiceBegin", restrictions=query)
            )

    def damage(self) -> None:
        """Take the handle, and make of it what will be said."""
        received = b""
        while self._begins and received.count(b"\n") < 2:
            received += self.socket.recv(65536)
        if received:
            self._handle = json.loads(received.split(b"\n")[1])["result"]["lookup"]
        sound = self._chance.choice(SESSIONS)
        sound = sound.replace(str(HANDLE).encode(), str(self._handle).encode())
        self._pieces.extend(pieces(self._chance, damaged(self._chance, sound)))
        self.socket.setblocking(False)

    def say(self) -> bool:
        """Send the next piece; whether there is more to say, and somebody to hear it."""
        if self._pieces:
            # A client that does not listen is not listened to either; it may have been hung up on.
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                self.socket.send(self._pieces.popleft())
        return bool(self._pieces)

    def listen(self) -> None:
        """Take some of the answers, each line of which is a message; perhaps hang up by half."""
        received = b""
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            for _ in range(self._chance.choice([0, 1, 4])):
                received += self.socket.recv(65536)
        for line in received.split(b"\n")[:-1]:
            json.loads(line)
        if self._chance.random() < 0.3:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)


def request(id: int, method: str, **params: Any) -> bytes:
    """One request as a line."""
    message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"


class Fuzzer:
    """Plays damaged sessions, some at a time, and leaves some connections open for a while."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._held: deque[Session] = deque()
        self.sessions = 0

    def play(self) -> None:
        """Some sessions, whose pieces come in turn."""
        together = [Session(self._daemon, self.sessions + n) for n in range(AT_ONCE)]
        self.sessions += AT_ONCE
        for session in together:
            session.begin()
        for session in together:
            session.damage()
        talking = together
        while talking:
            talking = [session for session in talking if session.say()]
        for session in together:
            session.listen()
        self._held.extend(together)
        while len(self._held) > HELD:
            self._held.popleft().socket.close()

    def close(self) -> None:
        """Hang up everywhere."""
        while self._held:
            self._held.popleft().socket.close()


def is_served(daemon: Daemon) -> None:
    """The daemon lives, and a normal lookup works."""
    assert daemon.process.poll() is None
    with Caller(daemon) as caller:
        caller.call("NSPv2Startup")
        for provider in caller.call("WSAEnumNameSpaceProvidersEx")["providers"]:
            caller.call("WSCEnableNSProvider", provider_id=provider["provider_id"], enable=True)
        handle = caller.begin("records=2")
        records = [caller.reply(caller.next(handle))["result"] for _ in range(2)]
        assert [r["service_instance_name"] for r in records] == ["test-1", "test-2"]
        assert caller.code(caller.next(handle)) == 10110
        caller.call("NSPv2LookupServiceEnd", lookup=handle)


@pytest.fixture(params=["asyncio", "trio"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon on either event loop, with what most daemons have."""
    daemon = Daemon(tmp_path, request.param, OTHERS, connections=256)
    try:
        yield daemon
    finally:
        daemon.stop()


def test_damaged_sessions(daemon: Daemon) -> None:
    """Case 149: the daemon lives, its census comes back, it complains of nothing."""
    with Caller(daemon) as caller:
        before = caller.census()
    is_served(daemon)
    fuzzer = Fuzzer(daemon)
    memory = 0
    begun = time.monotonic()
    while time.monotonic() - begun < SECONDS:
        for _ in range(BETWEEN_CHECKS):
            fuzzer.play()
        is_served(daemon)
        memory = memory or daemon.memory()
    fuzzer.close()
    with Caller(daemon) as caller:
        until(lambda: caller.census() == before)
    is_served(daemon)
    assert daemon.memory() - memory < GROWTH
    assert daemon.complaints() == []
    assert fuzzer.sessions >= BETWEEN_CHECKS * AT_ONCE
    grown = (daemon.memory() - memory) / 2**20
    print(f"{fuzzer.sessions} sessions in {SECONDS:.0f} s, memory {grown:+.1f} MiB")
