"""Records as they are made of answers."""

from __future__ import annotations

import dns.name
import dns.rdatatype

from nspd.providers.dns.answers import Answer, Lifetimes, read
from nspd.providers.dns.memory import as_stale
from nspd.providers.dns.questions import AAAA, A, Addresses
from nspd.providers.dns.records import RecordMaker
from tests.providers.dns.upstream import negative, reply

NAME = dns.name.from_text("www.test.")
SOURCES = {"192.0.2.1": "192.0.2.9"}
MAKER = RecordMaker(12, "5e1d0000-0000-4000-8000-00000000000c", SOURCES.get)


def answer(rdtype: int, *texts: str) -> Answer:
    """An answer of www.test."""
    letters = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))
    message = reply(*(("www.test.", letters, text) for text in texts)) if texts else negative()
    got = read(message, NAME, rdtype, Lifetimes())
    assert isinstance(got, Answer)
    return got


def hosts(*answers: Answer, wanted: Addresses) -> list[str]:
    """The addresses in the record of a host."""
    record = MAKER.host(answers, wanted)
    assert record is not None
    assert record.addresses is not None
    return [str(each.remote.host) for each in record.addresses if each.remote is not None]


def test_a_record_says_where_it_comes_from() -> None:
    """Namespace, provider and context, always."""
    record = MAKER.host([answer(A, "192.0.2.1")], Addresses((A,)))
    assert record is not None
    assert (record.namespace, record.provider_id, record.context, record.output_flags) == (
        12,
        MAKER.provider_id,
        "",
        0,
    )


def test_without_an_address_there_is_no_record() -> None:
    """Nothing, or nothing yet."""
    assert MAKER.host([], Addresses((A,))) is None
    assert MAKER.host([answer(A), answer(AAAA)], Addresses((AAAA, A))) is None


def test_a_record_has_no_more_addresses_than_a_query_set_may() -> None:
    """1,024 of them."""
    many = [f"198.18.{number // 250}.{number % 250}" for number in range(1200)]
    wanted = Addresses((A,))
    assert hosts(answer(A, *many), wanted=wanted) == many[:1024]


def test_not_all_of_very_many_addresses_are_sorted() -> None:
    """What follows the first 64 stays as it came."""
    many = [f"198.18.0.{number}" for number in range(100)]
    sources = dict.fromkeys((many[63], many[99]), "198.18.0.254")
    maker = RecordMaker(12, MAKER.provider_id, sources.get)
    record = maker.host([answer(A, *many)], Addresses((A,), nearest=True))
    assert record is not None
    assert record.addresses is not None
    found = [str(each.remote.host) for each in record.addresses if each.remote is not None]
    assert found == [many[63], *many[:63], *many[64:]]


def test_mapped_addresses_are_of_the_family_inet6() -> None:
    """LUP_DUAL_ADDR; sorting looks at them as they are."""
    both = (answer(AAAA, "2001:db8::1"), answer(A, "192.0.2.1"))
    wanted = Addresses((AAAA, A), dual=True, nearest=True)
    record = MAKER.host(both, wanted)
    assert record is not None
    assert record.addresses is not None
    assert [each.remote.family for each in record.addresses if each.remote] == ["inet6", "inet6"]
    assert hosts(*both, wanted=wanted) == ["::ffff:192.0.2.1", "2001:db8::1"]


def test_old_answers_are_marked_in_the_comment() -> None:
    """Of addresses, targets and names; the text of a DNS record stays as it is."""
    old = as_stale(answer(A, "192.0.2.1"))
    record = MAKER.host([old], Addresses((A,)))
    assert record is not None
    assert record.comment == "stale"
    services = answer(int(dns.rdatatype.SRV), "1 2 3 a.test.").rrset
    assert services is not None
    srv = services[0]
    target = MAKER.host([old], Addresses((A,)), port=3, srv=srv)
    assert target is not None
    assert target.comment == "stale: 1 2 3 a.test."
    names = as_stale(answer(int(dns.rdatatype.PTR), "a.test."))
    assert [each.comment for each in MAKER.names(names, "192.0.2.1")] == ["stale"]
    assert [each.comment for each in MAKER.texts(old)] == ["192.0.2.1"]


def test_long_texts_are_cut_off_in_the_comment_alone() -> None:
    """What a comment may hold; the wire form is complete."""
    long = " ".join(f'"{"x" * 200}"' for _ in range(30))
    (record,) = MAKER.texts(answer(int(dns.rdatatype.TXT), long))
    assert record.comment == long[:4096]
    assert record.blob is not None
    assert len(record.blob) == 30 * 201
