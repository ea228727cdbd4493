"""From a query to the question that it puts to a hosts table, and from hosts to records."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from msgspec import Struct

from nspd.core.provider import Query
from nspd.model.flags import LookupFlags, ResultFlags
from nspd.model.queryset import AfProtocol, QuerySet
from nspd.providers.hosts.addresses import family, transport_address
from nspd.providers.hosts.lines import key_of
from nspd.providers.hosts.questions import Host, Question, question

_CONTAINERS = int(LookupFlags.CONTAINERS)
_RETURN_ALIASES = int(LookupFlags.RETURN_ALIASES)
_PREFERRED_NAMES = int(LookupFlags.RETURN_PREFERRED_NAMES)
_IS_ALIAS = int(ResultFlags.ALIAS)
_DEFAULT_CONTEXTS = (None, "", "\\")
_FAMILIES: Mapping[str | int, str] = {
    "inet": "inet",
    "inet6": "inet6",
    int(socket.AF_INET): "inet",
    int(socket.AF_INET6): "inet6",
}


def is_plain(query: Query) -> bool:
    """Whether the query gives a name and nothing that narrows what is found for it."""
    restrictions = query.restrictions
    return not (
        query.control_flags & _CONTAINERS
        or restrictions.version is not None
        or restrictions.protocols
        or restrictions.query_string
        or not restrictions.service_instance_name
        or restrictions.context not in _DEFAULT_CONTEXTS
    )


def wants_aliases(query: Query) -> bool:
    """Whether a record for each alias is wanted as well."""
    return bool(query.control_flags & _RETURN_ALIASES)


class NothingToFind(Struct, frozen=True):
    """A query that no hosts file can answer."""

    known: bool
    """Whether that is "no data" rather than "not found"."""


def question_of(query: Query) -> Question | NothingToFind:
    """The question that the query puts.

    A hosts file has no containers (asked for them it has no data), no versions,
    and no context but the default one. A query without a name asks for all
    names; but of preferred names, asked for so, a hosts file has none.
    """
    restrictions = query.restrictions
    if query.control_flags & _CONTAINERS:
        return NothingToFind(known=True)
    name = restrictions.service_instance_name
    if (
        (not name and query.control_flags & _PREFERRED_NAMES)
        or restrictions.version is not None
        or restrictions.context not in _DEFAULT_CONTEXTS
    ):
        return NothingToFind(known=False)
    return question(name or "*")


def families_of(query: Query) -> frozenset[str] | None:
    """The address families that the query accepts; None: all.

    There are no services in a hosts file: a query for one accepts no address,
    so a name that exists has no data for it.
    """
    restrictions = query.restrictions
    if restrictions.query_string:
        return frozenset()
    pairs: tuple[AfProtocol, ...] = restrictions.protocols or ()
    if not pairs or any(pair.family == int(socket.AF_UNSPEC) for pair in pairs):
        return None
    return frozenset(_FAMILIES[pair.family] for pair in pairs if pair.family in _FAMILIES)


class RecordMaker(Struct, frozen=True):
    """Makes the records that one query gets of hosts."""

    namespace: int
    provider_id: str
    families: frozenset[str] | None
    aliases: bool

    def records(self, host: Host) -> tuple[QuerySet, ...]:
        """The record of the host, then those of its aliases; none without a wanted address.

        An alias comes as a name alone, so that whoever gathers the addresses of
        all records gets each once; its comment is the canonical name.
        """
        addresses = tuple(
            transport_address(address)
            for address in host.addresses
            if self.families is None or family(address) in self.families
        )
        if not addresses:
            return ()
        record = QuerySet(
            service_instance_name=host.name,
            namespace=self.namespace,
            provider_id=self.provider_id,
            context="",
            addresses=addresses,
            output_flags=0,
        )
        return (record, *(self._alias(host, alias) for alias in host.aliases if self.aliases))

    def _alias(self, host: Host, alias: str) -> QuerySet:
        return QuerySet(
            service_instance_name=alias,
            comment=host.name,
            namespace=self.namespace,
            provider_id=self.provider_id,
            context="",
            output_flags=_IS_ALIAS,
        )

    def keyed(self, host: Host | None) -> dict[tuple[bool, str], QuerySet]:
        """The records of a host, if there is one, each under what makes it the same record."""
        return {
            (record.output_flags == _IS_ALIAS, key_of(record.service_instance_name or "")): record
            for record in (self.records(host) if host is not None else ())
        }
