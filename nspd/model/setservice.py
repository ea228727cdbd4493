"""What SetServiceEx does to a registered object: the table of LPNSPV2SETSERVICEEX.

The addresses of an object are a set that keeps its order. Two addresses are the
same element if local address, remote address and socket type are equal and the
protocols are equal or one of them is 0 ("any") and the other the usual one for
that socket type; see `identity`.
"""

from __future__ import annotations

import socket
from collections.abc import Hashable, Iterable
from enum import Enum

import msgspec
from msgspec import Struct

from nspd.model.errors import NotSupported, ServiceNotFound
from nspd.model.flags import ServiceOperation
from nspd.model.queryset import DGRAM, STREAM, TCP, UDP, CsAddr, Family, QuerySet, SocketAddress


class State(Enum):
    """Whether an object is announced."""

    REGISTERED = "registered"
    DEREGISTERED = "deregistered"
    """It exists, without an address."""


class Registered(Struct, frozen=True, gc=False):
    """One object of a namespace that takes registrations."""

    entry: QuerySet
    """What was registered, its addresses with the protocols as given."""
    state: State = State.REGISTERED


def usual_protocol(family: Family | None, socket_type: int) -> int:
    """The protocol that "any" means: 6 (TCP) for a stream, 17 (UDP) for a datagram socket.

    It is 0 for every other socket type, and for families other than inet and
    inet6, whose sockets do not speak those protocols. Without a family
    (neither address given) the socket type decides alone.
    """
    if family not in (None, "inet", "inet6"):
        return 0
    return {STREAM: TCP, DGRAM: UDP}.get(socket_type, 0)


def with_usual_protocol(address: CsAddr) -> CsAddr:
    """The address as results give it: protocol 0 replaced by the usual one, if there is one."""
    if address.protocol:
        return address
    protocol = usual_protocol(family_of(address), address.socket_type)
    return msgspec.structs.replace(address, protocol=protocol) if protocol else address


def family_of(address: CsAddr) -> Family | None:
    """The address family of a transport address; None if it has neither side."""
    side = address.remote or address.local
    return side.family if side is not None else None


def identity(address: CsAddr) -> Hashable:
    """What makes two addresses the same element of a set.

    Hosts count by value and not by spelling (``::1`` is ``0:0:0:0:0:0:0:1``),
    as they would in a CSADDR_INFO.
    """
    return (
        _value(address.local),
        _value(address.remote),
        address.socket_type,
        with_usual_protocol(address).protocol,
    )


def _value(side: SocketAddress | None) -> Hashable:
    if side is None or side.host is None:
        return side
    family = socket.AF_INET6 if side.family == "inet6" else socket.AF_INET
    return (family, socket.inet_pton(family, side.host), side.port, side.scope_id or 0)


def apply(
    current: Registered | None, registration: QuerySet, operation: int, multiple: bool
) -> Registered | None:
    """What becomes of an object by one SetServiceEx; None: it is gone.

    | Operation  | multiple | object exists                    | absent    |
    |------------|----------|----------------------------------|-----------|
    | REGISTER   | no       | replaced as a whole              | created   |
    | REGISTER   | yes      | updated, addresses added         | created   |
    | DEREGISTER | no       | all addresses removed, it stays  | not found |
    | DEREGISTER | yes      | given addresses removed, it stays| not found |
    | DELETE     | no       | removed                          | not found |
    | DELETE     | yes      | given addresses removed, and the | not found |
    |            |          | object if none remain            |           |

    REGISTER makes the state REGISTERED, DEREGISTER makes it DEREGISTERED once
    no address remains. An update replaces the members given and keeps the
    others. Addresses to remove that the object does not have are passed over.

    Args:
        current: the object under that name, if there is one.
        registration: what was given; DEREGISTER and DELETE heed its addresses alone.
        operation: a `ServiceOperation`.
        multiple: SERVICE_MULTIPLE, act on the given addresses only.

    Raises:
        ServiceNotFound: there is no such object to deregister or delete.
        NotSupported: the operation is none of the three.
    """
    given = registration.addresses or ()
    if operation == ServiceOperation.REGISTER:
        if current is None or not multiple:
            return Registered(_with_addresses(registration, _distinct(given)))
        addresses = _distinct((*(current.entry.addresses or ()), *given))
        return Registered(_with_addresses(_updated(current.entry, registration), addresses))
    if operation not in (ServiceOperation.DEREGISTER, ServiceOperation.DELETE):
        raise NotSupported(f"there is no operation {operation}")
    if current is None:
        raise ServiceNotFound(f"{registration.service_instance_name!r} is not registered")
    remaining = _without(current.entry.addresses or (), given) if multiple else ()
    if remaining:
        return Registered(_with_addresses(current.entry, remaining), current.state)
    if operation == ServiceOperation.DELETE:
        return None
    return Registered(_with_addresses(current.entry, ()), State.DEREGISTERED)


def _distinct(addresses: Iterable[CsAddr]) -> tuple[CsAddr, ...]:
    """Each element once, in the form and at the place in which it came first."""
    found: dict[Hashable, CsAddr] = {}
    for address in addresses:
        found.setdefault(identity(address), address)
    return tuple(found.values())


def _without(addresses: Iterable[CsAddr], removed: Iterable[CsAddr]) -> tuple[CsAddr, ...]:
    gone = {identity(address) for address in removed}
    return tuple(address for address in addresses if identity(address) not in gone)


def _with_addresses(entry: QuerySet, addresses: tuple[CsAddr, ...]) -> QuerySet:
    return msgspec.structs.replace(entry, addresses=addresses or None)


def _updated(entry: QuerySet, registration: QuerySet) -> QuerySet:
    given = {
        member: value
        for member in QuerySet.__struct_fields__
        if (value := getattr(registration, member)) is not None
    }
    return msgspec.structs.replace(entry, **given)
