"""What a service manager and its service tell each other (systemd's sd_notify and sd_listen_fds).

Nothing here needs systemd: without its environment variables every function
does nothing, and says so.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from msgspec import Struct

FIRST_DESCRIPTOR = 3
"""Inherited sockets begin after standard error (SD_LISTEN_FDS_START)."""

_SEND_TIMEOUT = 1.0


class Inherited(Struct, frozen=True):
    """A socket that the service manager opened for the daemon."""

    descriptor: int
    name: str
    """``FileDescriptorName=`` of the socket unit; "unknown" where none is given."""


def notify(message: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send assignments, one a line, to the service manager (sd_notify(3)).

    Returns:
        Whether they were sent. No manager, or one that does not listen, is
        no reason to stop.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(_SEND_TIMEOUT)
            channel.connect(address)
            channel.sendall(message.encode())
    except OSError:
        return False
    return True


def ready(status: str = "", environment: Mapping[str, str] = os.environ) -> bool:
    """Say that start-up, or a reload, is over; `status` is one line for people."""
    return notify(f"READY=1\nSTATUS={status}" if status else "READY=1", environment)


def reloading(environment: Mapping[str, str] = os.environ) -> bool:
    """Say that a reload has begun; `ready` ends it."""
    return notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}", environment)


def stopping(status: str = "", environment: Mapping[str, str] = os.environ) -> bool:
    """Say that the daemon is going away."""
    return notify(f"STOPPING=1\nSTATUS={status}" if status else "STOPPING=1", environment)


def alive(environment: Mapping[str, str] = os.environ) -> bool:
    """Feed the watchdog."""
    return notify("WATCHDOG=1", environment)


def watchdog_interval(
    environment: Mapping[str, str] = os.environ, pid: int | None = None
) -> float | None:
    """Seconds between two calls of `alive`: half of what the manager allows; None: no watchdog."""
    text = environment.get("WATCHDOG_USEC", "")
    if not text.isdecimal() or int(text) == 0:
        return None
    if not _is_for(environment.get("WATCHDOG_PID"), pid, missing=True):
        return None
    return int(text) / 2e6


def inherited_sockets(
    environment: Mapping[str, str] = os.environ, pid: int | None = None
) -> list[Inherited]:
    """The sockets that the service manager passed on (sd_listen_fds(3)).

    They are inheritable still and stay open; the caller takes them over.

    Args:
        environment: ``LISTEN_PID`` guards against variables meant for a parent.
        pid: of the process that asks; by default this one.
    """
    count = environment.get("LISTEN_FDS", "")
    if not count.isdecimal() or not _is_for(environment.get("LISTEN_PID"), pid, missing=False):
        return []
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    return [
        Inherited(FIRST_DESCRIPTOR + i, (names[i] if i < len(names) else "") or "unknown")
        for i in range(int(count))
    ]


def _is_for(wanted: str | None, pid: int | None, *, missing: bool) -> bool:
    """Whether a variable that names a process means this one; `missing`: if it is not there."""
    if not wanted:
        return missing
    return wanted == str(os.getpid() if pid is None else pid)
