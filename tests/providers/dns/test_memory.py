"""What is remembered, and until when; time is a number that the tests set."""

from __future__ import annotations

import tracemalloc
from typing import Any

import dns.message
import dns.name
import dns.rdatatype
import pytest

from nspd.model.errors import TryAgain
from nspd.providers.dns.answers import Answer, Lifetimes, read
from nspd.providers.dns.memory import Key, Memory, Tuning, as_stale
from tests.providers.dns.upstream import negative, reply

A, AAAA = int(dns.rdatatype.A), int(dns.rdatatype.AAAA)
CNAME = int(dns.rdatatype.CNAME)
WWW = dns.name.from_text("www.test.")
FAILURE = TryAgain("SERVFAIL")


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def answer(*, kind: str = "answer", ttl: int = 100, name: dns.name.Name = WWW) -> Answer:
    """An answer for type A."""
    text = name.to_text()
    messages = {
        "answer": reply((text, "A", "192.0.2.1"), ttl=ttl),
        "nodata": negative(ttl=ttl),
        "nxdomain": negative("NXDOMAIN", ttl=ttl),
        "dangling": reply((text, "CNAME", "gone.test."), rcode="NXDOMAIN", ttl=ttl),
    }
    if kind == "dangling":
        messages[kind].authority = negative(ttl=ttl).authority
    got = read(messages[kind], name, A, Lifetimes())
    assert isinstance(got, Answer)
    return got


@pytest.fixture
def clock() -> Clock:
    """The time."""
    return Clock()


@pytest.fixture
def memory(clock: Clock) -> Memory:
    """A memory with the default tuning."""
    return Memory(Tuning(), clock)


def kind_of(memory: Memory, key: Key) -> str | None:
    """The kind of what is remembered and fresh."""
    kept = memory.fresh(key)
    if kept is None:
        return None
    return kept.answer.kind if kept.answer is not None else "failure"


def test_an_answer_is_fresh_for_its_ttl(memory: Memory, clock: Clock) -> None:
    """To the second, and not at its end."""
    memory.keep(Key(WWW, A), answer(ttl=100))
    clock.time += 99.9
    assert kind_of(memory, Key(WWW, A)) == "answer"
    assert kind_of(memory, Key(dns.name.from_text("WWW.Test."), A)) == "answer"
    assert kind_of(memory, Key(WWW, AAAA)) is None
    clock.time += 0.1
    assert kind_of(memory, Key(WWW, A)) is None


def test_a_ttl_of_0_is_not_kept(memory: Memory) -> None:
    """And what was known before is not either."""
    memory.keep(Key(WWW, A), answer())
    memory.keep(Key(WWW, A), answer(ttl=0))
    assert len(memory.cache) == 0


def test_no_such_name_holds_for_all_types(memory: Memory, clock: Clock) -> None:
    """RFC 2308, section 5; an answer that comes later takes its place."""
    memory.keep(Key(WWW, A), answer(kind="nxdomain"))
    assert kind_of(memory, Key(WWW, AAAA)) == "nxdomain"
    clock.time += 60
    assert kind_of(memory, Key(WWW, AAAA)) is None
    memory.keep(Key(WWW, A), answer(kind="nxdomain"))
    memory.keep(Key(WWW, A), answer())
    assert kind_of(memory, Key(WWW, AAAA)) is None


def test_an_alias_to_nowhere_holds_for_its_type(memory: Memory) -> None:
    """The name itself does exist: it has a CNAME."""
    memory.keep(Key(WWW, A), answer(kind="dangling"))
    assert kind_of(memory, Key(WWW, A)) == "nxdomain"
    assert kind_of(memory, Key(WWW, CNAME)) is None


def test_no_data_holds_for_its_type(memory: Memory) -> None:
    """Other types may have some."""
    memory.keep(Key(WWW, A), answer(kind="nodata"))
    assert kind_of(memory, Key(WWW, A)) == "nodata"
    assert kind_of(memory, Key(WWW, AAAA)) is None


def test_a_failure_is_kept_for_a_moment(memory: Memory, clock: Clock) -> None:
    """RFC 9520; the next one to ask does not wait for dead servers again."""
    memory.keep_failure(Key(WWW, A), FAILURE)
    kept = memory.fresh(Key(WWW, A))
    assert kept is not None
    assert kept.failure is FAILURE
    clock.time += 1
    assert memory.fresh(Key(WWW, A)) is None
    assert memory.stale(Key(WWW, A)) is None


def test_a_failure_does_not_displace_an_answer(memory: Memory, clock: Clock) -> None:
    """The answer stays, and is not refreshed again for a while."""
    memory.keep(Key(WWW, A), answer(ttl=100))
    memory.keep_failure(Key(WWW, A), FAILURE)
    assert kind_of(memory, Key(WWW, A)) == "answer"
    clock.time += 100
    stale = memory.stale(Key(WWW, A))
    assert stale is not None
    assert (stale.failure, stale.recheck_at) == (FAILURE, 1030)


@pytest.mark.parametrize("kind", ["answer", "nodata", "nxdomain"])
def test_an_answer_past_its_time_may_serve(memory: Memory, clock: Clock, kind: str) -> None:
    """RFC 8767: for `max_stale` seconds."""
    memory.keep(Key(WWW, A), answer(kind=kind))
    kept = memory.fresh(Key(WWW, A))
    assert kept is not None
    clock.time = kept.expires + 86399
    assert memory.stale(Key(WWW, A)) is kept
    clock.time += 1
    assert memory.stale(Key(WWW, A)) is None


def test_what_was_kept_last_counts(memory: Memory, clock: Clock) -> None:
    """No such name takes the place of older answers of other types, also when all are old."""
    memory.keep(Key(WWW, AAAA), answer(ttl=1000))
    clock.time += 1
    memory.keep(Key(WWW, A), answer(kind="nxdomain"))
    assert kind_of(memory, Key(WWW, AAAA)) == "nxdomain"
    clock.time += 5000
    stale = memory.stale(Key(WWW, AAAA))
    assert stale is not None
    assert stale.answer is not None
    assert stale.answer.kind == "nxdomain"


def test_a_failure_is_noted_at_what_holds_for_all_types(memory: Memory, clock: Clock) -> None:
    """Servers that fail are not asked again at once about a name that did not exist."""
    memory.keep(Key(WWW, A), answer(kind="nxdomain"))
    clock.time += 100
    memory.keep_failure(Key(WWW, AAAA), FAILURE)
    stale = memory.stale(Key(WWW, A))
    assert stale is not None
    assert stale.recheck_at == clock.time + 30


def test_answers_that_are_used_often_are_due_before_their_end(memory: Memory, clock: Clock) -> None:
    """In the last tenth of their time, if they were used three times."""
    memory.keep(Key(WWW, A), answer(ttl=100))
    kept = memory.fresh(Key(WWW, A))
    assert kept is not None
    assert memory.fresh_until(kept) == 1090
    clock.time += 90
    assert not memory.is_due(kept)
    memory.fresh(Key(WWW, A))
    assert not memory.is_due(kept)
    memory.fresh(Key(WWW, A))
    assert memory.is_due(kept)
    clock.time -= 1
    assert not memory.is_due(kept)


def test_nothing_is_due_where_that_is_switched_off(clock: Clock) -> None:
    """`prefetch` 0; nor are failures ever."""
    memory = Memory(Tuning(prefetch=0), clock)
    memory.keep(Key(WWW, A), answer(ttl=100))
    memory.keep_failure(Key(WWW, AAAA), FAILURE)
    clock.time += 0.5
    for key in (Key(WWW, A), Key(WWW, AAAA)):
        for _ in range(9):
            kept = memory.fresh(key)
        assert kept is not None
        assert not memory.is_due(kept)
        assert memory.fresh_until(kept) == kept.expires


def test_what_is_remembered_can_be_listed(memory: Memory, clock: Clock) -> None:
    """As plain data, also what is past its time; values of others are left out."""
    memory.keep(Key(WWW, A), answer(ttl=100))
    memory.keep(Key(dns.name.from_text("no.test."), A), answer(kind="nxdomain"))
    memory.keep_failure(Key(WWW, AAAA), FAILURE)
    memory.cache.put("something else", object(), 10)
    clock.time += 200
    assert [
        (entry.name, entry.type, entry.kind, entry.ttl, entry.records) for entry in memory.entries()
    ] == [
        ("www.test", "A", "answer", -100, ("192.0.2.1",)),
        ("no.test", "any", "nxdomain", -140, ()),
        ("www.test", "AAAA", "failure", -199, ("WSATRY_AGAIN (11002): SERVFAIL",)),
    ]
    assert [entry.type for entry in memory.entries(WWW)] == ["A", "AAAA"]


def test_as_stale_marks_the_answer() -> None:
    """And leaves the one that is kept as it is."""
    fresh = answer()
    assert as_stale(fresh).stale
    assert not fresh.stale


@pytest.mark.parametrize(
    "wrong",
    [{"grace": -1.0}, {"cache_size": -1}, {"stale_recheck": -0.1}, {"prefetch": 1.1}],
)
def test_impossible_tuning_is_refused(wrong: dict[str, Any]) -> None:
    """It is a mistake of the configuration, and names the setting."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Tuning(**wrong)


@pytest.mark.parametrize("kind", ["one", "many", "chain", "text", "none"])
def test_the_bound_is_one_of_memory(clock: Clock, kind: str) -> None:
    """What the cache counts is about what it takes."""
    memory = Memory(Tuning(cache_size=100_000_000), clock)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(30):
            name = dns.name.from_text(f"www{number}.test.")
            memory.keep(Key(name, A), answer_of_shape(kind, name))
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(memory.cache) == 30
    assert taken * 0.75 < memory.cache.bytes < taken * 1.5


def answer_of_shape(kind: str, name: dns.name.Name) -> Answer:
    """An answer as it comes from a server."""
    text = name.to_text()
    alias = f"a.{text}"
    shapes = {
        "one": [(text, "A", "192.0.2.1")],
        "many": [(text, "A", f"192.0.2.{number}") for number in range(12)],
        "chain": [(text, "CNAME", alias), (alias, "A", "192.0.2.1")],
        "text": [(text, "TXT", " ".join(['"' + "x" * 255 + '"'] * 8))],
    }
    message = reply(*shapes[kind]) if kind in shapes else negative()
    rdtype = dns.rdatatype.TXT if kind == "text" else dns.rdatatype.A
    got = read(dns.message.from_wire(message.to_wire()), name, rdtype, Lifetimes())
    assert isinstance(got, Answer)
    return got
