"""What a query to the email namespace asks for: of the registrations, and of the DNS."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from nspd.core.provider import Query
from nspd.model.flags import LookupFlags, fields_of_begin
from nspd.model.matching import ROOT
from nspd.model.queryset import TCP, QuerySet
from nspd.providers.dns.idn import parse_name
from nspd.providers.dns.questions import addresses_wanted
from nspd.providers.email.gathering import Asked
from nspd.providers.email.mailbox import Mailbox
from nspd.providers.email.services import (
    DELIVERY,
    FROM_DNS,
    FROM_LITERAL,
    REGISTERED,
    client_question,
    delivery_question,
)

CONTAINERS = int(LookupFlags.CONTAINERS)

_PREFERRED_NAMES = int(LookupFlags.RETURN_PREFERRED_NAMES)
_DISABLE_IDN = int(LookupFlags.DISABLE_IDN_ENCODING)
_RETURN_ADDR = int(LookupFlags.RETURN_ADDR)
_FLUSHCACHE = int(LookupFlags.FLUSHCACHE)
_ADDRCONFIG = int(LookupFlags.ADDRCONFIG)
_SECURE = int(LookupFlags.SECURE)

_EVERYTHING = (None, "", ROOT)
_CONTEXTS = (*_EVERYTHING, REGISTERED, FROM_DNS, FROM_LITERAL)
_DELIVERY_ALIASES = frozenset({"mx", f"{DELIVERY}/tcp"})


def is_context(text: str | None) -> bool:
    """Whether there is such a context in this namespace."""
    return text in _CONTEXTS


def is_within(query: Query, context: str) -> bool:
    """Whether the query's start point has that context in it."""
    return query.restrictions.context in (*_EVERYTHING, context)


def encodes_idn(query: Query) -> bool:
    """Whether domains beyond ASCII are made A-labels of."""
    return not query.control_flags & _DISABLE_IDN


def wants_preferred(query: Query) -> bool:
    """Whether the names are wanted that the user publishes himself under."""
    return bool(query.control_flags & _PREFERRED_NAMES)


def of_registrations(query: Query) -> Query:
    """The query as it goes to the registry of this provider, which has one context."""
    restrictions = msgspec.structs.replace(query.restrictions, context=REGISTERED)
    return msgspec.structs.replace(query, restrictions=restrictions)


def with_addresses(query: Query) -> Query:
    """The query as one that asks for addresses: it passes over what was deregistered."""
    return msgspec.structs.replace(query, control_flags=query.control_flags | _RETURN_ADDR)


def wants_configured(query: Query) -> bool:
    """Whether only addresses of families that this host has are wanted (LUP_ADDRCONFIG)."""
    return bool(query.control_flags & _ADDRCONFIG)


def of_any_service(query: Query) -> QuerySet:
    """The restrictions of a query but for the service that it asks for."""
    return msgspec.structs.replace(query.restrictions, query_string=None)


def wants_service(query: Query, service: str) -> bool:
    """Whether a service is asked for: the query string names it, or none.

    "smtp" is delivery and may be asked for as "MX", too. Services have no
    version, so a query for one gets none of them.
    """
    restrictions = query.restrictions
    if restrictions.version is not None:
        return False
    asked = (restrictions.query_string or "").casefold()
    return (
        not asked
        or asked == f"{service}/tcp"
        or (service == DELIVERY and asked in _DELIVERY_ALIASES)
    )


def asked_of_dns(
    mailbox: Mailbox,
    query: Query,
    *,
    services: Collection[str],
    delivery: bool,
    families: Collection[str],
    foreign: Callable[[str], bool] | None = None,
) -> Asked | None:
    """What to ask the DNS for a query; None: nothing.

    Args:
        mailbox: the address asked for.
        query: the query.
        services: the services for mail clients that the provider looks for.
        delivery: whether it looks for mail servers as well.
        families: the address families to ask for, "inet" and "inet6".
        foreign: whether a name belongs to other providers (`Provider.foreign`).
    """
    if mailbox.address is not None or not is_within(query, FROM_DNS):
        return None
    services = [service for service in services if wants_service(query, service)]
    delivery = delivery and wants_service(query, DELIVERY)
    restrictions, flags = query.restrictions, query.control_flags
    addresses = addresses_wanted(restrictions, flags, tuple(families), TCP)
    if not addresses.types or not (services or delivery):
        return None
    domain, _ = parse_name(mailbox.domain if encodes_idn(query) else mailbox.written, encode=False)
    to_deliver = delivery_question(domain)
    questions = [
        question
        for service in services
        if (question := client_question(service, domain)) is not None
    ]
    if delivery:
        questions.append(to_deliver)
    wants_addresses = fields_of_begin(flags) & _RETURN_ADDR or restrictions.protocols
    return Asked(
        questions=tuple(questions),
        delivery=to_deliver,
        addresses=addresses if wants_addresses else None,
        flush=bool(flags & _FLUSHCACHE),
        secure=bool(flags & _SECURE),
        # Whoever names this provider for such a domain means it (by its GUID).
        foreign=None if foreign is None or foreign(mailbox.domain) else foreign,
        story=query.story,
    )
