"""Addresses as people write them: ``tcp:192.0.2.1:80``, ``udp:[::1]:53``, ``unix:/run/x``.

What `address_text` writes, `parse_address` reads.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import click

from nspd.model.queryset import DGRAM, STREAM, TCP, UDP, CsAddr, SocketAddress

_KINDS = {
    "tcp": (STREAM, TCP),
    "udp": (DGRAM, UDP),
    "stream": (STREAM, 0),
    "dgram": (DGRAM, 0),
    "any": (0, 0),
}
_UNIX_KINDS = {"unix": (STREAM, 0), "unix-dgram": (DGRAM, 0), "unix-any": (0, 0)}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_UNIX_NAMES = {kind: name for name, kind in _UNIX_KINDS.items()}

ParsedAddress: TypeAlias = tuple[SocketAddress, int, int]
"""A socket address with its socket type and protocol."""

FORMS = "tcp:HOST:PORT, udp:HOST:PORT or unix:/PATH"


def parse_address(text: str) -> ParsedAddress:
    """The address, socket type and protocol that a text names.

    Raises:
        ValueError: it names none; the message is a sentence for a person.
    """
    kind, colon, rest = text.partition(":")
    if kind in _UNIX_KINDS and colon:
        if not rest:
            raise ValueError("a UNIX socket needs a path: unix:/PATH")
        socket_type, protocol = _UNIX_KINDS[kind]
        return SocketAddress(family="unix", path=rest), socket_type, protocol
    if not colon or (kind not in _KINDS and "/" not in kind):
        raise ValueError(f"write {FORMS}")
    socket_type, protocol = _KINDS.get(kind) or _numbers(kind)
    return _host_and_port(rest), socket_type, protocol


def _numbers(kind: str) -> tuple[int, int]:
    socket_type, _, protocol = kind.partition("/")
    if not (socket_type.isdecimal() and protocol.isdecimal()):
        raise ValueError(f"{kind!r} is no socket type: write {FORMS}, or TYPE/PROTOCOL in numbers")
    return int(socket_type), int(protocol)


def _host_and_port(text: str) -> SocketAddress:
    if text.startswith("["):
        host, bracket, port_text = text[1:].partition("]")
        if not bracket or not port_text.startswith(":"):
            raise ValueError("an IPv6 address is written [HOST]:PORT")
        port_text = port_text[1:]
    else:
        host, colon, port_text = text.rpartition(":")
        if not colon:
            raise ValueError(f"{text!r} has no port: write {FORMS}")
        if ":" in host:
            raise ValueError(f"write an IPv6 address in brackets: [{host}]:{port_text}")
    if not (port_text.isascii() and port_text.isdecimal()) or int(port_text) > 65535:
        raise ValueError(f"{port_text!r} is not a port from 0 to 65535")
    host, percent, scope = host.partition("%")
    scope_id = _scope(scope) if percent else None
    family: Literal["inet", "inet6"] = "inet6" if text.startswith("[") else "inet"
    try:
        return SocketAddress(family=family, host=host, port=int(port_text), scope_id=scope_id)
    except ValueError:
        wanted = "IPv6" if family == "inet6" else "IPv4"
        raise ValueError(f"{host!r} is not an {wanted} address (names are not looked up)") from None


def _scope(text: str) -> int:
    if text.isascii() and text.isdecimal():
        return int(text)
    import socket

    try:
        return socket.if_nametoindex(text)
    except OSError:
        raise ValueError(f"there is no network interface {text!r}") from None


def address_text(entry: CsAddr) -> str:
    """An entry of a query set for people; what is only bound is marked so.

    An entry without port, socket type and protocol is the bare address.
    """
    kind = entry.socket_type, entry.protocol
    if entry.remote is None:
        return f"{_socket_address_text(entry.local, kind)} (bind)" if entry.local else "none"
    text = _socket_address_text(entry.remote, kind)
    return f"{text} (bind {_socket_address_text(entry.local, kind)})" if entry.local else text


def _socket_address_text(address: SocketAddress, kind: tuple[int, int]) -> str:
    numbers = f"{kind[0]}/{kind[1]}"
    if address.path is not None:
        return f"{_UNIX_NAMES.get(kind, f'unix {numbers}')}:{address.path}"
    if address.data is not None:
        return f"family {address.family} {numbers}: {address.data.hex()}"
    host = address.host or ""
    if address.scope_id:
        host += f"%{address.scope_id}"
    if kind == (0, 0) and not address.port:
        return host
    if address.family == "inet6":
        host = f"[{host}]"
    return f"{_NAMES.get(kind, numbers)}:{host}:{address.port}"


def address_param(text: str) -> ParsedAddress:
    """A click parameter in the forms that `parse_address` reads."""
    try:
        return parse_address(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}.") from None


def entries(
    remote: tuple[ParsedAddress, ...],
    local: tuple[ParsedAddress, ...],
) -> tuple[CsAddr, ...]:
    """The addresses of a registration: the n-th to bind belongs to the n-th to reach.

    Raises:
        click.UsageError: a pair is of two kinds, such as tcp and udp.
    """
    from itertools import zip_longest

    joined = []
    for reach, bind in zip_longest(remote, local):
        if reach and bind and reach[1:] != bind[1:]:
            raise click.UsageError("--bind must be of the same kind as the --address it belongs to")
        _, socket_type, protocol = reach or bind
        joined.append(
            CsAddr(
                remote=reach[0] if reach else None,
                local=bind[0] if bind else None,
                socket_type=socket_type,
                protocol=protocol,
            )
        )
    return tuple(joined)
