"""Answers that are kept as they are given."""

from __future__ import annotations

import dns.name
import dns.rdatatype
import pytest

from nspd.core.provider import Answer, Query
from nspd.model.flags import LookupFlags
from nspd.model.queryset import AfProtocol, QuerySet
from nspd.providers.dns.answers import Answer as Known
from nspd.providers.dns.answers import Lifetimes, read
from nspd.providers.dns.memory import Kept, Key, Memory, Tuning
from nspd.providers.dns.ready import ReadyAnswers
from tests.providers.dns.upstream import negative, reply

KEY = Key(dns.name.from_text("www.test."), int(dns.rdatatype.A))
ANSWER = Answer((QuerySet(service_instance_name="www.test"),), known=True)
QUERY = Query(restrictions=QuerySet(service_instance_name="www.test"), control_flags=0xFF0)


class Setting:
    """A memory that has one answer for 100 seconds, kept as it is given, too."""

    def __init__(self) -> None:
        self.time = 0.0
        self.memory = Memory(Tuning(prefetch=0.0), lambda: self.time)
        self.ready = ReadyAnswers(self.memory)
        self.kept = self.remember()
        self.ready.keep(QUERY, ANSWER, [self.kept], 0.0)

    def remember(self) -> Kept:
        """Keep what a server says."""
        message = reply(("www.test.", "A", "192.0.2.1"), ttl=100)
        got = read(message, KEY.name, KEY.rdtype, Lifetimes())
        assert isinstance(got, Known)
        self.memory.keep(KEY, got)
        kept = self.memory.fresh(KEY)
        assert kept is not None
        return kept

    def get(self, query: Query = QUERY) -> Answer | None:
        """What is ready now."""
        return self.ready.get(query, self.time)


@pytest.fixture
def setting() -> Setting:
    """The memory and its ready answers."""
    return Setting()


def test_it_is_given_until_what_it_is_made_of_is_over(setting: Setting) -> None:
    """Each time as a use of that."""
    hits = setting.kept.hits
    assert setting.get() is ANSWER
    assert setting.kept.hits == hits + 1
    setting.time = 99.9
    assert setting.get() is ANSWER
    setting.time = 100.0
    assert setting.get() is None


def test_it_is_not_given_when_something_newer_is_known(setting: Setting) -> None:
    """An answer of another lookup, or that there is no such name at all."""
    setting.remember()
    assert setting.get() is None
    other = Setting()
    nothing = read(negative("NXDOMAIN"), KEY.name, KEY.rdtype, Lifetimes())
    assert isinstance(nothing, Known)
    other.memory.keep(KEY, nothing)
    assert other.get() is None


def test_what_it_is_made_of_stays_in_use(setting: Setting) -> None:
    """Otherwise the cache would let go of the names that are asked for most."""
    setting.memory.cache.put("another", object(), 10)
    for _ in range(16):
        setting.get()
    assert "another" not in [key for key, _, _ in setting.memory.cache][1:]


@pytest.mark.parametrize(
    "other",
    [
        QuerySet(service_instance_name="WWW.test"),
        QuerySet(service_instance_name="www.test", query_string="A"),
        QuerySet(service_instance_name="www.test", protocols=(AfProtocol("inet", 0),)),
        QuerySet(service_instance_name="www.test", context="x"),
        QuerySet(service_instance_name="www.test", namespace=12),
    ],
)
def test_other_questions_have_other_answers(setting: Setting, other: QuerySet) -> None:
    """All of the restrictions count."""
    assert setting.get(Query(restrictions=other, control_flags=0xFF0)) is None


def test_flags_count_if_an_answer_depends_on_them(setting: Setting) -> None:
    """Aliases and forms of addresses do; which fields are wanted does not."""
    restrictions = QUERY.restrictions
    fewer = int(LookupFlags.RETURN_ADDR | LookupFlags.RETURN_ALIASES)
    assert setting.get(Query(restrictions=restrictions, control_flags=fewer)) is ANSWER
    for flag in (0x400, 0x8, 0x1000, 0x8000, 0x100000, 0x200000, 0x800000):
        query = Query(restrictions=restrictions, control_flags=0xFF0 ^ flag)
        assert setting.get(query) is None


def test_what_cannot_change_is_given_for_good() -> None:
    """Names that are settled are made of nothing that ends."""
    setting = Setting()
    setting.ready.keep(QUERY, ANSWER, [], 0.0)
    setting.time = 1e9
    assert setting.get() is ANSWER


def test_what_is_due_already_is_not_kept(setting: Setting) -> None:
    """It would never be given."""
    setting.memory.cache.clear()
    setting.time = 100.0
    setting.ready.keep(QUERY, ANSWER, [setting.kept], 100.0)
    assert len(setting.memory.cache) == 0
