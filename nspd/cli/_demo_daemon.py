"""The demo's own daemon: a process on a temporary socket, and nothing left of it afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

_START_LIMIT = 20.0
_STOP_LIMIT = 10.0
_LOOK_AGAIN = 0.02
_LONGEST_DIRECTORY = 80

_CONFIGURATION = """\
[[provider]]
kind = "hosts"
path = {hosts}

[[provider]]
kind = "registry"
store = "memory"

[[provider]]
kind = "test"
"""


class DaemonFailed(Exception):
    """The daemon did not start; the message is what it said."""


class DemoDaemon:
    """A daemon as a subprocess in a directory of its own.

    A context manager: entering starts it and returns once it takes
    connections; leaving stops it and removes the directory, in this order and
    whatever has happened in between.
    """

    def __init__(self, hosts: Path, backend: str = "asyncio") -> None:
        """Name the hosts file that the daemon is to serve, and its event loop."""
        self._hosts = hosts
        self._backend = backend
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> str:
        """The path of the daemon's socket."""
        return str(self.directory / "nspd.sock")

    @property
    def directory(self) -> Path:
        """The temporary directory."""
        if self._directory is None:
            raise RuntimeError("the daemon has not been started")
        return self._directory

    @property
    def pid(self) -> int:
        """The daemon's process."""
        if self._process is None:
            raise RuntimeError("the daemon has not been started")
        return self._process.pid

    def __enter__(self) -> DemoDaemon:
        try:
            self._start()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._clean_up()

    def stop(self) -> int:
        """Ask the daemon to end, and wait for it; its exit status (negative: killed)."""
        if self._process is None:
            raise RuntimeError("the daemon has not been started")
        self._process.terminate()
        try:
            return self._process.wait(_STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _start(self) -> None:
        self._directory = _short_directory()
        configuration = self._directory / "nspd.toml"
        hosts = str(self._hosts.absolute()).replace("\\", "\\\\").replace('"', '\\"')
        configuration.write_text(_CONFIGURATION.format(hosts=f'"{hosts}"'), encoding="utf-8")
        command = [sys.executable, "-m", "nspd.cli.nspd", "serve"]
        command += ["--config", str(configuration), "--socket", self.socket]
        command += ["--state-dir", str(self._directory), "--backend", self._backend]
        # The user's own NSPD_ variables speak to his own daemon.
        environ = {key: value for key, value in os.environ.items() if not key.startswith("NSPD_")}
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                # Ctrl-C is for the demo, which then stops the daemon.
                start_new_session=True,
            )
        self._wait_until_it_listens(self._process)

    def _wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_LIMIT
        while not _listens(self.socket):
            if process.poll() is not None:
                raise DaemonFailed(f"exit status {process.returncode}\n{self._log()}")
            if time.monotonic() > deadline:
                raise DaemonFailed(f"not listening after {_START_LIMIT:g} s\n{self._log()}")
            time.sleep(_LOOK_AGAIN)

    def _log(self) -> str:
        return (self.directory / "log").read_text(encoding="utf-8", errors="replace").strip()

    def _clean_up(self) -> None:
        try:
            if self._process is not None and self._process.poll() is None:
                self.stop()
        finally:
            # Also when a second Ctrl-C has cut the waiting short.
            if self._process is not None and self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            if self._directory is not None:
                shutil.rmtree(self._directory, ignore_errors=True)


def _short_directory() -> Path:
    usual = tempfile.gettempdir()
    # The path of a UNIX socket has 107 bytes at most.
    where = usual if len(os.fsencode(usual)) <= _LONGEST_DIRECTORY else "/tmp"
    return Path(tempfile.mkdtemp(prefix="nspd-demo-", dir=where))


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True
