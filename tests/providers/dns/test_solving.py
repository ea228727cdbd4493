"""How far questions go with what is known: records, what is missing, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import dns.message
import dns.name
import dns.rdatatype
import pytest

from nspd.model.errors import TryAgain, WSAError
from nspd.model.flags import ResultFlags
from nspd.providers.dns.answers import Answer, Lifetimes, read
from nspd.providers.dns.memory import Found, Key, as_stale
from nspd.providers.dns.questions import (
    AAAA,
    A,
    Addresses,
    AddressQuestion,
    Question,
    RecordsQuestion,
    ReverseQuestion,
    ServiceQuestion,
)
from nspd.providers.dns.records import RecordMaker
from nspd.providers.dns.solving import MAX_TARGETS, Solver, Step
from tests.providers.dns.upstream import negative, reply

MAKER = RecordMaker(12, "5e1d0000-0000-4000-8000-00000000000c", lambda destination: None)
FAILURE = TryAgain("SERVFAIL")
BOTH = Addresses((AAAA, A))
Known = dict[str, dns.message.Message | WSAError]

SERVICES = [
    ("_x._tcp.test.", "SRV", "20 0 103 c.test."),
    ("_x._tcp.test.", "SRV", "10 0 101 a.test."),
    ("_x._tcp.test.", "SRV", "10 0 102 b.test."),
]


def names(*texts: str) -> tuple[dns.name.Name, ...]:
    """Names from texts."""
    return tuple(map(dns.name.from_text, texts))


def addresses(*candidates: str, wanted: Addresses = BOTH) -> AddressQuestion:
    """A question for addresses."""
    return AddressQuestion(names(*candidates), wanted)


SERVICE = ServiceQuestion(names("_x._tcp.test."), BOTH, 1, 6)


class Knowing:
    """What is known, by texts such as "www.test A"."""

    def __init__(self, known: Mapping[str, dns.message.Message | WSAError]) -> None:
        self.known = dict(known)
        self.stale: set[str] = set()

    def __call__(self, key: Key) -> Found | None:
        text = f"{key.name.to_text(omit_final_dot=True)} {key.type_text}"
        got = self.known.get(text)
        if got is None or isinstance(got, WSAError):
            return None if got is None else Found(None, got)
        answer = read(got, key.name, key.rdtype, Lifetimes())
        assert isinstance(answer, Answer)
        if text in self.stale:
            return Found(as_stale(answer), FAILURE)
        return Found(answer)


def solved(question: Question, known: Known, *, aliases: bool = False, seed: int = 0) -> Step:
    """The step with what is known."""
    return Solver(question, MAKER, random=Random(seed), aliases=aliases).step(Knowing(known))


def hosts(step: Step) -> list[tuple[str | None, list[str]]]:
    """Names and addresses of the records."""
    return [
        (
            record.service_instance_name,
            [
                f"{each.remote.host}:{each.remote.port}"
                if each.remote.port
                else str(each.remote.host)
                for each in record.addresses or ()
                if each.remote is not None
            ],
        )
        for record in step.records
    ]


def missing(step: Step) -> list[str]:
    """What must be found out."""
    return [f"{key.name.to_text(omit_final_dot=True)} {key.type_text}" for key in step.missing]


def a(name: str, address: str) -> dns.message.Message:
    """A message with one address."""
    return reply((name, "AAAA" if ":" in address else "A", address))


def test_both_families_are_asked_for_at_once() -> None:
    """Nothing is known, so both are missing."""
    step = solved(addresses("www.test."), {})
    assert missing(step) == ["www.test AAAA", "www.test A"]
    assert (step.late, step.records, step.known) == ([], [], False)


def test_one_half_waits_for_the_other() -> None:
    """The missing half holds up what is known."""
    step = solved(addresses("www.test."), {"www.test A": a("www.test.", "192.0.2.1")})
    assert missing(step) == ["www.test AAAA"]
    assert step.late == step.missing
    nothing = solved(addresses("www.test."), {"www.test A": negative()})
    assert (missing(nothing), nothing.late) == (["www.test AAAA"], [])


def test_both_halves_make_one_record() -> None:
    """IPv6 first; each address once."""
    step = solved(
        addresses("www.test."),
        {
            "www.test A": reply(
                ("www.test.", "A", "192.0.2.2"),
                ("www.test.", "A", "192.0.2.1"),
            ),
            "www.test AAAA": a("www.test.", "2001:db8::1"),
        },
    )
    assert hosts(step) == [("www.test", ["2001:db8::1", "192.0.2.2", "192.0.2.1"])]
    assert (step.missing, step.known, step.error) == ([], True, None)


def test_one_half_may_have_failed() -> None:
    """What there is comes as a record, and the failure is told."""
    step = solved(
        addresses("www.test."),
        {"www.test A": a("www.test.", "192.0.2.1"), "www.test AAAA": FAILURE},
    )
    assert hosts(step) == [("www.test", ["192.0.2.1"])]
    assert step.error is FAILURE


def test_a_failure_beside_nothing_is_a_failure() -> None:
    """Whether the name has addresses is then not known; no other name is tried."""
    step = solved(
        addresses("www.corp.", "www."),
        {"www.corp A": negative(), "www.corp AAAA": FAILURE, "www A": a("www.", "192.0.2.1")},
    )
    assert (step.records, step.missing, step.known) == ([], [], False)
    assert step.error is FAILURE


def test_no_such_name_needs_no_other_half() -> None:
    """RFC 2308, section 5: it holds for every type."""
    step = solved(addresses("www.test."), {"www.test AAAA": negative("NXDOMAIN")})
    assert (step.missing, step.records, step.known) == ([], [], False)


def test_no_addresses_is_known() -> None:
    """The name exists (11004)."""
    step = solved(addresses("www.test."), {"www.test A": negative(), "www.test AAAA": negative()})
    assert (step.missing, step.records, step.known) == ([], [], True)


def test_the_first_candidate_that_has_something_counts() -> None:
    """One without addresses makes the name known, but the search goes on."""
    known: Known = {
        "www.one A": negative("NXDOMAIN"),
        "www.two A": negative(),
        "www.two AAAA": negative(),
    }
    question = addresses("www.one.", "www.two.", "www.")
    assert missing(solved(question, known)) == ["www AAAA", "www A"]
    known |= {"www A": negative("NXDOMAIN")}
    assert solved(question, known).known
    known |= {"www A": a("www.", "192.0.2.1"), "www AAAA": negative()}
    assert hosts(solved(question, known)) == [("www", ["192.0.2.1"])]


def test_aliases_follow_the_record_if_they_are_wanted() -> None:
    """Each is a name alone, with the canonical name as its comment; both halves have the same."""
    chain = [("www.test.", "CNAME", "a.test."), ("a.test.", "CNAME", "b.test.")]
    known: Known = {
        "www.test A": reply(*chain, ("b.test.", "A", "192.0.2.1")),
        "www.test AAAA": reply(*chain, ("b.test.", "AAAA", "2001:db8::1")),
    }
    step = solved(addresses("www.test."), known, aliases=True)
    assert [
        (record.service_instance_name, record.comment, record.output_flags)
        for record in step.records
    ] == [
        ("b.test", None, 0),
        ("www.test", "b.test", ResultFlags.ALIAS),
        ("a.test", "b.test", ResultFlags.ALIAS),
    ]
    assert all(record.addresses is None for record in step.records[1:])
    assert len(solved(addresses("www.test."), known).records) == 1


def test_without_a_family_only_the_existence_is_found_out() -> None:
    """A query that accepts no family of the DNS has no data at a name that exists."""
    question = addresses("www.test.", wanted=Addresses(()))
    assert missing(solved(question, {})) == ["www.test A"]
    exists = solved(question, {"www.test A": a("www.test.", "192.0.2.1")})
    assert (exists.records, exists.known) == ([], True)
    assert not solved(question, {"www.test A": negative("NXDOMAIN")}).known


def test_an_old_answer_says_so() -> None:
    """In the comment, and by the error for which it had to do."""
    find = Knowing({"www.test A": a("www.test.", "192.0.2.1"), "www.test AAAA": negative()})
    find.stale.add("www.test A")
    step = Solver(addresses("www.test."), MAKER, random=Random(0)).step(find)
    assert [record.comment for record in step.records] == ["stale"]
    assert step.error is FAILURE


@pytest.mark.parametrize("question", ["addresses", "records", "service"])
def test_an_old_nothing_is_no_answer_but_lets_the_search_go_on(question: str) -> None:
    """Without servers, a short name is still found where it was found before."""
    owners = names("_x._tcp.one.", "_x._tcp.two.")
    questions: dict[str, Question] = {
        "addresses": addresses("www.one.", "www.two."),
        "records": RecordsQuestion(names("www.one.", "www.two."), int(dns.rdatatype.TXT)),
        "service": ServiceQuestion(owners, BOTH, 1, 6),
    }
    asked = questions[question]
    find = Knowing(
        {
            "www.one A": negative("NXDOMAIN"),
            "www.one AAAA": negative(),
            "www.one TXT": negative("NXDOMAIN"),
            "_x._tcp.one SRV": negative(),
            "www.two A": a("www.two.", "192.0.2.1"),
            "www.two AAAA": negative(),
            "www.two TXT": reply(("www.two.", "TXT", '"x"')),
            "_x._tcp.two SRV": reply(("_x._tcp.two.", "SRV", "1 1 1 www.two.")),
        }
    )
    find.stale |= set(find.known)
    step = Solver(asked, MAKER, random=Random(0)).step(find)
    assert [record.service_instance_name for record in step.records] == ["www.two"]
    assert step.error is FAILURE
    for key in [key for key in find.known if "two" in key]:
        find.known[key] = negative("NXDOMAIN")
    nothing = Solver(asked, MAKER, random=Random(0)).step(find)
    assert (nothing.records, nothing.known, nothing.error) == ([], False, FAILURE)


def test_a_service_first_needs_its_targets() -> None:
    """Then the addresses of all of them at once."""
    assert missing(solved(SERVICE, {})) == ["_x._tcp.test SRV"]
    step = solved(SERVICE, {"_x._tcp.test SRV": reply(*SERVICES)})
    assert sorted(missing(step)) == [
        f"{host}.test {rdtype}" for host in "abc" for rdtype in ("A", "AAAA")
    ]


def test_targets_come_in_order_with_their_ports() -> None:
    """By priority; a record for each, whose comment and blob are the SRV record."""
    known: Known = {"_x._tcp.test SRV": reply(*SERVICES)}
    for number, host in enumerate("abc", start=1):
        known[f"{host}.test A"] = a(f"{host}.test.", f"192.0.2.{number}")
        known[f"{host}.test AAAA"] = negative()
    step = solved(SERVICE, known, seed=1)
    assert [name for name, _ in hosts(step)][2] == "c.test"
    assert sorted(hosts(step)) == [
        ("a.test", ["192.0.2.1:101"]),
        ("b.test", ["192.0.2.2:102"]),
        ("c.test", ["192.0.2.3:103"]),
    ]
    last = step.records[2]
    assert last.comment == "20 0 103 c.test."
    assert last.blob == bytes([0, 20, 0, 0, 0, 103]) + b"\1c\4test\0"
    assert last.addresses is not None
    assert (last.addresses[0].socket_type, last.addresses[0].protocol) == (1, 6)


def test_the_order_is_drawn_once_and_by_the_source() -> None:
    """What comes later does not change it; another seed may."""
    known: Known = {"_x._tcp.test SRV": reply(*SERVICES)}
    orders = set()
    for seed in range(20):
        solver = Solver(SERVICE, MAKER, random=Random(seed))
        first = solver.step(Knowing(known)).missing
        assert solver.step(Knowing(known)).missing == first
        orders.add(tuple(key.name.to_text() for key in first[::2]))
    assert orders == {("a.test.", "b.test.", "c.test."), ("b.test.", "a.test.", "c.test.")}


def test_records_of_targets_do_not_wait_for_those_behind_them() -> None:
    """The first is certain as soon as its own addresses are known."""
    known: Known = {"_x._tcp.test SRV": reply(*SERVICES[1:])}
    solver = Solver(SERVICE, MAKER, random=Random(0))
    first = solver.step(Knowing(known)).missing[0].name
    text = first.to_text(omit_final_dot=True)
    known |= {f"{text} A": a(first.to_text(), "192.0.2.1"), f"{text} AAAA": negative()}
    step = solver.step(Knowing(known))
    assert [name for name, _ in hosts(step)] == [text]
    assert len(step.missing) == 2


def test_records_of_targets_are_not_held_up_for_long_by_those_before_them() -> None:
    """What is missing of the first is late as soon as a later one is known."""
    known: Known = {
        "_x._tcp.test SRV": reply(*SERVICES),
        "c.test A": a("c.test.", "192.0.2.3"),
        "c.test AAAA": negative(),
    }
    step = solved(SERVICE, known)
    assert step.records == []
    assert step.late == step.missing
    assert {key.name.to_text() for key in step.late} == {"a.test.", "b.test."}


def test_targets_without_addresses_are_left_out() -> None:
    """The others are still there; what failed is told."""
    known: Known = {
        "_x._tcp.test SRV": reply(*SERVICES),
        "a.test AAAA": negative("NXDOMAIN"),
        "b.test A": FAILURE,
        "b.test AAAA": FAILURE,
        "c.test A": a("c.test.", "192.0.2.3"),
        "c.test AAAA": negative(),
    }
    step = solved(SERVICE, known)
    assert hosts(step) == [("c.test", ["192.0.2.3:103"])]
    assert step.error is FAILURE
    assert step.missing == []


def test_a_service_that_is_not_offered_is_known() -> None:
    """RFC 2782: the target "."; further names are not tried."""
    question = ServiceQuestion(names("_x._tcp.test.", "_x._tcp.other."), BOTH, 1, 6)
    step = solved(question, {"_x._tcp.test SRV": reply(("_x._tcp.test.", "SRV", "0 0 0 ."))})
    assert (step.records, step.missing, step.known) == ([], [], True)


@pytest.mark.parametrize(
    ("got", "known", "error"),
    [(negative("NXDOMAIN"), False, None), (negative(), True, None), (FAILURE, False, FAILURE)],
)
def test_a_service_that_is_not_there(
    got: dns.message.Message | WSAError, known: bool, error: WSAError | None
) -> None:
    """No such name, no such data, and no answer."""
    step = solved(SERVICE, {"_x._tcp.test SRV": got})
    assert (step.records, step.missing, step.known, step.error) == ([], [], known, error)


def test_a_service_over_a_protocol_that_is_not_accepted() -> None:
    """It is known, and its targets are not looked up."""
    question = ServiceQuestion(names("_x._tcp.test."), Addresses(()), 1, 6)
    step = solved(question, {"_x._tcp.test SRV": reply(*SERVICES)})
    assert (step.records, step.missing, step.known) == ([], [], True)


def test_not_all_of_very_many_targets_are_looked_up() -> None:
    """One answer cannot make us send thousands of queries."""
    many = [("_x._tcp.test.", "SRV", f"1 1 1 h{number}.test.") for number in range(100)]
    step = solved(SERVICE, {"_x._tcp.test SRV": reply(*many)})
    assert len(step.missing) == 2 * MAX_TARGETS


def test_an_address_has_names() -> None:
    """One record for each, with that address."""
    question = ReverseQuestion(names("1.2.0.192.in-addr.arpa.")[0], "192.0.2.1")
    key = "1.2.0.192.in-addr.arpa PTR"
    assert missing(solved(question, {})) == [key]
    owner = "1.2.0.192.in-addr.arpa."
    step = solved(question, {key: reply((owner, "PTR", "one.test."), (owner, "PTR", "two.test."))})
    assert sorted(hosts(step)) == [("one.test", ["192.0.2.1"]), ("two.test", ["192.0.2.1"])]
    assert not solved(question, {key: negative("NXDOMAIN")}).known
    assert solved(question, {key: negative()}).known
    assert solved(question, {key: FAILURE}).error is FAILURE


def test_records_come_as_text_and_in_wire_form() -> None:
    """One record for each, with the name that has them."""
    question = RecordsQuestion(names("www.test."), int(dns.rdatatype.MX))
    assert missing(solved(question, {})) == ["www.test MX"]
    got = reply(("www.test.", "CNAME", "a.test."), ("a.test.", "MX", "10 mail.test."))
    step = solved(question, {"www.test MX": got}, aliases=True)
    record, alias = step.records
    assert record.service_instance_name == "a.test"
    assert record.comment == "10 mail.test."
    assert record.blob == b"\0\n\4mail\4test\0"
    assert record.addresses is None
    assert (alias.service_instance_name, alias.output_flags) == ("www.test", ResultFlags.ALIAS)


def test_records_of_unknown_types_are_shown_as_rfc_3597_says() -> None:
    """Length and hexadecimal digits."""
    question = RecordsQuestion(names("www.test."), 4711)
    got = reply(("www.test.", "TYPE4711", r"\# 3 0a0b0c"))
    (record,) = solved(question, {"www.test TYPE4711": got}).records
    assert (record.comment, record.blob) == (r"\# 3 0a0b0c", b"\x0a\x0b\x0c")


def test_address_records_have_their_address_too() -> None:
    """Type A asked for by name."""
    question = RecordsQuestion(names("www.test."), A)
    step = solved(question, {"www.test A": a("www.test.", "192.0.2.1")})
    assert hosts(step) == [("www.test", ["192.0.2.1"])]
    assert step.records[0].blob == bytes([192, 0, 2, 1])


def test_records_are_searched_for_like_addresses() -> None:
    """The first candidate that has any; a failure ends the search."""
    question = RecordsQuestion(names("www.corp.", "www."), int(dns.rdatatype.TXT))
    text = reply(("www.", "TXT", '"x"'))
    assert solved(question, {"www.corp TXT": negative(), "www TXT": text}).records
    assert solved(question, {"www.corp TXT": negative(), "www TXT": negative("NXDOMAIN")}).known
    failed = solved(question, {"www.corp TXT": FAILURE, "www TXT": text})
    assert (failed.records, failed.error) == ([], FAILURE)
