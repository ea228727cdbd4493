"""nspctl as a process of its own, as a shell starts it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping

LIMIT = 60.0
COMMAND = (sys.executable, "-m", "nspd.cli.nspctl")


def environment(**variables: str) -> dict[str, str]:
    """The environment of this process without what steers nspctl, and with ``variables``."""
    ignored = ("NSPD_", "NO_COLOR", "TERM", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ignored)}
    return {**kept, **variables}


def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start nspctl with its output in pipes."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment(**variables),
    )


def in_terminal(*arguments: str, variables: Mapping[str, str]) -> str:
    """What nspctl writes to a terminal."""
    master, slave = pty.openpty()
    try:
        with subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment(**{"TERM": "xterm", **variables}),
        ) as process:
            process.wait(LIMIT)
        os.close(slave)
        slave = -1
        return _everything(master)
    finally:
        os.close(master)
        if slave >= 0:
            os.close(slave)


def _everything(master: int) -> str:
    written = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            # How Linux says that the other end of a terminal is closed.
            return written.decode()
        if not chunk:
            return written.decode()
        written += chunk
