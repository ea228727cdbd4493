"""What a reply says about a question: alias chains, lifetimes, and what does not count."""

from __future__ import annotations

from itertools import pairwise

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.model.errors import NoRecovery
from nspd.providers.dns.answers import (
    MAX_CHAIN,
    Answer,
    Chase,
    Lifetimes,
    joined,
    read,
)
from tests.providers.dns.upstream import SOA, negative, reply

WWW = dns.name.from_text("www.test.")
DEFAULT = Lifetimes()


def answer_of(
    message: dns.message.Message, rdtype: str = "A", lifetimes: Lifetimes = DEFAULT
) -> Answer:
    """What the message says of www.test, which must be an answer."""
    got = read(message, WWW, dns.rdatatype.from_text(rdtype), lifetimes)
    assert isinstance(got, Answer)
    return got


def names(answer: Answer | Chase) -> list[str]:
    """The chain as texts."""
    return [name.to_text() for name in answer.chain]


def chain(*targets: str, then: tuple[str, str, str] | None = None) -> list[tuple[str, str, str]]:
    """The records of aliases from www.test, and of what they lead to."""
    owners = ("www.test.", *targets)
    aliases = [(owner, "CNAME", target) for owner, target in zip(owners, targets, strict=False)]
    return [*aliases, then] if then else aliases


def test_records_of_the_name_are_an_answer() -> None:
    """With their TTL, and whether the server has validated them."""
    got = answer_of(reply(("www.test.", "A", "192.0.2.1"), ("www.test.", "A", "192.0.2.2")))
    assert (got.kind, got.ttl, names(got)) == ("answer", 300, ["www.test."])
    assert got.rrset is not None
    assert [rdata.to_text() for rdata in got.rrset] == ["192.0.2.1", "192.0.2.2"]
    assert not got.authenticated
    validated = reply(("www.test.", "A", "192.0.2.1"), flags=dns.flags.AD)
    assert answer_of(validated).authenticated


def test_names_are_equal_in_whatever_case() -> None:
    """A server may answer in another case than it was asked."""
    got = answer_of(reply(("WWW.Test.", "A", "192.0.2.1")))
    assert got.kind == "answer"


def test_a_chain_of_aliases_is_followed() -> None:
    """In whatever order its records are; the canonical name is the last."""
    records = chain("a.test.", "b.test.", then=("b.test.", "A", "192.0.2.1"))
    for order in (records, records[::-1]):
        got = answer_of(reply(*order))
        assert names(got) == ["www.test.", "a.test.", "b.test."]
        assert got.canonical.to_text() == "b.test."


def test_the_shortest_ttl_of_a_chain_counts() -> None:
    """What is kept is the whole chain."""
    message = reply(*chain("a.test."), ttl=20)
    message.answer += reply(("a.test.", "A", "192.0.2.1"), ttl=300).answer
    assert answer_of(message).ttl == 20


def test_an_alias_asked_for_is_an_answer() -> None:
    """Type CNAME follows nothing."""
    got = answer_of(reply(*chain("a.test.")), "CNAME")
    assert (got.kind, names(got)) == ("answer", ["www.test."])


def test_records_beside_the_chain_do_not_count() -> None:
    """A server cannot put in records of names that were not asked for."""
    got = answer_of(reply(("evil.test.", "A", "192.0.2.66"), authority=[SOA]))
    assert (got.kind, got.rrset) == ("nodata", None)


@pytest.mark.parametrize(
    "targets",
    [
        ("www.test.",),
        ("a.test.", "www.test."),
        ("a.test.", "b.test.", "a.test."),
        tuple(f"n{number}.test." for number in range(MAX_CHAIN + 1)),
    ],
)
def test_a_chain_that_does_not_end_is_an_error(targets: tuple[str, ...]) -> None:
    """A circle, or more aliases than anybody needs."""
    with pytest.raises(NoRecovery):
        answer_of(reply(*chain(*targets)))


def test_the_longest_chain_is_followed() -> None:
    """`MAX_CHAIN` aliases are not too many."""
    targets = [f"n{number}.test." for number in range(MAX_CHAIN)]
    got = answer_of(reply(*chain(*targets, then=(targets[-1], "A", "192.0.2.1"))))
    assert len(got.chain) == MAX_CHAIN + 1


def test_no_such_name_and_no_such_data_are_told_apart() -> None:
    """By the response code."""
    assert answer_of(negative("NXDOMAIN")).kind == "nxdomain"
    assert answer_of(negative()).kind == "nodata"


@pytest.mark.parametrize(
    ("ttl", "minimum", "lifetimes", "expected"),
    [
        (300, 60, DEFAULT, 60),  # the MINIMUM field is smaller
        (30, 60, DEFAULT, 30),  # the TTL of the SOA is smaller
        (90_000, 90_000, DEFAULT, 3600),  # capped
        (30, 60, Lifetimes(max_negative_ttl=10), 10),
        (0, 60, DEFAULT, 0),
        (1, 1, Lifetimes(min_ttl=5), 5),
    ],
)
def test_how_long_a_negative_answer_holds(
    ttl: int, minimum: int, lifetimes: Lifetimes, expected: float
) -> None:
    """RFC 2308, section 5: the smaller of the SOA's TTL and its MINIMUM, within bounds."""
    soa = ("test.", "SOA", f"ns.test. admin.test. 1 3600 600 86400 {minimum}")
    got = answer_of(reply(rcode="NXDOMAIN", authority=[soa], ttl=ttl), lifetimes=lifetimes)
    assert got.ttl == expected


def test_a_negative_answer_without_soa_is_not_kept() -> None:
    """RFC 2308, section 5: it says nothing of its lifetime."""
    assert answer_of(reply(rcode="NXDOMAIN")).ttl == 0


@pytest.mark.parametrize(
    ("ttl", "lifetimes", "expected"),
    [
        (300, DEFAULT, 300),
        (0, DEFAULT, 0),
        (0, Lifetimes(min_ttl=5), 5),
        (2_000_000, DEFAULT, 86400),
        (300, Lifetimes(max_ttl=60), 60),
    ],
)
def test_how_long_records_hold(ttl: int, lifetimes: Lifetimes, expected: float) -> None:
    """Their TTL, within the bounds that are set."""
    message = reply(("www.test.", "A", "192.0.2.1"), ttl=ttl)
    assert answer_of(message, lifetimes=lifetimes).ttl == expected


def test_the_rest_of_a_chain_is_left_to_us() -> None:
    """By a server that serves a zone and does not recurse: no SOA, no RA."""
    message = reply(*chain("a.test.", "b.other."), flags=dns.flags.AA)
    got = read(message, WWW, dns.rdatatype.A, DEFAULT)
    assert isinstance(got, Chase)
    assert names(got) == ["www.test.", "a.test.", "b.other."]


def test_a_resolver_knows_where_a_chain_ends() -> None:
    """What has RA looked further itself: the end of the chain has nothing of the type."""
    got = answer_of(reply(*chain("a.test.")))
    assert (got.kind, names(got)) == ("nodata", ["www.test.", "a.test."])
    ended = reply(*chain("a.test."), flags=dns.flags.AA, authority=[SOA])
    assert answer_of(ended).kind == "nodata"
    nowhere = reply(*chain("a.test."), rcode="NXDOMAIN", flags=dns.flags.AA)
    assert answer_of(nowhere).kind == "nxdomain"


def test_parts_of_a_chain_are_joined() -> None:
    """With the shorter lifetime, and validated only if both parts are."""
    first = Chase((WWW, dns.name.from_text("a.test.")), 20, True)
    end = read(reply(("a.test.", "A", "192.0.2.1")), first.chain[-1], dns.rdatatype.A, DEFAULT)
    got = joined(first, end)
    assert isinstance(got, Answer)
    assert (names(got), got.ttl, got.authenticated) == (["www.test.", "a.test."], 20, False)


def test_parts_of_a_chain_that_lead_back_are_an_error() -> None:
    """The circle may go over several servers."""
    first = Chase((WWW, dns.name.from_text("a.test.")), 20, False)
    with pytest.raises(NoRecovery):
        joined(first, Chase((first.chain[-1], WWW), 20, False))


@pytest.mark.parametrize(
    "wrong",
    [{"min_ttl": -1.0}, {"max_negative_ttl": -1.0}, {"min_ttl": 10.0, "max_ttl": 5.0}],
)
def test_impossible_lifetimes_are_refused(wrong: dict[str, float]) -> None:
    """They are mistakes of the configuration."""
    with pytest.raises(ValueError, match="must not be"):
        Lifetimes(**wrong)


NAMES = ("www.test.", "a.test.", "b.test.", "c.other.")
graphs = st.lists(
    st.tuples(st.sampled_from(NAMES), st.just("CNAME"), st.sampled_from(NAMES))
    | st.tuples(st.sampled_from(NAMES), st.just("A"), st.just("192.0.2.1")),
    max_size=6,
)


@given(graphs, st.booleans(), st.booleans(), st.sampled_from([0, dns.flags.RA, dns.flags.AA]))
def test_whatever_a_server_says_is_an_answer_or_refused(
    records: list[tuple[str, str, str]], exists: bool, has_soa: bool, flags: int
) -> None:
    """The chain is one of aliases in the reply, no name comes twice, records are the last one's."""
    message = reply(
        *records,
        rcode="NOERROR" if exists else "NXDOMAIN",
        authority=[SOA] if has_soa else [],
        flags=flags,
    )
    try:
        got = read(message, WWW, dns.rdatatype.A, DEFAULT)
    except NoRecovery:
        assert any(rdtype == "CNAME" for _, rdtype, _ in records)
        return
    texts = names(got)
    assert texts[0] == "www.test."
    assert len(set(texts)) == len(texts)
    assert set(pairwise(texts)) <= {
        (owner, data) for owner, rdtype, data in records if rdtype == "CNAME"
    }
    if isinstance(got, Answer) and got.kind == "answer":
        assert (texts[-1], "A", "192.0.2.1") in records
    elif isinstance(got, Answer):
        assert (got.kind == "nodata") == exists
        assert (got.ttl > 0) == has_soa
