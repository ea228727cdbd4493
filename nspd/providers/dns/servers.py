"""DNS servers: how the configuration writes them, and in which order they are asked."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

from msgspec import Struct

PORT = 53

LATELY = 30.0
"""Seconds for which a server that failed is asked after the others."""

_BROADCAST = ipaddress.IPv4Address("255.255.255.255")
_LONGEST_SCOPE = 15  # IFNAMSIZ, without the byte that ends it
_LARGEST_INDEX = 2**31 - 1
_SockAddr = tuple[str, int] | tuple[str, int, int, int]


class Server(Struct, frozen=True, gc=False):
    """Where a DNS server listens, over UDP and over TCP."""

    address: str
    """IPv4 or IPv6; a link-local one may have a scope ("fe80::1%eth0", RFC 4007)."""
    port: int = PORT

    def __str__(self) -> str:
        """As the configuration writes it, always with the port."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        """The address family of its sockets."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET

    def sockaddr(self) -> _SockAddr:
        """The address to connect a socket to; never asks a name service.

        Raises:
            OSError: the interface that the scope names is not there.
        """
        if ":" not in self.address:
            return self.address, self.port
        host, _, scope = self.address.partition("%")
        if not scope:
            return host, self.port, 0, 0
        if not scope.isdecimal():
            return host, self.port, 0, socket.if_nametoindex(scope)
        return host, self.port, 0, min(int(scope), _LARGEST_INDEX)


def parse_server(text: str) -> Server:
    """A server as people write it: "ADDRESS", "ADDRESS:PORT" or "[ADDRESS]:PORT".

    Raises:
        ValueError: it is none of these; the message says what is wrong.
    """
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is not [ADDRESS]:PORT")
        if ":" not in host:
            raise ValueError(f"{text!r} has brackets around what is no IPv6 address")
        port = rest[1:]
        if rest and not port:
            raise ValueError(f"{text!r} has no port after the colon")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
        if not port:
            raise ValueError(f"{text!r} has no port after the colon")
    address = parse_address(host)
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
        raise ValueError(f"{port!r} is not a port")
    return Server(address, int(port) if port else PORT)


def parse_address(text: str) -> str:
    """The IP address that a text is, in its usual form; it may have a scope.

    Raises:
        ValueError: it is no IP address, or not that of one host.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None
    scope = text.partition("%")[2]
    if not scope.isascii() or not scope.isprintable() or len(scope) > _LONGEST_SCOPE:
        raise ValueError(f"{scope!r} can be the name of no network interface")
    if address.is_multicast or address == _BROADCAST:
        raise ValueError(f"{text!r} is not the address of one server")
    return str(address)


class Health:
    """Which servers failed lately: to be asked, but last.

    Failing means silence or being out of reach. An answer, even a refusing one,
    says that the server is there: SERVFAIL mostly tells of the name asked for.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """Make the memory; it knows of no failure.

        Args:
            now: a monotonic clock in seconds.
        """
        self._now = now
        self._failed: dict[Server, float] = {}

    def failed(self, server: Server) -> None:
        """The server did not answer."""
        self._failed[server] = self._now()

    def answered(self, server: Server) -> None:
        """The server answered, whatever it said."""
        if self._failed:
            self._failed.pop(server, None)

    def keep(self, servers: Sequence[Server]) -> None:
        """Forget all servers but these."""
        self._failed = {each: at for each, at in self._failed.items() if each in servers}

    def order(self, servers: Sequence[Server]) -> Sequence[Server]:
        """The servers in the order in which to ask them.

        Those that failed within `LATELY` come last, the longest ago first; the
        others stay in the order given.
        """
        if not self._failed:
            return servers
        since = self._now() - LATELY
        failed = {each: at for each, at in self._failed.items() if at > since}
        return sorted(servers, key=lambda server: failed.get(server, float("-inf")))
