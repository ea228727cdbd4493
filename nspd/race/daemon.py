"""Daemons of the laboratory's own, with the test namespace on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import anyio
from anyio.abc import Process
from msgspec import Struct

from nspd.model.errors import NetworkDown
from nspd.race.loop import Loop

_START_WITHIN = 20.0
_STOP_WITHIN = 10.0
_POLL = 0.02

_CONFIGURATION = """\
[daemon]
state_dir = "{state}"
drain_timeout = {drain_timeout}

[log]
level = "warning"
format = "console"

[[provider]]
kind = "test"

[[provider]]
kind = "hosts"
"""


class _Home:
    """What a daemon of ours needs in its temporary directory, and how it is started."""

    def __init__(self, home: Path, backend: str | None, drain_timeout: float = 5.0) -> None:
        self.socket = home / "nspd.sock"
        self.errors = home / "stderr"
        configuration = home / "nspd.toml"
        configuration.write_text(
            _CONFIGURATION.format(state=home / "state", drain_timeout=drain_timeout)
        )
        self.command = [sys.executable, "-m", "nspd.cli.nspd", "serve"]
        self.command += ["--config", str(configuration), "--socket", str(self.socket)]
        if backend is not None:
            self.command += ["--backend", backend]
        # With --config the environment still applies, and would change what is measured.
        self.environment = {key: text for key, text in os.environ.items() if key[:5] != "NSPD_"}

    def answers(self) -> bool:
        """Whether somebody listens."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def last_words(self) -> str:
        """The last line that it logged."""
        lines = self.errors.read_text(errors="replace").splitlines()
        return next(reversed(lines), "it said nothing")


class OwnDaemon(Struct, frozen=True):
    """A daemon that was started for a run."""

    socket: str
    """The path of its socket."""
    process: Process
    errors: Path
    """What it logs."""

    @property
    def epitaph(self) -> str | None:
        """How it ended and what it said last; None: it runs."""
        status = self.process.returncode
        if status is None:
            return None
        lines = self.errors.read_text(errors="replace").splitlines()
        how = f"exit {status}" if status >= 0 else signal.Signals(-status).name
        return f"the daemon ended ({how}): {next(reversed(lines), 'it said nothing')}"


@asynccontextmanager
async def own_daemon(backend: str | None = None) -> AsyncIterator[str]:
    """Start a daemon in a temporary directory, and stop it at the end.

    Args:
        backend: ``asyncio`` or ``trio``; None: the default.

    Yields:
        The path of its socket.

    Raises:
        NetworkDown: it did not start.
    """
    async with owned_daemon(backend) as daemon:
        yield daemon.socket


@asynccontextmanager
async def owned_daemon(backend: str | None = None) -> AsyncIterator[OwnDaemon]:
    """As `own_daemon`, and yields the daemon itself."""
    with TemporaryDirectory(prefix="nspd-race-") as name:
        home = _Home(Path(name), backend)
        with home.errors.open("w+b") as errors:
            process = await anyio.open_process(
                home.command,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env=home.environment,
                # An interrupt from the keyboard is for the command alone.
                start_new_session=True,
            )
            try:
                await _listening(process, home)
                yield OwnDaemon(str(home.socket), process, home.errors)
            finally:
                with anyio.CancelScope(shield=True):
                    await _stop(process)


async def _listening(process: Process, home: _Home) -> None:
    """Wait until somebody answers at the socket."""
    with anyio.move_on_after(_START_WITHIN):
        while not home.answers():
            if process.returncode is not None:
                raise _did_not_start(process.returncode, home)
            await anyio.sleep(_POLL)
        return
    raise NetworkDown(f"the daemon did not listen within {_START_WITHIN:.0f} seconds")


def _did_not_start(status: int, home: _Home) -> NetworkDown:
    return NetworkDown(f"the daemon ended with exit {status}: {home.last_words()}")


async def _stop(process: Process) -> None:
    """Ask it to drain; kill it if it does not."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        with anyio.move_on_after(_STOP_WITHIN):
            await process.wait()
    if process.returncode is None:
        process.kill()
    await process.wait()
    await process.aclose()


class DrainingDaemon:
    """A daemon of one race's own, on the driver's loop; a context manager.

    It is told to stop by `terminate`, and killed at the end if it has not stopped.
    """

    def __init__(self, loop: Loop, backend: str | None, drain_timeout: float) -> None:
        """Make one; it starts when the context is entered.

        Args:
            loop: the driver's loop.
            backend: ``asyncio`` or ``trio``; None: the default.
            drain_timeout: seconds, as in ``[daemon]``.
        """
        self._loop = loop
        self._directory = TemporaryDirectory(prefix="nspd-drain-")
        self._home = _Home(Path(self._directory.name), backend, drain_timeout)
        self.socket = str(self._home.socket)
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> DrainingDaemon:
        with self._home.errors.open("w+b") as errors:
            self._process = subprocess.Popen(
                self._home.command,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env=self._home.environment,
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._directory.cleanup()

    async def listening(self) -> None:
        """Wait until it answers.

        Raises:
            NetworkDown: it ended first.
        """
        while not self._home.answers():
            status = self._process.poll()
            if status is not None:
                raise _did_not_start(status, self._home)
            await self._loop.sleep(_POLL)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    async def exit_status(self) -> int:
        """Wait for its end."""
        while (status := self._process.poll()) is None:
            await self._loop.sleep(_POLL)
        return status
