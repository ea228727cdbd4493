"""What a reply of a DNS server says about one name and type: alias chain, records, lifetime."""

from __future__ import annotations

from typing import Literal

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import msgspec
from msgspec import Struct

from nspd.model.errors import NoRecovery

MAX_CHAIN = 16
"""Aliases that are followed from one name, over all replies."""

Kind = Literal["answer", "nodata", "nxdomain"]


class Answer(Struct, frozen=True, gc=False):
    """What is known of a name and type."""

    kind: Kind
    """Records; or the name has none of this type; or there is no such name."""
    chain: tuple[dns.name.Name, ...]
    """The name asked for, then what each alias leads to; the last is the canonical name."""
    rrset: dns.rrset.RRset | None = None
    """The records, for the kind "answer"."""
    ttl: float = 0.0
    """Seconds for which it may be kept (RFC 1035, RFC 2308); 0: not at all."""
    authenticated: bool = False
    """The server says that all of it was validated by DNSSEC (the AD bit, RFC 4035)."""
    stale: bool = False
    """Its time is over, and nothing newer was to be had (RFC 8767)."""

    @property
    def canonical(self) -> dns.name.Name:
        """The name that the records have, at the end of the chain."""
        return self.chain[-1]


class Chase(Struct, frozen=True, gc=False):
    """The server knows the first part of an alias chain and leaves the rest to the asker."""

    chain: tuple[dns.name.Name, ...]
    ttl: float
    authenticated: bool


class Lifetimes(Struct, frozen=True, gc=False):
    """Bounds, in seconds, of how long answers are kept."""

    min_ttl: float = 0.0
    max_ttl: float = 86400.0
    max_negative_ttl: float = 3600.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be below 0")
        if self.min_ttl > self.max_ttl:
            raise ValueError("min_ttl must not be above max_ttl")


def read(
    message: dns.message.Message, name: dns.name.Name, rdtype: int, lifetimes: Lifetimes
) -> Answer | Chase:
    """What a reply of rcode NOERROR or NXDOMAIN says about the question that was asked.

    Only records that the chain leads to count; whatever else a server puts
    into its reply is passed over.

    Raises:
        NoRecovery: the aliases go round in a circle, or there are more than `MAX_CHAIN`.
    """
    by_key: dict[tuple[dns.name.Name, int], dns.rrset.RRset] = {}
    for rrset in message.answer:
        if rrset.rdclass == dns.rdataclass.IN:
            by_key.setdefault((rrset.name, int(rrset.rdtype)), rrset)
    authenticated = bool(message.flags & dns.flags.AD)
    chain = [name]
    ttl = lifetimes.max_ttl
    while True:
        found = by_key.get((chain[-1], rdtype))
        if found is not None and len(found) > 0:
            ttl = max(min(ttl, found.ttl), lifetimes.min_ttl)
            return Answer("answer", tuple(chain), found, ttl, authenticated)
        alias = by_key.get((chain[-1], int(dns.rdatatype.CNAME)))
        if alias is None or len(alias) == 0 or rdtype == dns.rdatatype.CNAME:
            break
        ttl = min(ttl, alias.ttl)
        extend(chain, (next(iter(alias)).target,))
    soa = _soa(message)
    negative = message.rcode() == dns.rcode.NXDOMAIN
    if len(chain) > 1 and not negative and soa is None and not message.flags & dns.flags.RA:
        return Chase(tuple(chain), ttl, authenticated)
    return Answer(
        "nxdomain" if negative else "nodata",
        tuple(chain),
        None,
        0.0 if soa is None else _negative_ttl(min(ttl, *soa), lifetimes),
        authenticated,
    )


def extend(chain: list[dns.name.Name], names: tuple[dns.name.Name, ...]) -> None:
    """Append what aliases lead to.

    Raises:
        NoRecovery: a name comes again, or the chain grows past `MAX_CHAIN`.
    """
    for name in names:
        if name in chain:
            raise NoRecovery(f"the aliases of {chain[0]} go round in a circle")
        chain.append(name)
        if len(chain) > MAX_CHAIN + 1:
            raise NoRecovery(f"{chain[0]} leads over more than {MAX_CHAIN} aliases")


def joined(first: Chase, rest: Answer | Chase) -> Answer | Chase:
    """What is known of the name that a chain begins with, from what the name at its end has.

    Raises:
        NoRecovery: as `extend`.
    """
    chain = list(first.chain)
    extend(chain, rest.chain[1:])
    return msgspec.structs.replace(
        rest,
        chain=tuple(chain),
        ttl=min(first.ttl, rest.ttl),
        authenticated=first.authenticated and rest.authenticated,
    )


def _soa(message: dns.message.Message) -> tuple[float, float] | None:
    """TTL and MINIMUM of the SOA that says how long a negative answer holds (RFC 2308)."""
    for rrset in message.authority:
        if rrset.rdtype == dns.rdatatype.SOA and len(rrset) > 0:
            return float(rrset.ttl), float(next(iter(rrset)).minimum)
    return None


def _negative_ttl(ttl: float, lifetimes: Lifetimes) -> float:
    return min(max(ttl, lifetimes.min_ttl), lifetimes.max_negative_ttl)


def size_of(answer: Answer) -> int:
    """About how many bytes an answer holds in memory."""
    size = _ANSWER + sum(_NAME + sum(map(_label_size, name.labels)) for name in answer.chain)
    if answer.rrset is not None:
        size += _RRSET + sum(map(_rdata_size, answer.rrset))
    return size


def _label_size(label: bytes) -> int:
    return _LABEL + len(label)


def _rdata_size(rdata: dns.rdata.Rdata) -> int:
    octets = len(rdata.to_wire() or b"")
    return _RDATA + octets + octets // 3


# Measured; tests/providers/dns/test_memory.py holds them to what is taken.
_ANSWER = 150
_NAME = 150
_LABEL = 50
_RRSET = 600
_RDATA = 150
