"""From queries to questions: names, services, addresses reversed, record types."""

from __future__ import annotations

import socket
from typing import Any

import dns.name
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.core.provider import Query
from nspd.model.errors import InvalidArgument, NotSupported
from nspd.model.flags import LookupFlags
from nspd.model.queryset import AfProtocol, QuerySet, Version
from nspd.providers.dns.questions import (
    AAAA,
    A,
    Addresses,
    AddressQuestion,
    Nothing,
    Question,
    RecordsQuestion,
    ReverseQuestion,
    Search,
    ServiceQuestion,
    question_of,
)

BOTH = ("inet6", "inet")
PLAIN = Search()
CORP = Search((dns.name.from_text("corp.test."), dns.name.from_text("test.")), ndots=1)


def asked(
    name: str | None,
    query_string: str | None = None,
    *,
    flags: int = 0,
    search: Search = PLAIN,
    families: tuple[str, ...] = BOTH,
    named: bool = True,
    **members: Any,
) -> Question | Nothing:
    """The question of a query."""
    restrictions = QuerySet(service_instance_name=name, query_string=query_string, **members)
    query = Query(restrictions=restrictions, control_flags=int(flags))
    return question_of(query, search, families, named=named)


def candidates(question: Question | Nothing) -> list[str]:
    """The names that may be meant."""
    assert isinstance(question, AddressQuestion | ServiceQuestion | RecordsQuestion)
    return [name.to_text() for name in question.candidates]


def test_a_name_asks_for_its_addresses() -> None:
    """Of both families."""
    question = asked("www.test")
    assert question == AddressQuestion((dns.name.from_text("www.test."),), Addresses((AAAA, A)))


@pytest.mark.parametrize(
    ("name", "search", "expected"),
    [
        ("www", CORP, ["www.corp.test.", "www.test.", "www."]),
        ("www.sub", CORP, ["www.sub.", "www.sub.corp.test.", "www.sub.test."]),
        ("www.", CORP, ["www."]),
        ("www.sub.", CORP, ["www.sub."]),
        ("www", PLAIN, ["www."]),
        (
            "www.sub",
            Search(CORP.domains, ndots=2),
            ["www.sub.corp.test.", "www.sub.test.", "www.sub."],
        ),
        ("www", Search(CORP.domains, ndots=0), ["www.", "www.corp.test.", "www.test."]),
        ("www", Search(CORP.domains, as_is=False), ["www.corp.test.", "www.test."]),
        ("www.sub", Search((), as_is=False), ["www.sub."]),
        ("www", Search((CORP.domains[0], CORP.domains[0])), ["www.corp.test.", "www."]),
        ("bücher", CORP, ["xn--bcher-kva.corp.test.", "xn--bcher-kva.test.", "xn--bcher-kva."]),
    ],
)
def test_names_are_completed(name: str, search: Search, expected: list[str]) -> None:
    """As resolv.conf(5) says of search and ndots; a dot at the end forbids it."""
    assert candidates(asked(name, search=search)) == expected
    assert candidates(asked(name, "TXT", search=search)) == expected
    assert candidates(asked(name, "imap/tcp", search=search)) == [
        f"_imap._tcp.{each}" for each in expected
    ]


@pytest.mark.parametrize("name", ["localhost", "foo.onion", "printer.local", "a.invalid"])
def test_names_that_must_not_be_sent_are_not_completed(name: str) -> None:
    """A suffix would send them after all (RFC 7686, section 2)."""
    assert candidates(asked(name, search=CORP)) == [f"{name}."]


def test_a_completed_name_that_is_too_long_is_left_out() -> None:
    """There can be no such name."""
    name = ".".join(["x" * 49] * 5)
    search = Search((dns.name.from_text("corp.test."),))
    assert candidates(asked(name, search=search)) == [f"{name}."]


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "*",
        "www.*",
        "?",
        "x" * 64,
        ".".join(["x" * 49] * 6),
        "a..b",
        "my printer",
        "a/b",
        "nul\0",
        "i❤.test",
    ],
)
def test_what_cannot_be_the_name_of_a_host_is_not_asked_for(name: str | None) -> None:
    """It does not exist; nothing is sent. Patterns cannot be enumerated."""
    assert asked(name) == Nothing(known=False)


def test_other_records_may_have_any_name() -> None:
    """DNS-SD has service instances with blanks in their names (RFC 6763, section 4.1)."""
    question = asked("My Printer._ipp._tcp.test", "TXT")
    assert candidates(question) == [r"My\032Printer._ipp._tcp.test."]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ({"flags": LookupFlags.CONTAINERS}, Nothing(known=True)),
        ({"version": Version(1, "equal")}, Nothing()),
        ({"context": "elsewhere"}, Nothing()),
    ],
)
def test_what_the_dns_does_not_have(what: dict[str, Any], expected: Nothing) -> None:
    """Containers (case 14), versions, and contexts but the default one."""
    assert asked("www.test", **what) == expected


def test_the_root_context_is_the_default_one() -> None:
    """As is an empty one."""
    assert asked("www.test", context="\\") == asked("www.test", context="") == asked("www.test")


@pytest.mark.parametrize(
    ("literal", "name", "address"),
    [
        ("192.0.2.10", "10.2.0.192.in-addr.arpa.", "192.0.2.10"),
        ("192.0.2.10.", "10.2.0.192.in-addr.arpa.", "192.0.2.10"),
        ("2001:DB8::0010", "0.1.0.0." + "0." * 20 + "8.b.d.0.1.0.0.2.ip6.arpa.", "2001:db8::10"),
        ("fe80::1%eth0", "1.0.0.0." + "0." * 24 + "0.8.e.f.ip6.arpa.", "fe80::1"),
    ],
)
def test_an_address_asks_for_its_names(literal: str, name: str, address: str) -> None:
    """Reversed, in the usual spelling, without a scope."""
    question = asked(literal, search=CORP)
    assert question == ReverseQuestion(dns.name.from_text(name), address)


@pytest.mark.parametrize("name", ["1.2.3", "example.1", "1.2.3.4.5", "256.0.0.1", "host-1"])
def test_what_only_looks_like_an_address_is_a_name(name: str) -> None:
    """It may even exist."""
    assert candidates(asked(f"{name}.")) == [f"{name}."]


def test_a_service_is_asked_for_by_its_name_and_protocol() -> None:
    """RFC 2782; underscores may be written, and case makes no difference."""
    question = asked("test", "imaps/tcp")
    assert isinstance(question, ServiceQuestion)
    assert candidates(question) == ["_imaps._tcp.test."]
    assert (question.socket_type, question.protocol) == (1, 6)
    other = asked("test", "_SIP/_udp")
    assert isinstance(other, ServiceQuestion)
    assert dns.name.from_text("_sip._udp.test.") in other.candidates
    assert (other.socket_type, other.protocol) == (2, 17)
    assert asked("test", f"{'x' * 16}/tcp") == Nothing()
    assert asked("a..b", "imaps/tcp") == Nothing()


@pytest.mark.parametrize(
    ("text", "number"), [("MX", 15), ("txt", 16), ("CAA", 257), ("TYPE65", 65), ("TYPE4711", 4711)]
)
def test_a_record_type_is_asked_for_by_its_name(text: str, number: int) -> None:
    """Or by its number, as RFC 3597 writes it."""
    assert asked("test", text) == RecordsQuestion((dns.name.from_text("test."),), number)


@pytest.mark.parametrize("text", ["ANY", "AXFR", "OPT", "TSIG", "TYPE0", "TYPE255"])
def test_what_is_no_type_of_records_is_refused(text: str) -> None:
    """Questions and marks of the protocol are not records (RFC 6895, section 3.1)."""
    with pytest.raises(NotSupported):
        asked("test", text)


@pytest.mark.parametrize("text", ["blah", "imaps", "imaps/sctp", "records=3&hang=1", "TYPE99999"])
def test_other_query_strings(text: str) -> None:
    """They are a mistake if this provider is meant, else another namespace's."""
    with pytest.raises(InvalidArgument):
        asked("test", text)
    assert asked("test", text, named=False) == Nothing()


@pytest.mark.parametrize(
    ("pairs", "flags", "types", "dual"),
    [
        ([("inet", 0)], 0, (A,), False),
        ([("inet6", 6)], 0, (AAAA,), False),
        ([("inet", 6), ("inet6", 17)], 0, (AAAA, A), False),
        ([(0, 0)], 0, (AAAA, A), False),
        ([(int(socket.AF_INET6), 0)], 0, (AAAA,), False),
        ([("unix", 0)], 0, (), False),
        ([], LookupFlags.DUAL_ADDR, (AAAA, A), True),
        ([("inet6", 0)], LookupFlags.DUAL_ADDR, (AAAA, A), True),
        ([("inet", 0)], LookupFlags.DUAL_ADDR, (A,), False),
    ],
)
def test_families(
    pairs: list[tuple[Any, int]], flags: int, types: tuple[int, ...], dual: bool
) -> None:
    """Of the pairs in `protocols` the family counts; for dual sockets IPv4 is IPv6, too."""
    protocols = tuple(AfProtocol(*pair) for pair in pairs) or None
    question = asked("www.test", flags=flags, protocols=protocols)
    assert isinstance(question, AddressQuestion)
    assert question.addresses == Addresses(types, dual=dual)


def test_protocols_of_a_service_must_fit() -> None:
    """A service over TCP has nothing for one who accepts UDP alone."""
    over_udp = (AfProtocol("inet", 17),)
    for protocols, types in (over_udp, ()), ((*over_udp, AfProtocol("inet6", 6)), (AAAA,)):
        question = asked("test", "imaps/tcp", protocols=protocols)
        assert isinstance(question, ServiceQuestion)
        assert question.addresses.types == types


def test_only_families_that_are_given_are_asked_for() -> None:
    """LUP_ADDRCONFIG takes away those that this host does not have."""
    question = asked("www.test", families=("inet",))
    assert isinstance(question, AddressQuestion)
    assert question.addresses.types == (A,)


def test_flags_change_how_names_and_addresses_are_taken() -> None:
    """LUP_DISABLE_IDN_ENCODING and LUP_NEAREST."""
    plain = asked("bücher.test", flags=LookupFlags.DISABLE_IDN_ENCODING)
    assert candidates(plain) == [r"b\195\188cher.test."]
    near = asked("www.test", flags=LookupFlags.NEAREST)
    assert isinstance(near, AddressQuestion)
    assert near.addresses.nearest


@given(
    st.text(max_size=80) | st.from_regex(r"[a-zA-Z0-9._*:%-]{1,80}", fullmatch=True),
    st.none() | st.text(max_size=20) | st.sampled_from(["imaps/tcp", "MX", "TYPE0", "A/udp"]),
    st.integers(0, 0xFFFFFF),
    st.booleans(),
)
def test_no_text_is_a_bug(name: str, what: str | None, flags: int, named: bool) -> None:
    """Whatever is asked is a question, nothing, or refused; names that are sent can be sent."""
    try:
        question = asked(name, what, flags=flags, search=CORP, named=named)
    except (InvalidArgument, NotSupported):
        assert what
        return
    if isinstance(question, Nothing | ReverseQuestion):
        return
    for each in question.candidates:
        assert each.is_absolute()
        assert len(each.to_wire() or b"") <= 255
