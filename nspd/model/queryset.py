"""Query sets: the one shape of queries, results and registrations (WSAQUERYSET2).

A member that is not there is None, and is left out when written as JSON. All
values are immutable, so that one record may be handed to many lookups.
"""

from __future__ import annotations

import socket
from operator import attrgetter
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from nspd.model.errors import InvalidArgument
from nspd.model.flags import LookupFlags
from nspd.model.namespaces import Guid

Family = Literal["inet", "inet6", "unix"] | int
"""An address family: by name where systems differ in the number, else a number."""

STREAM = 1
DGRAM = 2
TCP = 6
UDP = 17

_NAMED_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_Port = Annotated[int, Meta(ge=0, le=65535)]
_ScopeId = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]


class SocketAddress(
    Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True, forbid_unknown_fields=True
):
    """One transport address (SOCKET_ADDRESS).

    ``inet`` and ``inet6`` have ``host`` (an address literal) and ``port``, and
    ``inet6`` may have ``scope_id``; ``unix`` has ``path``; every other family
    is a number with the raw ``data`` that follows it in its sockaddr.

    Raises:
        ValueError: the members do not fit the family, or the host is no literal of it.
    """

    family: Family
    host: str | None = None
    port: _Port | None = None
    scope_id: _ScopeId | None = None
    path: str | None = None
    data: bytes | None = None

    def __post_init__(self) -> None:
        family = self.family
        others: tuple[object, ...]
        if isinstance(family, int):
            wanted = self.data is not None
            others = (self.host, self.port, self.scope_id, self.path)
        elif family == "unix":
            wanted = self.path is not None
            others = (self.host, self.port, self.scope_id, self.data)
        else:
            wanted = self.host is not None and self.port is not None
            others = (self.path, self.data, self.scope_id if family == "inet" else None)
        if not wanted or any(member is not None for member in others):
            raise ValueError(f"wrong members for address family {family!r}")
        if self.host is not None and isinstance(family, str):
            try:
                socket.inet_pton(_NAMED_FAMILIES[family], self.host)
            except (OSError, ValueError):
                raise ValueError(f"{self.host!r} is not an {family} address") from None

    @classmethod
    def inet(cls, host: str, port: int = 0) -> SocketAddress:
        """An IPv4 or IPv6 address from its literal."""
        return cls(family="inet6" if ":" in host else "inet", host=host, port=port)


class CsAddr(
    Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True, forbid_unknown_fields=True
):
    """One complete transport address of a service (CSADDR_INFO).

    The service binds ``local``; a client connects or sends to ``remote``.
    ``protocol`` 0 means any that suits the socket type.
    """

    local: SocketAddress | None = None
    remote: SocketAddress | None = None
    socket_type: int
    protocol: int


class AfProtocol(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A pair of address family and protocol that a query accepts (AFPROTOCOLS).

    Family 0 (AF_UNSPEC) accepts any family, protocol 0 any protocol.
    """

    family: Family
    protocol: int


class Version(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A version number and how a query compares it (WSAVERSION)."""

    version: int
    how: Literal["equal", "not_less"]


class QuerySet(
    Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True, forbid_unknown_fields=True
):
    """A query, a result, or a registration (WSAQUERYSET2), without its size member."""

    service_instance_name: str | None = None
    version: Version | None = None
    comment: str | None = None
    namespace: int | None = None
    provider_id: Guid | None = None
    context: str | None = None
    protocols: tuple[AfProtocol, ...] | None = None
    query_string: str | None = None
    addresses: tuple[CsAddr, ...] | None = None
    output_flags: int | None = None
    blob: bytes | None = None


# What a request may hold at most, by member ("Query sets" in docs/protocol.md): characters,
# elements, or bytes.
SIZE_LIMITS = {
    "service_instance_name": 1024,
    "comment": 4096,
    "context": 1024,
    "protocols": 16,
    "query_string": 4096,
    "addresses": 1024,
    "blob": 65536,
}

_SIZE_LIMITS = tuple(SIZE_LIMITS.items())
_SMALLEST_LIMIT = min(limit for member, limit in _SIZE_LIMITS if member != "protocols")
_sized_members = attrgetter(*SIZE_LIMITS)


def oversized_member(query_set: QuerySet) -> str | None:
    """The first member of a request that is past its size limit, if any."""
    for value, (member, limit) in zip(_sized_members(query_set), _SIZE_LIMITS, strict=True):
        if value and len(value) > limit:
            return member
    return None


_ALL_FIELDS = int(
    LookupFlags.RETURN_NAME
    | LookupFlags.RETURN_VERSION
    | LookupFlags.RETURN_COMMENT
    | LookupFlags.RETURN_ADDR
    | LookupFlags.RETURN_BLOB
    | LookupFlags.RETURN_QUERY_STRING
)
_FIELDS = (
    (int(LookupFlags.RETURN_NAME), "service_instance_name"),
    (int(LookupFlags.RETURN_VERSION), "version"),
    (int(LookupFlags.RETURN_COMMENT), "comment"),
    (int(LookupFlags.RETURN_ADDR), "addresses"),
    (int(LookupFlags.RETURN_BLOB), "blob"),
    (int(LookupFlags.RETURN_QUERY_STRING), "query_string"),
)


def carries_all(fields: int) -> bool:
    """Whether the field bits drop nothing."""
    return fields & _ALL_FIELDS == _ALL_FIELDS


def narrow(record: QuerySet, fields: int) -> QuerySet:
    """The record with only the members that the field bits ask for.

    ``namespace``, ``provider_id``, ``context`` and ``output_flags`` always stay.
    """
    if carries_all(fields):
        return record
    dropped = {member: None for bit, member in _FIELDS if not fields & bit}
    return msgspec.structs.replace(record, **dropped)


_BARE = 256
"""What a query set weighs without the sized members."""


def weight(query_set: QuerySet) -> int:
    """About how many bytes the query set holds in memory; what users are charged for it."""
    if query_set.addresses is None and query_set.protocols is None:
        return _BARE + sum(map(len, filter(None, _sized_members(query_set))))
    total = _BARE
    for sized in _sized_members(query_set):
        if sized is not None:
            # Text and bytes count themselves, the elements of lists by the piece.
            total += len(sized) if not isinstance(sized, tuple) else 320 * len(sized)
    return total


def weight_within_limits(query_set: QuerySet) -> int:
    """The `weight` of a request's query set.

    Raises:
        InvalidArgument: a member of it is past its size limit.
    """
    total = weight(query_set)
    if total - _BARE > _SMALLEST_LIMIT or query_set.protocols is not None:
        member = oversized_member(query_set)
        if member is not None:
            raise InvalidArgument(f"{member} is too large", data={"member": member})
    return total


def is_service_query(restrictions: QuerySet) -> bool:
    """Whether a service is asked for, such as "imaps/tcp", and not just a name."""
    return (restrictions.query_string or "").casefold().endswith(("/tcp", "/udp"))


def reserve_service(record: QuerySet) -> QuerySet:
    """The record for one who wants to bind: local and remote exchanged (LUP_RES_SERVICE)."""
    if record.addresses is None:
        return record
    exchanged = tuple(
        CsAddr(
            local=address.remote,
            remote=address.local,
            socket_type=address.socket_type,
            protocol=address.protocol,
        )
        for address in record.addresses
    )
    return msgspec.structs.replace(record, addresses=exchanged)
