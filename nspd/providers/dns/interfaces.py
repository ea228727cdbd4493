"""What this host's network tells: source addresses, and which address families it has."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing

_DISCARD = 9
_RTM_NEWADDR = 20
_RTM_GETADDR = 22
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLM_F_REQUEST_DUMP = 0x301
_HEADER = struct.Struct("=IHHII")
_IFADDRMSG = struct.Struct("=BBBBI")
_SCOPE_HOST = 254
_FAMILIES = {int(socket.AF_INET): "inet", int(socket.AF_INET6): "inet6"}

Families = frozenset[str]


def source_address(destination: str) -> str | None:
    """The address from which this host would send to a destination; None: it has no way there.

    The system's routing is asked by connecting a UDP socket, which sends nothing.
    """
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    try:
        with closing(socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)) as probe:
            probe.connect((destination, _DISCARD))
            return str(probe.getsockname()[0]).partition("%")[0]
    except OSError:
        return None


def configured_families() -> Families:
    """The families of which this host has an address, loopback not counted (LUP_ADDRCONFIG).

    Raises:
        OSError: the kernel does not say.
    """
    with closing(
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    ) as netlink:
        request = _IFADDRMSG.pack(0, 0, 0, 0, 0)
        length = _HEADER.size + len(request)
        netlink.send(_HEADER.pack(length, _RTM_GETADDR, _NLM_F_REQUEST_DUMP, 1, 0) + request)
        found: set[str] = set()
        while True:
            for kind, body in _messages(netlink.recv(65536)):
                if kind == _NLMSG_DONE:
                    return frozenset(found)
                if kind == _NLMSG_ERROR:
                    raise OSError("the kernel does not list this host's addresses")
                if kind == _RTM_NEWADDR:
                    family, _, _, scope, _ = _IFADDRMSG.unpack_from(body)
                    if scope != _SCOPE_HOST and family in _FAMILIES:
                        found.add(_FAMILIES[family])


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, _, _, _ = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            return
        yield kind, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


class KnownFamilies:
    """What `configured_families` says, asked anew at most once in `_FRESH` seconds."""

    def __init__(
        self, now: Callable[[], float], ask: Callable[[], Families] = configured_families
    ) -> None:
        """Nothing is asked yet.

        Args:
            now: a clock in seconds.
            ask: gives the families.
        """
        self._now = now
        self._ask = ask
        self._asked: float | None = None
        self._known: Families = frozenset()

    def __call__(self) -> Families:
        """The families; both, where the kernel does not say."""
        now = self._now()
        if self._asked is None or now - self._asked >= _FRESH:
            self._asked = now
            try:
                self._known = self._ask()
            except OSError:
                self._known = frozenset(_FAMILIES.values())
        return self._known


_FRESH = 1.0
