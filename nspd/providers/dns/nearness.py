"""The order of destination addresses by RFC 6724, section 6: pure rules.

What they need to know of this host, the source address that it would use for
each destination, is given to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

Address = IPv4Address | IPv6Address

SourceOf = Callable[[str], str | None]
"""The source address that would be used for a destination; None: it cannot be reached."""


class Policy(NamedTuple):
    """A row of the policy table (RFC 6724, section 2.1)."""

    prefix: IPv6Network
    precedence: int
    label: int


POLICIES = tuple(
    Policy(IPv6Network(prefix), precedence, label)
    for prefix, precedence, label in (
        ("::1/128", 50, 0),
        ("::/0", 40, 1),
        ("::ffff:0:0/96", 35, 4),
        ("2002::/16", 30, 2),
        ("2001::/32", 5, 5),
        ("fc00::/7", 3, 13),
        ("::/96", 1, 3),
        ("fec0::/10", 1, 11),
        ("3ffe::/16", 1, 12),
    )
)
"""The default policy table."""

_BY_LENGTH = sorted(POLICIES, key=lambda row: row.prefix.prefixlen, reverse=True)

_LINK_LOCAL = 0x2
_SITE_LOCAL = 0x5
_GLOBAL = 0xE
_SITE = IPv6Network("fec0::/10")


def mapped(address: Address) -> IPv6Address:
    """The address in the form in which the policy table knows it: IPv4 as ``::ffff:0:0/96``."""
    if isinstance(address, IPv6Address):
        return address
    return IPv6Address(0xFFFF << 32 | int(address))


def policy_of(address: Address) -> Policy:
    """The row whose prefix is the longest that the address has."""
    wanted = mapped(address)
    return next(row for row in _BY_LENGTH if wanted in row.prefix)


def scope_of(address: Address) -> int:
    """How far the address is valid (RFC 6724, sections 3.1 and 3.2; RFC 4291, section 2.7)."""
    if isinstance(address, IPv6Address):
        plain = address.ipv4_mapped
        if plain is not None:
            return scope_of(plain)
        if address.is_multicast:
            return int(address) >> 112 & 0xF
        if address in _SITE:
            return _SITE_LOCAL
    return _LINK_LOCAL if address.is_loopback or address.is_link_local else _GLOBAL


def common_prefix(source: IPv6Address, destination: IPv6Address) -> int:
    """Leading bits that two addresses share, at most 64: those of a prefix (section 2.2)."""
    return min(128 - (int(source) ^ int(destination)).bit_length(), 64)


def nearest_first(destinations: Iterable[str], source_of: SourceOf) -> list[str]:
    """Destinations in the order in which they are to be tried.

    The rules of section 6 that can be known here: unusable destinations last
    (1), matching scope (2), matching label (5), precedence (6), smaller scope
    (8), longest matching prefix, for IPv6 alone (9, as RFC 6724 allows), else
    the order given (10). Rules 3, 4 and 7 ask about deprecated, mobile and
    tunnelled sources, of which a socket tells nothing.
    """
    return sorted(destinations, key=lambda text: _rank(text, source_of(text)))


def _rank(text: str, source_text: str | None) -> tuple[int, ...]:
    destination = ip_address(text)
    policy, scope = policy_of(destination), scope_of(destination)
    if source_text is None:
        return (1, 0, 0, -policy.precedence, scope, 0)
    source = ip_address(source_text)
    matching = 0
    if isinstance(destination, IPv6Address) and isinstance(source, IPv6Address):
        matching = common_prefix(source, destination)
    return (
        0,
        int(scope_of(source) != scope),
        int(policy_of(source).label != policy.label),
        -policy.precedence,
        scope,
        -matching,
    )
