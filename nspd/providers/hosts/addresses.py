"""Address literals: the one spelling in which the hosts table keeps and compares them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from itertools import repeat

from nspd.model.queryset import CsAddr, SocketAddress

InterfaceIndex = Callable[[str], int]
"""Gives the number of a network interface; raises OSError if there is none of that name."""

_SCOPE_MAX = 0xFFFFFFFF


def canonical(literal: str, interface_index: InterfaceIndex = socket.if_nametoindex) -> str:
    """The usual spelling of an address literal; an IPv6 scope becomes its number.

    Args:
        literal: an IPv4 or IPv6 address, the latter with ``%`` and a scope
            (an interface's number or name) if need be.
        interface_index: how the name of an interface is made a number.

    Raises:
        ValueError: it is no address literal, or its interface does not exist.
    """
    host, percent, scope = literal.partition("%")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        packed = socket.inet_pton(family, host)
        if family == socket.AF_INET6:  # an IPv4 address has one spelling only
            host = socket.inet_ntop(family, packed)
    except (OSError, ValueError):
        raise ValueError(f"{_shown(literal)} is not an address") from None
    if not percent:
        return host
    if family == socket.AF_INET:
        raise ValueError(f"{_shown(literal)}: only an IPv6 address has a scope")
    number = _scope_number(scope, interface_index)
    return f"{host}%{number}" if number else host


def canonical_all(literals: Sequence[str]) -> list[str]:
    """The `canonical` spelling of many literals, which may repeat.

    Raises:
        ValueError: as `canonical`, for one of them.
    """
    distinct = set(literals)
    try:
        for _ in map(socket.inet_pton, repeat(socket.AF_INET), distinct):
            pass
    except (OSError, ValueError):
        spelling = {literal: canonical(literal) for literal in distinct}
        return [spelling[literal] for literal in literals]
    return list(literals)  # an IPv4 address has one spelling only


def _scope_number(scope: str, interface_index: InterfaceIndex) -> int:
    if scope.isascii() and scope.isdigit():
        # Longer runs of digits would cost more to convert than they can mean.
        number = int(scope) if len(scope) <= 10 else _SCOPE_MAX + 1
        if number > _SCOPE_MAX:
            raise ValueError(f"{_shown(scope)} is too large for a scope")
        return number
    try:
        return interface_index(scope)
    except (OSError, ValueError):
        raise ValueError(f"there is no network interface {_shown(scope)}") from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def may_be_literal(name: str) -> bool:
    """Whether it is worth asking `canonical`; false for every ordinary host name."""
    return ":" in name or name[-1:].isdigit()


def without_scope(address: str) -> str:
    """The address alone, of one in the canonical spelling."""
    return address.partition("%")[0]


def without_scopes(addresses: Sequence[str]) -> Sequence[str]:
    """The addresses alone, of many, of which few if any have a scope."""
    return list(map(without_scope, addresses)) if "%" in "".join(addresses) else addresses


def family(address: str) -> str:
    """``inet`` or ``inet6``, of an address in the canonical spelling."""
    return "inet6" if ":" in address else "inet"


def transport_address(address: str) -> CsAddr:
    """What a record says of an address: where to reach the host, on no port in particular."""
    host, percent, scope = address.partition("%")
    remote = SocketAddress(
        family="inet6" if ":" in host else "inet",
        host=host,
        port=0,
        scope_id=int(scope) if percent else None,
    )
    return CsAddr(remote=remote, socket_type=0, protocol=0)
