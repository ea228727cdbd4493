"""Queries, and what answers them."""

from __future__ import annotations

import contextlib

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nspd.providers.dns.messages import (
    PAYLOAD,
    Malformed,
    Query,
    is_referral,
    is_truncated,
    lacks_edns,
)

NAME = dns.name.from_text("Www.Example.test")


def query(**options: bool) -> Query:
    return Query(NAME, dns.rdatatype.A, id=0x1234, **options)


def reply(to: Query, *, rcode: str = "NOERROR", flags: int = 0) -> dns.message.Message:
    made = dns.message.make_response(dns.message.from_wire(to.wire), recursion_available=True)
    made.set_rcode(dns.rcode.from_text(rcode))
    made.flags |= flags
    return made


def test_a_query_is_what_dnspython_reads() -> None:
    """Id, question, recursion desired, and EDNS with our payload."""
    message = dns.message.from_wire(query().wire)
    assert message.id == 0x1234
    assert message.flags == dns.flags.RD
    assert [each.to_text() for each in message.question] == ["Www.Example.test. IN A"]
    assert (message.edns, message.payload, message.ednsflags) == (0, PAYLOAD, 0)


def test_edns_can_be_left_out() -> None:
    """Without EDNS there is no OPT record."""
    message = dns.message.from_wire(query(edns=False).wire)
    assert message.edns == -1


def test_validation_is_asked_for_by_the_ad_bit() -> None:
    """AD is set in the query, DO is not (RFC 6840, 5.7)."""
    message = dns.message.from_wire(query(want_dnssec=True).wire)
    assert message.flags == dns.flags.RD | dns.flags.AD
    assert message.ednsflags == 0


def test_a_relative_name_cannot_be_asked_for() -> None:
    """A name without its root would be cut off on the wire."""
    with pytest.raises(ValueError, match="not an absolute name"):
        Query(dns.name.from_text("www", origin=None), dns.rdatatype.A, id=1)


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=20), max_size=8), st.integers(0, 65535))
def test_any_name_survives_the_wire(labels: list[bytes], rdtype: int) -> None:
    """Labels of any bytes, and any record type, are sent as they are."""
    name = dns.name.Name([*labels, b""])
    asked = Query(name, rdtype, id=7)
    question = dns.message.from_wire(asked.wire).question[0]
    assert question.name.labels == name.labels
    assert question.rdtype == rdtype
    assert asked.is_answered_by(
        dns.message.make_response(dns.message.from_wire(asked.wire)).to_wire()
    )


def test_a_reply_to_the_question_answers_it() -> None:
    """Id and question are those of the query; the case of letters may differ."""
    asked = query()
    answer = reply(asked)
    assert asked.is_answered_by(answer.to_wire())
    answer.question[0].name = dns.name.from_text("wWW.eXAMPLE.TEST")
    assert asked.is_answered_by(answer.to_wire())


def test_another_id_answers_nothing() -> None:
    """RFC 5452, 9.1."""
    answer = reply(query())
    answer.id ^= 1
    assert not query().is_answered_by(answer.to_wire())


@pytest.mark.parametrize(
    "question",
    [
        ("www.example.tesu.", "A"),
        ("www.example.test.", "AAAA"),
        ("x.www.example.test.", "A"),
        ("example.test.", "A"),
        # The same bytes, but another length of label: it is not the dot that differs.
        ("www\\.example.test.", "A"),
    ],
)
def test_another_question_is_not_answered(question: tuple[str, str]) -> None:
    """A reply must repeat the name and the type that were asked for."""
    other = dns.message.make_query(*question)
    other.id = 0x1234
    assert not query().is_answered_by(dns.message.make_response(other).to_wire())


def test_another_class_is_not_answered() -> None:
    """A reply must repeat the class."""
    other = dns.message.make_query(NAME, "A", "CH")
    other.id = 0x1234
    assert not query().is_answered_by(dns.message.make_response(other).to_wire())


def test_a_type_is_not_folded_as_letters_are() -> None:
    """Types 0x41 and 0x61 are not the same, though "A" and "a" are."""
    asked = Query(NAME, 0x41, id=1)
    other = Query(NAME, 0x61, id=1)
    assert not asked.is_answered_by(reply(other).to_wire())


def test_a_query_is_no_answer_to_itself() -> None:
    """Without the QR bit it is no reply: it was reflected."""
    assert not query().is_answered_by(query().wire)


def test_another_opcode_is_no_answer() -> None:
    """A NOTIFY is not what we asked for."""
    answer = reply(query())
    answer.set_opcode(dns.opcode.NOTIFY)
    assert not query().is_answered_by(answer.to_wire())


@pytest.mark.parametrize(
    ("rcode", "answers"),
    [
        ("FORMERR", True),
        ("SERVFAIL", True),
        ("NOTIMP", True),
        ("REFUSED", True),
        ("NOERROR", False),
        ("NXDOMAIN", False),
    ],
)
def test_only_an_error_may_lack_the_question(rcode: str, answers: bool) -> None:
    """A server that could not read the query cannot repeat it; no other may leave it out."""
    answer = reply(query(), rcode=rcode)
    answer.question.clear()
    assert query().is_answered_by(answer.to_wire()) is answers


def test_two_questions_are_not_ours() -> None:
    """We ask one."""
    answer = reply(query())
    answer.question.append(dns.rrset.from_text("www.example.test.", 0, "IN", "A"))
    assert not query().is_answered_by(answer.to_wire())


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_break_the_match(wire: bytes) -> None:
    """Whatever comes is an answer or is not; random bytes are not."""
    assert query().is_answered_by(wire) is False


@settings(deadline=None)
@given(st.data())
def test_a_reply_breaks_in_one_way_only(data: st.DataObject) -> None:
    """However a reply is mangled, it is read, or is `Malformed`."""
    answer = reply(query())
    answer.answer.append(dns.rrset.from_text("www.example.test.", 5, "IN", "A", "192.0.2.1"))
    answer.answer.append(
        dns.rrset.from_text("_x._tcp.test.", 5, "IN", "SRV", "0 0 53 www.example.test.")
    )
    answer.use_edns(0, options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")])
    wire = bytearray(answer.to_wire())
    for _ in range(data.draw(st.integers(1, 6))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wire)))
    for mangled in (bytes(wire), bytes(wire[:cut])):
        # What is read must do for the questions that are asked of it next.
        with contextlib.suppress(Malformed):
            message = query().read(mangled)
            assert is_referral(message) + lacks_edns(message) < 2


def test_the_tc_bit_is_seen() -> None:
    """Truncation is read from the header; the rest may be cut anywhere."""
    assert is_truncated(reply(query(), flags=dns.flags.TC).to_wire())
    assert not is_truncated(reply(query()).to_wire())


SOA = "ns.example.test. hostmaster.example.test. 1 2 3 4 5"


def test_a_referral_is_told_from_no_data() -> None:
    """NOERROR with nothing in it is an answer if it is the zone's own, or has its SOA."""
    bare = reply(query())
    bare.flags &= ~dns.flags.RA
    assert is_referral(bare)
    own = reply(query(), flags=dns.flags.AA)
    own.flags &= ~dns.flags.RA
    assert not is_referral(own)
    negative = reply(query())
    negative.flags &= ~dns.flags.RA
    negative.authority.append(dns.rrset.from_text("example.test.", 5, "IN", "SOA", SOA))
    assert not is_referral(negative)
    assert not is_referral(reply(query()))


def test_a_name_server_of_the_zone_below_is_a_referral() -> None:
    """NS records in the authority section are no answer."""
    delegation = reply(query())
    delegation.flags &= ~dns.flags.RA
    delegation.authority.append(
        dns.rrset.from_text("example.test.", 5, "IN", "NS", "ns.example.test.")
    )
    assert is_referral(delegation)


@pytest.mark.parametrize(
    ("rcode", "with_opt", "lacks"),
    [
        ("FORMERR", False, True),
        ("NOTIMP", False, True),
        ("BADVERS", True, True),
        ("FORMERR", True, False),
        ("SERVFAIL", False, False),
        ("NOERROR", False, False),
    ],
)
def test_lacking_edns_is_recognised(rcode: str, with_opt: bool, lacks: bool) -> None:
    """A refusal without an OPT record is due to ours (RFC 6891, 7)."""
    answer = reply(query(), rcode=rcode)
    if not with_opt:
        answer.use_edns(False)
    assert lacks_edns(answer) is lacks
