"""The mail services of a domain: what is asked of the DNS, and what its answers offer.

For mail clients: RFC 6186, section 3, and RFC 8314, section 5.1 (``submissions``). For
delivery: RFC 5321, section 5.1, and RFC 7505 (null MX).
"""

from __future__ import annotations

from collections.abc import Sequence

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import msgspec
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.IN.SRV import SRV
from msgspec import Struct

from nspd.model.queryset import STREAM, TCP, CsAddr, QuerySet, SocketAddress
from nspd.providers.dns import records as dns_records
from nspd.providers.dns.answers import Answer
from nspd.providers.dns.idn import name_text
from nspd.providers.dns.nearness import SourceOf
from nspd.providers.dns.questions import Addresses

FOR_CLIENTS = ("submissions", "submission", "imaps", "imap", "pop3s", "pop3")
"""The services that a mail client looks for; those with implicit TLS first (RFC 8314)."""

DELIVERY = "smtp"
"""The service that other mail servers deliver to."""

SMTP_PORT = 25

REGISTERED = "registered"
"""The context of what was registered."""

FROM_DNS = "dns"
"""The context of what was found in the DNS."""

FROM_LITERAL = "literal"
"""The context of what an address literal says by itself."""


class Question(Struct, frozen=True):
    """One thing to ask about a domain: a service, or where mail is delivered."""

    service: str
    name: dns.name.Name
    rdtype: dns.rdatatype.RdataType

    @property
    def asked_as(self) -> str:
        """The query string that asks for it."""
        return f"{self.service}/tcp"


class Target(Struct, frozen=True):
    """A host that offers a service, as one SRV or MX record names it."""

    question: Question
    host: dns.name.Name
    port: int
    priority: int
    """Lower ones first: the priority of an SRV, the preference of an MX."""
    weight: int
    """Share of the traffic among targets of one priority; 0 of an MX."""
    comment: str
    """The record as text, for people."""
    blob: bytes
    """The data of the record in wire form."""

    @property
    def name(self) -> str:
        """The host's name as results give it, without final dot."""
        return name_text(self.host)


def client_question(service: str, domain: dns.name.Name) -> Question | None:
    """The question for a service that mail clients use; None: its name would be too long."""
    try:
        name = dns.name.Name([b"_" + service.encode(), b"_tcp", *domain.labels])
    except dns.name.NameTooLong:
        return None
    return Question(service, name, dns.rdatatype.SRV)


def delivery_question(domain: dns.name.Name) -> Question:
    """The question for where mail is delivered."""
    return Question(DELIVERY, domain, dns.rdatatype.MX)


def targets_of(question: Question, rrset: dns.rrset.RRset) -> list[Target]:
    """The hosts that the records of an answer name, in the order of the records.

    A target of "." says that the service is not offered (RFC 2782 of SRV, RFC
    7505 of MX), and gives none.
    """
    targets = (_target(question, rrset.name, rdata) for rdata in rrset)
    return [each for each in targets if each is not None and each.host != dns.name.root]


def _target(question: Question, owner: dns.name.Name, rdata: dns.rdata.Rdata) -> Target | None:
    if isinstance(rdata, SRV):
        host, port, priority, weight = rdata.target, rdata.port, rdata.priority, rdata.weight
    elif isinstance(rdata, MX):
        host, port, priority, weight = rdata.exchange, SMTP_PORT, rdata.preference, 0
    else:
        return None
    return Target(
        question=question,
        host=host,
        port=port,
        priority=priority,
        weight=weight,
        comment=f"{owner} {dns.rdatatype.to_text(rdata.rdtype)} {rdata.to_text()}",
        blob=rdata.to_wire() or b"",
    )


def implicit_target(question: Question) -> Target:
    """The domain itself, to which mail goes if it has no MX record (RFC 5321, section 5.1)."""
    domain = question.name
    implied = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.MX, f"0 {domain}")
    return Target(
        question=question,
        host=domain,
        port=SMTP_PORT,
        priority=0,
        weight=0,
        comment=f"{domain} has no MX record: mail goes to the domain itself",
        blob=implied.to_wire() or b"",
    )


class RecordMaker(Struct, frozen=True):
    """Makes the records of one provider."""

    namespace: int
    provider_id: str
    source_of: SourceOf
    """Which source address this host would use, for LUP_NEAREST."""

    def host(
        self, target: Target, answers: Sequence[Answer], wanted: Addresses | None
    ) -> QuerySet | None:
        """The record of a host that offers a service; None if it has no address.

        Args:
            target: the host.
            answers: the answers of the types wanted, as far as they have come.
            wanted: how addresses are wanted; None: the record is without.
        """
        if wanted is None:
            return self._record(target, QuerySet())
        maker = dns_records.RecordMaker(self.namespace, self.provider_id, self.source_of)
        found = maker.host(answers, wanted, port=target.port, socket_type=STREAM, protocol=TCP)
        return None if found is None else self._record(target, found)

    def _record(self, target: Target, found: QuerySet) -> QuerySet:
        # Of an alias, too, the name is the one in the record: certificates are for that.
        stale = f"{found.comment}: " if found.comment else ""
        return msgspec.structs.replace(
            found,
            service_instance_name=target.name,
            comment=f"{stale}{target.comment}",
            namespace=self.namespace,
            provider_id=self.provider_id,
            context=FROM_DNS,
            query_string=target.question.asked_as,
            output_flags=0,
            blob=target.blob,
        )

    def literal(self, address: str) -> QuerySet:
        """The record for an address literal: mail goes to that very host (RFC 5321, 4.1.3)."""
        remote = SocketAddress.inet(address, SMTP_PORT)
        return QuerySet(
            service_instance_name=address,
            comment="the address literal: mail goes to that host",
            namespace=self.namespace,
            provider_id=self.provider_id,
            context=FROM_LITERAL,
            query_string=f"{DELIVERY}/tcp",
            addresses=(CsAddr(remote=remote, socket_type=STREAM, protocol=TCP),),
            output_flags=0,
        )
