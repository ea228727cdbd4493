"""From a query to what it asks of the DNS: addresses, a service, an address's names, records."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address

import dns.exception
import dns.name
import dns.rdatatype
import dns.reversename
from msgspec import Struct
from msgspec.structs import replace

from nspd.core.provider import Query
from nspd.model.errors import InvalidArgument, NotSupported
from nspd.model.flags import LookupFlags
from nspd.model.queryset import DGRAM, STREAM, TCP, UDP, QuerySet
from nspd.model.wildcard import is_wildcard
from nspd.providers.dns.idn import ImpossibleName, is_host_label, name_text, parse_name
from nspd.providers.dns.special import special_answer

A = int(dns.rdatatype.A)
AAAA = int(dns.rdatatype.AAAA)
PTR = int(dns.rdatatype.PTR)
SRV = int(dns.rdatatype.SRV)

# As plain numbers: every operation on the flags themselves makes an object.
_CONTAINERS = int(LookupFlags.CONTAINERS)
_DISABLE_IDN_ENCODING = int(LookupFlags.DISABLE_IDN_ENCODING)
_DUAL_ADDR = int(LookupFlags.DUAL_ADDR)
_NEAREST = int(LookupFlags.NEAREST)

_TYPE_OF_FAMILY = {"inet6": AAAA, "inet": A}
_FAMILIES: Mapping[str | int, str] = {
    "inet": "inet",
    "inet6": "inet6",
    int(socket.AF_INET): "inet",
    int(socket.AF_INET6): "inet6",
}
_TRANSPORTS = {"tcp": (STREAM, TCP), "udp": (DGRAM, UDP)}
_SERVICE = re.compile(r"_?([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)/_?(tcp|udp)", re.IGNORECASE)
_DEFAULT_CONTEXTS = (None, "", "\\")


class Nothing(Struct, frozen=True):
    """A query that the DNS cannot have an answer to; it is not asked."""

    known: bool = False
    """Whether that is "no data" rather than "not found"."""


class Addresses(Struct, frozen=True):
    """How the addresses of a host are wanted."""

    types: tuple[int, ...]
    """AAAA, A, or both; neither, if the query accepts no family that there is."""
    dual: bool = False
    """IPv4 addresses as IPv6 ones, for dual-mode sockets (LUP_DUAL_ADDR)."""
    nearest: bool = False
    """In the order of RFC 6724 (LUP_NEAREST)."""


class AddressQuestion(Struct, frozen=True):
    """Which addresses has this name?"""

    candidates: tuple[dns.name.Name, ...]
    """The names that may be meant; the first that exists counts."""
    addresses: Addresses


class ServiceQuestion(Struct, frozen=True):
    """Where is this service of a domain to be had (RFC 2782)?"""

    candidates: tuple[dns.name.Name, ...]
    """Owners of SRV records, such as ``_imaps._tcp.example.org``."""
    addresses: Addresses
    socket_type: int
    protocol: int


class ReverseQuestion(Struct, frozen=True):
    """Which names has this address?"""

    name: dns.name.Name
    """The name under in-addr.arpa or ip6.arpa."""
    address: str


class RecordsQuestion(Struct, frozen=True):
    """Which records of this type has this name?"""

    candidates: tuple[dns.name.Name, ...]
    rdtype: int


Question = AddressQuestion | ServiceQuestion | ReverseQuestion | RecordsQuestion


class Search(Struct, frozen=True):
    """How names that are not complete are completed (resolv.conf(5))."""

    domains: tuple[dns.name.Name, ...] = ()
    ndots: int = 1
    """A name with so many dots is tried as it is before the domains are."""
    as_is: bool = True
    """Whether a name without a dot is tried as it is at all."""
    foreign: Callable[[str], bool] | None = None
    """Which completed names are left out, for they belong to other providers (``domains``)."""

    def without(self, foreign: Callable[[str], bool] | None) -> Search:
        """The same, but it leaves out names that belong to others."""
        return self if foreign is None else replace(self, foreign=foreign)

    def completed(self, name: dns.name.Name) -> list[dns.name.Name]:
        """The names that a relative one is completed to."""
        longer = [joined for domain in self.domains if (joined := _under(name, domain))]
        if self.foreign is None:
            return longer
        return [each for each in longer if not self.foreign(name_text(each))]


def question_of(
    query: Query, search: Search, families: Sequence[str], *, named: bool
) -> Question | Nothing:
    """What the query asks.

    Args:
        query: the query.
        search: how to complete names.
        families: the address families that are to be asked for, "inet", "inet6".
        named: the query means this provider, and not all that there are. Then a
            query string that is neither a service nor a type is an error; else
            it is another namespace's.

    Raises:
        InvalidArgument: see ``named``.
        NotSupported: the record type is no type of records (ANY, AXFR, OPT, ...).
    """
    restrictions, flags = query.restrictions, query.control_flags
    if flags & _CONTAINERS:
        return Nothing(known=True)
    text = restrictions.service_instance_name
    if not text or restrictions.version or restrictions.context not in _DEFAULT_CONTEXTS:
        return Nothing()
    what = restrictions.query_string
    if not what:
        address = _literal(text)
        if address is not None:
            return ReverseQuestion(dns.reversename.from_address(address), address)
    names = _names(text, search, encode=not flags & _DISABLE_IDN_ENCODING)
    if what:
        service = _SERVICE.fullmatch(what)
        if service is None:
            rdtype = _type(what, named=named)
            return RecordsQuestion(names, rdtype) if names and rdtype else Nothing()
        socket_type, protocol = _TRANSPORTS[service[2].lower()]
        owners = _owners(f"_{service[1]}", f"_{service[2]}", names)
        if not owners:
            return Nothing()
        addresses = addresses_wanted(restrictions, flags, families, protocol)
        return ServiceQuestion(owners, addresses, socket_type, protocol)
    hosts = tuple(name for name in names if all(map(is_host_label, name.labels)))
    if not hosts:
        return Nothing()
    return AddressQuestion(hosts, addresses_wanted(restrictions, flags, families))


def _literal(text: str) -> str | None:
    """The address that the text is, without its scope; None for a name."""
    if ":" in text:
        text = text.partition("%")[0]
    else:
        text = text.removesuffix(".")
        if not text[-1:].isdigit():
            return None
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _type(text: str, *, named: bool) -> int | None:
    try:
        rdtype = dns.rdatatype.from_text(text)
    except (dns.rdatatype.UnknownRdatatype, ValueError):
        if named:
            raise InvalidArgument(f"{text[:60]!r} is neither a service nor a record type") from None
        return None
    if dns.rdatatype.is_metatype(rdtype) or not rdtype:
        raise NotSupported(f"{dns.rdatatype.to_text(rdtype)} is not a type of records")
    return int(rdtype)


def _names(text: str, search: Search, *, encode: bool) -> tuple[dns.name.Name, ...]:
    """The names that a text may mean, in the order in which they are tried."""
    if is_wildcard(text):
        return ()
    try:
        name, complete = parse_name(text, encode=encode)
    except ImpossibleName:
        return ()
    # A name that must not be sent anywhere must not be sent with a suffix either.
    if complete or special_answer(name, A) is not None:
        return (name,)
    longer = search.completed(name)
    dots = len(name.labels) - 2
    if not dots and not search.as_is:
        return tuple(longer)
    return tuple(dict.fromkeys((name, *longer) if dots >= search.ndots else (*longer, name)))


def _under(name: dns.name.Name, domain: dns.name.Name) -> dns.name.Name | None:
    try:
        return dns.name.Name(name.labels[:-1] + domain.labels)
    except dns.exception.DNSException:
        return None  # too long: there is no such name


def _owners(
    service: str, protocol: str, names: Sequence[dns.name.Name]
) -> tuple[dns.name.Name, ...]:
    prefix = dns.name.Name((service.encode(), protocol.encode(), b""))
    if len(service) > 16:
        return ()  # 15 characters are the longest that RFC 6335 allows
    return tuple(owner for name in names if (owner := _under(prefix, name)))


def addresses_wanted(
    restrictions: QuerySet, flags: int, families: Sequence[str], protocol: int = 0
) -> Addresses:
    """How a query wants addresses, of those families, with a service's protocol if there is one."""
    dual = bool(flags & _DUAL_ADDR)
    accepted = set(families)
    pairs = restrictions.protocols or ()
    if pairs:
        fitting = {
            pair.family
            for pair in pairs
            if not (protocol and pair.protocol) or pair.protocol == protocol
        }
        if int(socket.AF_UNSPEC) not in fitting:
            wanted = {_FAMILIES[family] for family in fitting if family in _FAMILIES}
            if wanted == {"inet"}:
                dual = False
            elif wanted and dual:
                wanted.add("inet")
            accepted &= wanted
    types = tuple(rdtype for family, rdtype in _TYPE_OF_FAMILY.items() if family in accepted)
    return Addresses(types, dual, bool(flags & _NEAREST))
