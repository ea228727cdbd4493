"""The short way to read addresses: what dnspython would read, or nothing."""

from __future__ import annotations

import struct

import dns.edns
import dns.exception
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

from nspd.providers.dns.plain import read_addresses

NAME = dns.name.from_text("www.example.test")
START = 12 + len(b"".join(bytes((len(label),)) + label for label in NAME.labels)) + 4

A_DATA = st.integers(0, 2**32 - 1).map(lambda number: struct.pack("!I", number))
AAAA_DATA = st.binary(min_size=16, max_size=16)


def reply(rdtype: str, *records: tuple[str, str], opt: bool = True) -> dns.message.Message:
    """A reply that answers with records (type, data) of the name."""
    made = dns.message.make_response(
        dns.message.make_query(NAME, rdtype, use_edns=0 if opt else False),
        recursion_available=True,
    )
    for type_, data in records:
        made.answer.append(dns.rrset.from_text(NAME, 300, "IN", type_, data))
    return made


def short(message: dns.message.Message) -> dns.message.Message | None:
    """What the short way makes of a message."""
    wire = message.to_wire(max_size=65535)
    return read_addresses(wire, NAME, message.question[0].rdtype, START)


def agrees(wire: bytes, rdtype: int) -> bool:
    """Whether the short way reads the message, as dnspython does."""
    read = read_addresses(wire, NAME, rdtype, START)
    if read is None:
        return False
    whole = dns.message.from_wire(wire)
    assert read == whole
    assert [rrset.ttl for rrset in read.answer] == [rrset.ttl for rrset in whole.answer]
    assert read.rcode() == whole.rcode()
    return True


@pytest.mark.parametrize("opt", [True, False])
@pytest.mark.parametrize(
    ("rdtype", "addresses"),
    [
        ("A", ["192.0.2.1"]),
        ("A", ["192.0.2.1", "192.0.2.2", "192.0.2.1"]),
        ("AAAA", ["2001:db8::1"]),
        ("AAAA", ["::", "::ffff:192.0.2.1"]),
    ],
)
def test_addresses_are_read(rdtype: str, addresses: list[str], opt: bool) -> None:
    """Both types, one record or more, with EDNS and without."""
    made = reply(rdtype, *((rdtype, each) for each in addresses), opt=opt)
    assert agrees(made.to_wire(), made.question[0].rdtype)


@settings(deadline=None)
@given(
    st.one_of(
        st.tuples(st.just(1), st.lists(st.tuples(A_DATA, st.integers(0, 2**32 - 1)), min_size=1)),
        st.tuples(
            st.just(28), st.lists(st.tuples(AAAA_DATA, st.integers(0, 2**32 - 1)), min_size=1)
        ),
    ),
    st.integers(0, 0xFFFF),
)
def test_any_addresses_and_flags(records: tuple[int, list[tuple[bytes, int]]], flags: int) -> None:
    """Whatever the addresses, TTLs and flags are: what is read is what dnspython reads."""
    rdtype, answers = records
    wire = dns.message.make_query(NAME, dns.rdatatype.RdataType(rdtype)).to_wire()
    body = b"".join(
        struct.pack("!3HIH", 0xC00C, rdtype, 1, ttl, len(data)) + data for data, ttl in answers
    )
    whole = wire[:2] + struct.pack("!5H", flags, 1, len(answers), 0, 0) + wire[12:] + body
    plain = not flags & 0x0F and all(ttl < 2**31 for _, ttl in answers)
    if dns.opcode.from_flags(flags) == dns.opcode.QUERY:
        assert agrees(whole, rdtype) is plain


@settings(deadline=None)
@given(st.data(), st.sampled_from(["A", "AAAA"]))
def test_a_mangled_reply_is_read_alike_or_not(data: st.DataObject, rdtype: str) -> None:
    """However a reply is changed, the short way reads what dnspython reads, or gives up."""
    address = {"A": "192.0.2.", "AAAA": "2001:db8::"}[rdtype]
    made = reply(rdtype, (rdtype, f"{address}1"), (rdtype, f"{address}2"))
    wire = bytearray(made.to_wire())
    places = [*range(2, 4), *range(6, 12), *range(START, len(wire))]
    for _ in range(data.draw(st.integers(0, 4))):
        wire[data.draw(st.sampled_from(places))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(wire)), st.integers(START, len(wire))))
    if dns.opcode.from_flags(int.from_bytes(wire[2:4])) == dns.opcode.QUERY:
        for mangled in (bytes(wire[:cut]), bytes(wire) + b"x"):
            try:
                agrees(mangled, made.question[0].rdtype)
            except dns.exception.DNSException as error:
                pytest.fail(f"dnspython does not read what the short way reads: {error}")


@pytest.mark.parametrize("additional", range(2, 20))
def test_a_wrong_count_of_records_is_never_read(additional: int) -> None:
    """The header may promise more than there is, and dnspython would not read that either."""
    wire = bytearray(reply("A", ("A", "192.0.2.1")).to_wire())
    wire[10:12] = additional.to_bytes(2)
    assert read_addresses(bytes(wire), NAME, dns.rdatatype.A, START) is None


def with_option() -> dns.message.Message:
    made = reply("A", ("A", "192.0.2.1"))
    made.use_edns(0, options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")])
    return made


def with_extended_rcode() -> dns.message.Message:
    made = reply("A", ("A", "192.0.2.1"))
    made.set_rcode(dns.rcode.BADVERS)
    return made


def with_authority() -> dns.message.Message:
    made = reply("A", ("A", "192.0.2.1"))
    made.authority.append(dns.rrset.from_text("test.", 300, "IN", "NS", "ns.test."))
    return made


def with_additional() -> dns.message.Message:
    made = reply("A", ("A", "192.0.2.1"))
    made.additional.append(dns.rrset.from_text("ns.test.", 300, "IN", "A", "192.0.2.53"))
    return made


LEFT_TO_DNSPYTHON = {
    "an alias": reply("A", ("CNAME", "www.other.test.")),
    "no data": reply("A"),
    "another type": reply("A", ("AAAA", "2001:db8::1")),
    "text": reply("TXT", ("TXT", "x")),
    "an option": with_option(),
    "an extended rcode": with_extended_rcode(),
    "an authority": with_authority(),
    "an additional record": with_additional(),
}


@pytest.mark.parametrize("case", LEFT_TO_DNSPYTHON)
def test_everything_else_is_left_to_dnspython(case: str) -> None:
    """What is not plainly an address of the name is not read here."""
    assert short(LEFT_TO_DNSPYTHON[case]) is None


def test_the_addresses_of_another_name_are_left_to_dnspython() -> None:
    """A record of another owner is none of the name that was asked for."""
    made = reply("A", ("A", "192.0.2.1"))
    made.answer[0].name = dns.name.from_text("evil.example.test")
    assert short(made) is None
