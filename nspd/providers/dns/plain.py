"""Reading the replies that most questions get, without dnspython's general reader.

An address question is mostly answered by addresses of the very name and nothing
else. Such a reply is read here in a quarter of the time; every other one is left
to dnspython, and so is each one about which there is any doubt.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping

import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!3HIH")  # owner, type, class, TTL, length
_THE_NAME_ASKED_FOR = 0xC000 | _HEADER.size  # as a pointer (RFC 1035, 4.1.4)
_LARGEST_TTL = 0x7FFFFFFF  # RFC 2181, 8
_RCODE_BITS = 0x000F


# dnspython's classes have no types.
_A: Callable[..., dns.rdata.Rdata] = A
_AAAA: Callable[..., dns.rdata.Rdata] = AAAA


def _says_nothing(rest: bytes, records: int) -> bool:
    """Whether this is nothing, or one OPT record without extended rcode and options."""
    if records != 1:
        return records == 0 and not rest
    root_and_type, rcode_and_version, length = rest[:3], rest[5:7], rest[9:]
    return root_and_type == b"\0\0\x29" and rcode_and_version == b"\0\0" and length == b"\0\0"


def _a(data: bytes) -> dns.rdata.Rdata:
    return _A(dns.rdataclass.IN, dns.rdatatype.A, socket.inet_ntoa(data))


def _aaaa(data: bytes) -> dns.rdata.Rdata:
    return _AAAA(dns.rdataclass.IN, dns.rdatatype.AAAA, socket.inet_ntop(socket.AF_INET6, data))


_READERS: Mapping[int, tuple[int, Callable[[bytes], dns.rdata.Rdata]]] = {
    int(dns.rdatatype.A): (4, _a),
    int(dns.rdatatype.AAAA): (16, _aaaa),
}
"""The length of the data of each type, and what makes a record of it."""


def read_addresses(
    wire: bytes, name: dns.name.Name, rdtype: int, start: int
) -> dns.message.Message | None:
    """Read a reply that holds addresses of the name that was asked for, and nothing else.

    Args:
        wire: a reply that repeats the question.
        name: the name that was asked for.
        rdtype: the type that was asked for.
        start: where the question ends.

    Returns:
        What dnspython would make of it, or None: let dnspython read it.
    """
    reader = _READERS.get(rdtype)
    if reader is None or len(wire) < start:
        return None
    size, make = reader
    id_, flags, questions, answers, authorities, additional = _HEADER.unpack_from(wire)
    if questions != 1 or not answers or authorities or flags & _RCODE_BITS != dns.rcode.NOERROR:
        return None
    end = start + answers * (_RECORD.size + size)
    if len(wire) < end or not _says_nothing(wire[end:], additional):
        return None
    rdataset = dns.rrset.RRset(name, dns.rdataclass.IN, dns.rdatatype.RdataType(rdtype))
    for place in range(start, end, _RECORD.size + size):
        owner, type_, class_, ttl, length = _RECORD.unpack_from(wire, place)
        if (
            owner != _THE_NAME_ASKED_FOR
            or type_ != rdtype
            or class_ != dns.rdataclass.IN
            or ttl > _LARGEST_TTL
            or length != size
        ):
            return None
        data = place + _RECORD.size
        rdataset.add(make(wire[data : data + size]), ttl)
    message = dns.message.QueryMessage(id=id_)
    message.flags = flags
    message.question.append(dns.rrset.RRset(name, dns.rdataclass.IN, rdataset.rdtype))
    message.answer.append(rdataset)
    return message
