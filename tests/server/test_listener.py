"""The listening socket and its file."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from nspd.server.listener import AddressInUse, Listener, adopt, listen


@pytest.fixture
def path() -> Iterator[Path]:
    """A path short enough for a socket."""
    with TemporaryDirectory() as directory:
        yield Path(directory) / "run" / "nspd.sock"


def accepts(path: Path) -> bool:
    """Whether somebody listens there."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def leave_stale(path: Path) -> None:
    """A socket file as a daemon leaves it that was killed."""
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_mode_and_directory(path: Path, mode: int) -> None:
    """The directory is made, the file has the mode, whatever the umask says."""
    before = os.umask(0o077)
    try:
        with closing(listen(path, mode)):
            assert stat.S_IMODE(path.stat().st_mode) == mode
            assert accepts(path)
    finally:
        os.umask(before)
    assert not path.exists()


def test_a_stale_socket_is_replaced(path: Path) -> None:
    """A file that nobody listens at is bound over."""
    leave_stale(path)
    with closing(listen(path, 0o600)):
        assert accepts(path)


def test_a_live_one_is_refused(path: Path) -> None:
    """A second daemon is refused, and the first is not disturbed."""
    with closing(listen(path, 0o600)):
        with pytest.raises(AddressInUse):
            listen(path, 0o600)
        assert accepts(path)


def test_a_live_one_without_our_lock_is_refused(path: Path) -> None:
    """Whoever listens there, daemon of ours or not, keeps the path."""
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(AddressInUse, match="listens"):
            listen(path, 0o600)
        assert path.exists()


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_is_left_alone(path: Path, kind: str) -> None:
    """A file, a directory or a symbolic link in the way is refused and stays."""
    path.parent.mkdir()
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(path.parent / "elsewhere")
    with pytest.raises(AddressInUse, match="not a socket"):
        listen(path, 0o600)
    assert path.is_symlink() or path.exists()


def test_only_the_own_file_is_unlinked(path: Path) -> None:
    """A socket that another daemon has put in our place survives our end."""
    listener = listen(path, 0o600)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        listener.close()
        listener.close()
        assert accepts(path)


def test_an_inherited_socket_keeps_its_file(path: Path) -> None:
    """The file of a socket that the service manager made is not ours to remove."""
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
        made.listen()
        listener: Listener = adopt(os.dup(made.fileno()))
        assert not listener.socket.getblocking()
        listener.close()
        assert accepts(path)


def test_after_close_the_path_is_free(path: Path) -> None:
    """Closing lets go of the lock, so that the next daemon can start at once."""
    listen(path, 0o600).close()
    with closing(listen(path, 0o600)):
        assert accepts(path)
