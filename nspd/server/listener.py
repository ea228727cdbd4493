"""The listening socket: bound over a dead daemon's, never over a live one's."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
from pathlib import Path

BACKLOG = 1024


class AddressInUse(Exception):
    """Another daemon listens there."""


class Listener:
    """A bound UNIX socket and its file. Closing unlinks the file, if it is still ours.

    A lock beside the socket decides between two daemons that start at once;
    it is held as long as the listener is open and goes with the process.
    """

    def __init__(
        self, listening: socket.socket, path: Path | None = None, lock: int | None = None
    ) -> None:
        self.socket = listening
        self._path = path
        self._lock = lock
        self._inode = _identity(path) if path is not None else None

    def close(self) -> None:
        """Take no more clients: they see at once that nobody listens. Safe to call twice."""
        if self._path is not None and _identity(self._path) == self._inode:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
        self._path = None
        self.socket.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def adopt(descriptor: int) -> Listener:
    """Take over a listening socket that the service manager has made; its file stays."""
    listening = socket.socket(fileno=descriptor)
    listening.setblocking(False)
    return Listener(listening)


def listen(path: Path, mode: int) -> Listener:
    """Bind and listen.

    Args:
        path: of the socket file; its directory is made if it is missing.
        mode: permissions of the socket file.

    Raises:
        AddressInUse: a live daemon has it, or the path is no socket.
        OSError: it cannot be bound.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AddressInUse(f"another daemon is starting or running at {path}") from None
        _remove_stale(path)
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
        # Until now only the owner could have connected, and nobody was listening.
        path.chmod(mode)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        os.close(lock)
        raise
    return Listener(listening, path, lock)


def _remove_stale(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise AddressInUse(f"{path} exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            pass
        except TimeoutError:
            raise AddressInUse(f"another daemon listens at {path}") from None
        else:
            raise AddressInUse(f"another daemon listens at {path}")
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
