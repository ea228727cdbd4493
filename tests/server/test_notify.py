"""Talking with a service manager, over real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from nspd.server import notify
from nspd.server.notify import Inherited


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A listening manager, and its NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(5)
        if request.param == "path":
            address = str(tmp_path / "notify")
            listener.bind(address)
        else:
            listener.bind("")  # the kernel picks an abstract name
            address = "@" + listener.getsockname()[1:].decode()
        yield listener, address


def test_messages_reach_the_manager(manager: tuple[socket.socket, str]) -> None:
    """Each function sends one datagram, to a path or an abstract socket."""
    listener, address = manager
    environment = {"NOTIFY_SOCKET": address}
    assert notify.ready("3 providers", environment)
    assert listener.recv(100) == b"READY=1\nSTATUS=3 providers"
    assert notify.stopping(environment=environment)
    assert listener.recv(100) == b"STOPPING=1"
    assert notify.alive(environment)
    assert listener.recv(100) == b"WATCHDOG=1"
    assert notify.reloading(environment)
    head, _, microseconds = listener.recv(100).decode().partition("\nMONOTONIC_USEC=")
    assert head == "RELOADING=1"
    assert int(microseconds) > 0


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_manager_nothing_is_sent(environment: dict[str, str]) -> None:
    """No address, or one of a kind not supported, is no error."""
    assert not notify.ready(environment=environment)


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    """A socket that nobody has bound does not stop the daemon."""
    assert not notify.ready(environment={"NOTIFY_SOCKET": str(tmp_path / "gone")})


def test_inherited_sockets_have_their_names() -> None:
    """Descriptors count from 3; a name that is missing or empty is "unknown"."""
    environment = {"LISTEN_FDS": "3", "LISTEN_PID": "42", "LISTEN_FDNAMES": "nspd.socket:"}
    assert notify.inherited_sockets(environment, pid=42) == [
        Inherited(3, "nspd.socket"),
        Inherited(4, "unknown"),
        Inherited(5, "unknown"),
    ]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "41"},
        {"LISTEN_FDS": "one", "LISTEN_PID": "42"},
        {"LISTEN_FDS": "-1", "LISTEN_PID": "42"},
    ],
)
def test_sockets_meant_for_another_process_are_not_taken(environment: dict[str, str]) -> None:
    """Without this process's id, or a number, nothing was passed on."""
    assert notify.inherited_sockets(environment, pid=42) == []


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "42"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "41"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(
    environment: dict[str, str], interval: float | None
) -> None:
    """Half the manager's time, if the watchdog is meant for this process."""
    assert notify.watchdog_interval(environment, pid=42) == interval
