"""From what the DNS says to the records of a lookup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dns.name
import dns.rdata
import dns.rdatatype
from msgspec import Struct

from nspd.model.flags import ResultFlags
from nspd.model.queryset import SIZE_LIMITS, CsAddr, QuerySet, SocketAddress
from nspd.providers.dns.answers import Answer
from nspd.providers.dns.idn import name_text
from nspd.providers.dns.nearness import SourceOf, nearest_first
from nspd.providers.dns.questions import Addresses

_IS_ALIAS = int(ResultFlags.ALIAS)
_MOST_ADDRESSES = SIZE_LIMITS["addresses"]
_LONGEST_COMMENT = SIZE_LIMITS["comment"]
MOST_SORTED = 64
"""Addresses of one host that are sorted by distance: each takes a system call."""

STALE = "stale"
"""How the comment begins of a record whose time is over (RFC 8767)."""


class RecordMaker(Struct, frozen=True):
    """Makes the records that one lookup gets of dns."""

    namespace: int
    provider_id: str
    source_of: SourceOf

    def host(
        self,
        answers: Sequence[Answer],
        wanted: Addresses,
        *,
        port: int = 0,
        socket_type: int = 0,
        protocol: int = 0,
        srv: dns.rdata.Rdata | None = None,
    ) -> QuerySet | None:
        """The record of a host with all its addresses; None if it has none.

        Args:
            answers: those of the types asked for, in that order.
            wanted: how the addresses are wanted.
            port: the port of a service, and its socket type and protocol.
            socket_type: see there.
            protocol: see there.
            srv: the SRV record that led to the host; told in comment and blob.
        """
        hosts = list(dict.fromkeys(rdata.address for rdata in _rdatas(answers)))
        if not hosts:
            return None
        if wanted.nearest:
            hosts[:MOST_SORTED] = nearest_first(hosts[:MOST_SORTED], self.source_of)
        addresses = tuple(
            CsAddr(
                remote=_socket_address(host, port, dual=wanted.dual),
                socket_type=socket_type,
                protocol=protocol,
            )
            for host in hosts[:_MOST_ADDRESSES]
        )
        found = next(answer for answer in answers if answer.kind == "answer")
        stale = any(answer.stale for answer in answers)
        comment = None if srv is None else srv.to_text()
        return self._record(
            name_text(found.canonical),
            comment=_comment(comment, stale=stale),
            blob=None if srv is None else srv.to_wire(),
            addresses=addresses,
        )

    def aliases(self, answers: Iterable[Answer]) -> Iterator[QuerySet]:
        """A record for each name that led to the canonical one, which is its comment.

        An alias comes as a name alone, so that whoever gathers the addresses of
        all records gets each once.
        """
        seen: set[dns.name.Name] = set()
        for answer in answers:
            if answer.kind == "answer" and len(answer.chain) > 1:
                canonical = name_text(answer.canonical)
                for name in answer.chain[:-1]:
                    if name not in seen:
                        seen.add(name)
                        yield self._record(
                            name_text(name), comment=canonical, output_flags=_IS_ALIAS
                        )

    def names(self, answer: Answer, address: str) -> Iterator[QuerySet]:
        """A record for each name of an address, with that address."""
        addresses = (CsAddr(remote=SocketAddress.inet(address), socket_type=0, protocol=0),)
        for rdata in _rdatas([answer]):
            yield self._record(
                name_text(rdata.target),
                comment=_comment(None, stale=answer.stale),
                addresses=addresses,
            )

    def texts(self, answer: Answer) -> Iterator[QuerySet]:
        """A record for each DNS record: its text in the comment, its wire form in the blob."""
        name = name_text(answer.canonical)
        for rdata in _rdatas([answer]):
            addresses = None
            if rdata.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                remote = SocketAddress.inet(rdata.address)
                addresses = (CsAddr(remote=remote, socket_type=0, protocol=0),)
            yield self._record(
                name,
                comment=rdata.to_text()[:_LONGEST_COMMENT],
                blob=rdata.to_wire(),
                addresses=addresses,
            )

    def _record(
        self,
        name: str,
        *,
        comment: str | None = None,
        blob: bytes | None = None,
        addresses: tuple[CsAddr, ...] | None = None,
        output_flags: int = 0,
    ) -> QuerySet:
        return QuerySet(
            service_instance_name=name,
            comment=comment,
            namespace=self.namespace,
            provider_id=self.provider_id,
            context="",
            addresses=addresses,
            output_flags=output_flags,
            blob=blob,
        )


def _rdatas(answers: Iterable[Answer]) -> Iterator[Any]:  # of as many types as the DNS has
    for answer in answers:
        if answer.rrset is not None:
            yield from answer.rrset


def _comment(text: str | None, *, stale: bool) -> str | None:
    if not stale:
        return text
    return STALE if text is None else f"{STALE}: {text}"


def _socket_address(host: str, port: int, *, dual: bool) -> SocketAddress:
    if dual and ":" not in host:
        return SocketAddress(family="inet6", host=f"::ffff:{host}", port=port)
    return SocketAddress.inet(host, port)
