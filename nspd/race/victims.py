"""Client processes to be killed in the middle of their lookups."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from typing import Any

import msgspec
from msgspec import Struct

from nspd.race import victim as program
from nspd.race.loop import IN, Loop, Task

_STOP_WITHIN = 5.0


class Victim(Struct, frozen=True):
    """A process that waits to be killed."""

    pid: int
    session: int
    """Its client session."""


class Victims:
    """Makes victims; the process that forks them lives from the first to `close`."""

    def __init__(self, loop: Loop, socket: str) -> None:
        self._loop = loop
        self._socket = socket
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._ready: deque[Victim] = deque()
        self._waiting: deque[Task[Any]] = deque()

    async def one(self, lookups: int) -> Victim:
        """A new client on which so many calls wait.

        Raises:
            OSError: there can be no such process.
        """
        process = self._started()
        assert process.stdin is not None
        process.stdin.write(f"1 {lookups}\n".encode())
        process.stdin.flush()
        task = self._loop.current
        self._waiting.append(task)
        try:
            while not self._ready:
                await self._loop.suspend()
        finally:
            self._waiting.remove(task)
        return self._ready.popleft()

    def kill(self, victim: Victim) -> float:
        """Kill it with SIGKILL. Returns when, in seconds of the monotonic clock."""
        now = time.monotonic()
        os.kill(victim.pid, signal.SIGKILL)
        return now

    def close(self) -> None:
        """End the victims that are left, and whoever makes them."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        self._loop.unwatch(process.stdout.fileno())
        process.stdin.close()
        try:
            process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = start(self._socket)
            assert self._process.stdout is not None
            os.set_blocking(self._process.stdout.fileno(), False)
            self._loop.watch(self._process.stdout.fileno(), IN, self._on_ready)
        return self._process

    def _on_ready(self, _events: int) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        chunk = os.read(fd, 65_536)
        if not chunk:
            self._loop.unwatch(fd)
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self._ready += [msgspec.json.decode(line, type=Victim) for line in lines]
        for task in list(self._waiting)[: len(lines)]:
            self._loop.resume(task)


def start(socket: str) -> subprocess.Popen[bytes]:
    """Start the process that forks victims; its protocol is in `nspd.race.victim`."""
    # In a session of its own: an interrupt from the keyboard is for the command alone.
    return subprocess.Popen(
        [sys.executable, "-I", "-S", program.__file__, socket],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
