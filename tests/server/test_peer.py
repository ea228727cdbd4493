"""Who is at the other end."""

from __future__ import annotations

import os
import socket

import pytest

from nspd.server.peer import credentials


def test_credentials_are_the_kernels() -> None:
    """Process, user and all groups of whoever connected."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        found = credentials(ours)
    assert (found.pid, found.uid) == (os.getpid(), os.getuid())
    assert found.groups == {os.getgid(), *os.getgroups()}


def test_a_socket_that_is_closed() -> None:
    """Where the kernel does not say, that is an error and no guess."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with theirs:
        ours.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            credentials(ours)
