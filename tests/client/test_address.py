from __future__ import annotations

import socket
from pathlib import Path

import pytest

import nspd
from nspd.client.address import SYSTEM_SOCKET, socket_path, unreachable
from nspd.model.errors import NetworkDown


def test_the_argument_wins_over_everything(tmp_path: Path) -> None:
    """A path that the caller names is taken, whatever the environment says."""
    assert socket_path(tmp_path / "a", {"NSPD_SOCKET": "/b"}) == str(tmp_path / "a")


def test_the_environment_names_a_socket(tmp_path: Path) -> None:
    """NSPD_SOCKET wins over a user's daemon, even if its socket does not exist."""
    (tmp_path / "nspd").mkdir()
    (tmp_path / "nspd" / "nspd.sock").touch()
    environ = {"NSPD_SOCKET": "/nowhere", "XDG_RUNTIME_DIR": str(tmp_path)}
    assert socket_path(None, environ) == "/nowhere"


def test_the_users_daemon_is_taken_only_if_its_socket_exists(tmp_path: Path) -> None:
    """Without a user's socket, the system's daemon is asked."""
    environ = {"NSPD_SOCKET": "", "XDG_RUNTIME_DIR": str(tmp_path)}
    assert socket_path(None, environ) == SYSTEM_SOCKET
    (tmp_path / "nspd").mkdir()
    (tmp_path / "nspd" / "nspd.sock").touch()
    assert socket_path(None, environ) == str(tmp_path / "nspd" / "nspd.sock")


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is told nothing looks at the environment when it is made."""
    monkeypatch.setenv("NSPD_SOCKET", "/elsewhere")
    assert nspd.Client().socket == "/elsewhere"


def test_no_daemon_is_explained(tmp_path: Path) -> None:
    """Where nothing listens, the error names the socket and says what to do."""
    path = str(tmp_path / "nspd.sock")
    with nspd.Client(path) as client, pytest.raises(NetworkDown) as missing:
        client.status()
    assert path in missing.value.detail
    assert "nspd serve" in missing.value.detail
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    with nspd.Client(path) as client, pytest.raises(NetworkDown, match="Connection refused"):
        client.status()


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (PermissionError(13, "Permission denied"), "you may not connect"),
        (TimeoutError(), "no answer in time"),
        (OSError("AF_UNIX path too long"), "path too long"),
    ],
)
def test_other_reasons_are_named(error: OSError, advice: str) -> None:
    """Each cause of a failed connection has words of its own."""
    assert advice in unreachable("/run/x.sock", error).detail
