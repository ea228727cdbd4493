"""Queries as bytes, and which bytes answer them (RFC 1035, 4; RFC 5452; RFC 6891)."""

from __future__ import annotations

import struct

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from nspd.providers.dns.plain import read_addresses

PAYLOAD = 1232
"""The UDP payload that we take, in bytes: it passes every path unfragmented (DNS flag day 2020)."""

_HEADER = struct.Struct("!6H")
_TYPE_AND_CLASS = struct.Struct("!2H")
_OPCODE_BITS = 0x7800
_RCODE_BITS = 0x000F
# The root as owner, the type, the payload; no flags, version 0, no options.
_OPT = b"\0" + struct.pack("!HHIH", dns.rdatatype.OPT, PAYLOAD, 0, 0)
_MAY_LACK_QUESTION = frozenset(
    {dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED}
)


class Malformed(Exception):
    """A reply to the query that cannot be read."""


class Query:
    """One question in the form in which it is sent, and what an answer to it must repeat."""

    __slots__ = ("_end", "_question", "edns", "id", "name", "rdtype", "wire")

    def __init__(
        self,
        name: dns.name.Name,
        rdtype: int,
        *,
        id: int,
        edns: bool = True,
        want_dnssec: bool = False,
    ) -> None:
        """Make the query.

        Args:
            name: an absolute name.
            rdtype: the record type, such as ``dns.rdatatype.A``.
            id: 16 bits that nobody can guess.
            edns: whether to say by EDNS how large a reply may be.
            want_dnssec: set AD, which asks for the AD bit in the reply (RFC 6840,
                5.7). DO is not set: it would bring the signatures too, for which
                a client that trusts its validating server has no use.

        Raises:
            ValueError: the name is relative.
        """
        if not name.is_absolute():
            raise ValueError(f"{name} is not an absolute name")
        self.name = name
        self.rdtype = rdtype
        self.id = id
        self.edns = edns
        labels = b"".join(bytes((len(label),)) + label for label in name.labels)
        question = labels + _TYPE_AND_CLASS.pack(rdtype, dns.rdataclass.IN)
        flags = dns.flags.RD | dns.flags.AD if want_dnssec else dns.flags.RD
        header = _HEADER.pack(id, flags, 1, 0, 0, 1 if edns else 0)
        self.wire = header + question + (_OPT if edns else b"")
        self._question = _folded(question)
        self._end = _HEADER.size + len(question)

    def is_answered_by(self, wire: bytes) -> bool:
        """Whether these bytes are a reply to this query: same id, same question.

        What fails here is not from whom we asked, or not for us, and must change
        nothing (RFC 5452, 9.1). A server that could not read the query may leave
        the question out.
        """
        if len(wire) < _HEADER.size:
            return False
        id_, flags, questions = struct.unpack_from("!3H", wire)
        if id_ != self.id or not flags & dns.flags.QR or flags & _OPCODE_BITS:
            return False
        if questions == 0:
            return flags & _RCODE_BITS in _MAY_LACK_QUESTION
        return bool(questions == 1 and _folded(wire[_HEADER.size : self._end]) == self._question)

    def read(self, wire: bytes) -> dns.message.Message:
        """Read a reply that answers this query.

        Raises:
            Malformed: it breaks the format.
        """
        plain = read_addresses(wire, self.name, self.rdtype, self._end)
        if plain is not None:
            return plain
        try:
            return dns.message.from_wire(wire)
        except dns.exception.DNSException as error:
            raise Malformed(str(error) or type(error).__name__) from error


def _folded(question: bytes) -> bytes:
    # Lengths of labels are below 64, so only letters change; type and class stay.
    return question[:-4].lower() + question[-4:]


def is_truncated(wire: bytes) -> bool:
    """Whether a reply has the TC bit: all of it can be had over TCP only."""
    return bool(wire[2] & 0x02)


def is_referral(reply: dns.message.Message) -> bool:
    """Whether a server that does not recurse merely names other servers.

    It says nothing of the name: taken for an answer, it would be "no data".
    """
    return bool(
        reply.rcode() == dns.rcode.NOERROR
        and not reply.answer
        and not reply.flags & (dns.flags.AA | dns.flags.RA)
        and not any(rrset.rdtype == dns.rdatatype.SOA for rrset in reply.authority)
    )


def lacks_edns(reply: dns.message.Message) -> bool:
    """Whether a reply to a query with EDNS says that the server does not know it (RFC 6891, 7)."""
    rcode = reply.rcode()
    if rcode == dns.rcode.BADVERS:
        return True
    return rcode in (dns.rcode.FORMERR, dns.rcode.NOTIMP) and reply.edns < 0
