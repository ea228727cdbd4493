"""Who is at the other end of a UNIX socket, as the kernel tells (socket(7), unix(7))."""

from __future__ import annotations

import socket
import struct

from msgspec import Struct

_CREDENTIALS = struct.Struct("3i")
_SO_PEERGROUPS = 59  # asm-generic/socket.h; Python names only some of these
_GROUP = struct.Struct("I")
_MOST_GROUPS = 65536  # NGROUPS_MAX


class Credentials(Struct, frozen=True):
    """The process that connected, at the moment when it did."""

    pid: int
    uid: int
    groups: frozenset[int]
    """Its gid and supplementary groups."""


def credentials(connected: socket.socket) -> Credentials:
    """The peer of a connected UNIX socket.

    Raises:
        OSError: the kernel does not say.
    """
    raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    return Credentials(pid, uid, frozenset({gid, *_groups(connected)}))


def _groups(connected: socket.socket) -> tuple[int, ...]:
    for size in (256, _MOST_GROUPS * _GROUP.size):
        try:
            raw = connected.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, size)
        except OSError:
            continue  # too small for its groups, or a kernel before 4.13
        return tuple(group for (group,) in _GROUP.iter_unpack(raw))
    return ()
