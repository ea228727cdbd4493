"""A daemon of the laboratory's own, with the test namespace on."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryDirectory

import anyio
from anyio.abc import Process

from nspd.model.errors import NetworkDown

_START_WITHIN = 20.0
_STOP_WITHIN = 10.0
_POLL = 0.02

_CONFIGURATION = """\
[daemon]
state_dir = "{state}"

[log]
level = "warning"
format = "console"

[[provider]]
kind = "test"

[[provider]]
kind = "hosts"
"""


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
    with TemporaryDirectory(prefix="nspd-race-") as name:
        home = Path(name)
        configuration = home / "nspd.toml"
        configuration.write_text(_CONFIGURATION.format(state=home / "state"))
        path = home / "nspd.sock"
        command = [sys.executable, "-m", "nspd.cli.nspd", "serve"]
        command += ["--config", str(configuration), "--socket", str(path)]
        if backend is not None:
            command += ["--backend", backend]
        # With --config the environment still applies, and would change what is measured.
        environment = {key: text for key, text in os.environ.items() if key[:5] != "NSPD_"}
        with (home / "stderr").open("w+b") as errors:
            process = await anyio.open_process(
                command, stdin=DEVNULL, stdout=errors, stderr=errors, env=environment
            )
            try:
                await _listening(process, path, home / "stderr")
                yield str(path)
            finally:
                with anyio.CancelScope(shield=True):
                    await _stop(process)


async def _listening(process: Process, path: Path, errors: Path) -> None:
    """Wait until somebody answers at the socket."""
    with anyio.move_on_after(_START_WITHIN):
        while not _answers(path):
            if process.returncode is not None:
                raise NetworkDown(
                    f"the daemon ended with exit {process.returncode}: {_last_line(errors)}"
                )
            await anyio.sleep(_POLL)
        return
    raise NetworkDown(f"the daemon did not listen within {_START_WITHIN:.0f} seconds")


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def _last_line(path: Path) -> str:
    return next(reversed(path.read_text(errors="replace").splitlines()), "it said nothing")


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
