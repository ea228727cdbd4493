"""From queries to questions, and from hosts to records."""

from __future__ import annotations

import socket

import pytest

from nspd.core.provider import Query
from nspd.model.flags import LookupFlags, ResultFlags
from nspd.model.queryset import AfProtocol, QuerySet, Version
from nspd.providers.hosts.addresses import transport_address
from nspd.providers.hosts.asking import (
    NothingToFind,
    RecordMaker,
    families_of,
    is_plain,
    question_of,
    wants_aliases,
)
from nspd.providers.hosts.questions import Host, NameQuestion, PatternQuestion


def query(restrictions: QuerySet, flags: int = LookupFlags.RETURN_ALL) -> Query:
    """A query as the router hands it over."""
    return Query(restrictions=restrictions, control_flags=int(flags))


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        (query(QuerySet(service_instance_name="a"), LookupFlags.CONTAINERS), True),
        (query(QuerySet(), LookupFlags.CONTAINERS), True),
        (query(QuerySet(), LookupFlags.RETURN_PREFERRED_NAMES), False),
        (query(QuerySet(service_instance_name="a", version=Version(1, "equal"))), False),
        (query(QuerySet(service_instance_name="a", context="\\office")), False),
    ],
)
def test_queries_that_no_hosts_file_can_answer(asked: Query, known: bool) -> None:
    """Case 14: containers are "no data"; versions, contexts, preferred names "not found"."""
    assert question_of(asked) == NothingToFind(known=known)
    assert not is_plain(asked)


@pytest.mark.parametrize("name", [None, ""])
def test_no_name_asks_for_all_names(name: str | None) -> None:
    """As in the registry, it is the same as ``*``."""
    assert isinstance(question_of(query(QuerySet(service_instance_name=name))), PatternQuestion)


@pytest.mark.parametrize("context", [None, "", "\\"])
def test_the_default_context_is_no_restriction(context: str | None) -> None:
    """All its spellings ask the same."""
    asked = query(QuerySet(service_instance_name="a", context=context))
    assert isinstance(question_of(asked), NameQuestion)
    assert is_plain(asked)


INET = AfProtocol("inet", 6)
INET6 = AfProtocol("inet6", 0)


@pytest.mark.parametrize(
    ("protocols", "families"),
    [
        (None, None),
        ((), None),
        ((INET,), frozenset({"inet"})),
        ((INET, INET6), frozenset({"inet", "inet6"})),
        ((INET, AfProtocol(0, 0)), None),
        ((AfProtocol(int(socket.AF_INET6), 0),), frozenset({"inet6"})),
        ((AfProtocol("unix", 0), AfProtocol(77, 0)), frozenset()),
    ],
)
def test_protocols_pick_address_families(
    protocols: tuple[AfProtocol, ...] | None, families: frozenset[str] | None
) -> None:
    """Case 17: an empty list restricts nothing, nor does AF_UNSPEC."""
    asked = query(QuerySet(service_instance_name="a", protocols=protocols))
    assert families_of(asked) == families
    assert is_plain(asked) is (not protocols)


def test_a_service_accepts_no_address() -> None:
    """There is none in a hosts file; an empty query string is none asked for."""
    assert (
        families_of(query(QuerySet(service_instance_name="a", query_string="ftp/tcp")))
        == frozenset()
    )
    assert families_of(query(QuerySet(service_instance_name="a", query_string=""))) is None


@pytest.mark.parametrize(
    ("flags", "expected"), [(LookupFlags.RETURN_ALL, True), (LookupFlags.RETURN_ADDR, False)]
)
def test_aliases_come_when_asked_for(flags: LookupFlags, expected: bool) -> None:
    """LUP_RETURN_ALIASES asks for them, and LUP_RETURN_ALL holds it."""
    assert wants_aliases(query(QuerySet(), flags)) is expected


HOST = Host("Web1", ("192.0.2.1", "2001:db8::1"), ("www",))


def maker(families: frozenset[str] | None = None, aliases: bool = True) -> RecordMaker:
    """A maker of the records of one query."""
    return RecordMaker(11, "5e1d", families, aliases)


def test_a_host_is_one_record_and_one_for_each_alias() -> None:
    """All addresses are in the first; an alias has none, and names its host in the comment."""
    assert maker().records(HOST) == (
        QuerySet(
            service_instance_name="Web1",
            namespace=11,
            provider_id="5e1d",
            context="",
            addresses=(transport_address("192.0.2.1"), transport_address("2001:db8::1")),
            output_flags=0,
        ),
        QuerySet(
            service_instance_name="www",
            comment="Web1",
            namespace=11,
            provider_id="5e1d",
            context="",
            output_flags=int(ResultFlags.ALIAS),
        ),
    )
    assert len(maker(aliases=False).records(HOST)) == 1


def test_only_addresses_of_the_wanted_families_are_given() -> None:
    """A host without any gives no record, and none for its aliases either."""
    (record,) = maker(frozenset({"inet6"}), aliases=False).records(HOST)
    assert record.addresses == (transport_address("2001:db8::1"),)
    assert maker(frozenset()).records(HOST) == ()


def test_records_are_told_apart_by_name_and_kind() -> None:
    """A canonical name and an alias of the same spelling are two; no host has none."""
    assert list(maker().keyed(HOST)) == [(False, "web1"), (True, "www")]
    assert maker().keyed(None) == {}
