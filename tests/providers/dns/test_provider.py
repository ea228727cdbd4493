"""Lookups of the dns namespace, through a router, with servers that answer by script."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import anyio
import pytest

from nspd.core.lookup import Lookup
from nspd.core.session import Session
from nspd.model import errors
from nspd.model.errors import TimedOut, TryAgain
from nspd.model.flags import LookupFlags, ResultFlags
from nspd.model.queryset import QuerySet
from nspd.model.verdict import Verdict
from nspd.providers.dns import DnsProvider, resolver
from tests.backends import backend
from tests.core.world import BOB, Call, World, next_ex, open_world, turns, until
from tests.providers.dns.fakes import DeadServer
from tests.providers.dns.upstream import FakeUpstream, negative, reply

pytestmark = pytest.mark.anyio

ALL = int(LookupFlags.RETURN_ALL)
SILENT = TimedOut("no answer", setting="timeout")

WWW = {
    "www.test A": reply(("www.test.", "A", "192.0.2.1")),
    "www.test AAAA": reply(("www.test.", "AAAA", "2001:db8::1")),
}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both in virtual time."""
    return backend(request.param)


class Asker:
    """A client of the provider under test."""

    def __init__(self, world: World, provider: DnsProvider, fake: FakeUpstream) -> None:
        self.world = world
        self.provider = provider
        self.fake = fake
        self.session: Session = world.session()

    def begin(self, name: str | None, what: str | None = None, **options: Any) -> Lookup:
        """Begin a lookup."""
        flags = int(options.pop("flags", ALL))
        members = options.pop("members", {})
        restrictions = QuerySet(
            service_instance_name=name, query_string=what, namespace=12, **members
        )
        return self.session.begin(restrictions, flags, **options)

    async def ask(
        self, name: str | None, what: str | None = None, **options: Any
    ) -> tuple[list[QuerySet], int, Verdict]:
        """A whole lookup: its records, the code at its end, and the verdict."""
        lookup = self.begin(name, what, **options)
        records = []
        code = 0
        while not code:
            try:
                records.append(await lookup.next())
            except errors.WSAError as error:
                code = error.code
        (verdict,) = lookup.verdicts()
        lookup.end()
        return records, code, verdict

    async def hosts(self, name: str, what: str | None = None, **options: Any) -> list[str]:
        """The addresses that a lookup gives."""
        records, _, _ = await self.ask(name, what, **options)
        return [text for record in records for text in addresses(record)]


def addresses(record: QuerySet) -> list[str]:
    """The hosts of a record's addresses."""
    return [str(each.remote.host) for each in record.addresses or () if each.remote is not None]


@asynccontextmanager
async def opened(fake: FakeUpstream, **options: Any) -> AsyncIterator[Asker]:
    """A router with the provider; at the end nothing of it may be left."""
    provider = DnsProvider(
        servers=("127.0.0.1",), resolv_conf="", random=Random(1), upstream=fake.made, **options
    )
    async with open_world(provider) as world:
        yield Asker(world, provider, fake)
    assert fake.under_way == 0


async def test_addresses_of_both_families_in_one_record() -> None:
    """Port, socket type and protocol 0, asked for at once; the second time from the cache."""
    fake = FakeUpstream(WWW, delay=1)
    async with opened(fake) as asker:
        began = anyio.current_time()
        for _ in range(2):
            records, code, verdict = await asker.ask("www.test")
            (record,) = records
            assert record.service_instance_name == "www.test"
            assert addresses(record) == ["2001:db8::1", "192.0.2.1"]
            assert record.addresses is not None
            assert {
                (each.local, each.socket_type, each.protocol, each.remote and each.remote.port)
                for each in record.addresses
            } == {(None, 0, 0, 0)}
            assert (record.namespace, record.output_flags, record.context) == (12, 0, "")
            assert code == errors.WSA_E_NO_MORE
            assert (verdict.outcome, verdict.error, verdict.records) == ("answered", None, 1)
        assert anyio.current_time() - began == pytest.approx(1)
        assert sorted(fake.asked) == ["www.test A", "www.test AAAA"]


@pytest.mark.parametrize(
    ("script", "code", "outcome", "setting"),
    [
        ({}, errors.WSASERVICE_NOT_FOUND, "empty", None),
        ({"A": negative(), "AAAA": negative()}, errors.WSANO_DATA, "empty", None),
        ({"A": TryAgain("x"), "AAAA": TryAgain("x")}, errors.WSATRY_AGAIN, "failed", None),
        ({"A": SILENT, "AAAA": SILENT}, errors.WSAETIMEDOUT, "timed_out", "timeout"),
        ({"A": negative(), "AAAA": SILENT}, errors.WSAETIMEDOUT, "timed_out", "timeout"),
        (
            {"A": reply(("www.test.", "CNAME", "www.test."))},
            errors.WSANO_RECOVERY,
            "failed",
            None,
        ),
    ],
    ids=["no name", "no data", "SERVFAIL", "silence", "half silence", "circle"],
)
async def test_what_becomes_of_a_lookup_without_records(
    script: dict[str, Any], code: int, outcome: str, setting: str | None
) -> None:
    """Case 22: each cause has its code, again on each further call, and from the cache."""
    if list(script) == ["A"]:
        script["AAAA"] = script["A"]
    fake = FakeUpstream({f"www.test {rdtype}": got for rdtype, got in script.items()})
    async with opened(fake) as asker:
        for _ in range(2):
            records, ended, verdict = await asker.ask("www.test")
            assert (records, ended) == ([], code)
            assert (verdict.outcome, verdict.setting) == (outcome, setting)
            assert verdict.error == (None if outcome == "empty" else code)
        assert max(Counter(fake.asked).values()) == 1


async def test_what_has_come_is_not_held_back_by_a_silent_half() -> None:
    """After `grace` it is given, and the verdict says what is missing and why."""
    fake = FakeUpstream({**WWW, "www.test AAAA": None})
    async with opened(fake) as asker:
        began = anyio.current_time()
        records, code, verdict = await asker.ask("www.test")
        assert anyio.current_time() - began == pytest.approx(0.25)
        assert [addresses(record) for record in records] == [["192.0.2.1"]]
        assert code == errors.WSA_E_NO_MORE
        assert (verdict.outcome, verdict.error) == ("timed_out", errors.WSAETIMEDOUT)
        assert (verdict.setting, verdict.records) == ("grace", 1)


async def test_a_late_half_is_there_the_next_time() -> None:
    """Its query goes on for the cache; what is in time is not late."""
    fake = FakeUpstream(WWW)
    fake.delays["www.test AAAA"] = 1
    async with opened(fake) as asker:
        assert await asker.hosts("www.test") == ["192.0.2.1"]
        await anyio.sleep(1)
        assert await asker.hosts("www.test") == ["2001:db8::1", "192.0.2.1"]
        assert Counter(fake.asked) == {"www.test A": 1, "www.test AAAA": 1}
    fake.delays["www.test AAAA"] = 0.2
    async with opened(fake) as asker:
        assert await asker.hosts("www.test") == ["2001:db8::1", "192.0.2.1"]


async def test_one_half_that_fails_is_told() -> None:
    """The records of the other are given, with a verdict of the failure."""
    fake = FakeUpstream({**WWW, "www.test AAAA": TryAgain("SERVFAIL")})
    async with opened(fake) as asker:
        records, code, verdict = await asker.ask("www.test")
        assert [addresses(record) for record in records] == [["192.0.2.1"]]
        assert (code, verdict.outcome, verdict.error) == (
            errors.WSA_E_NO_MORE,
            "failed",
            errors.WSATRY_AGAIN,
        )


async def test_end_cancels_the_queries_at_once() -> None:
    """C2 and C8: the waiter is told, both queries are cancelled, and the work has stopped."""
    fake = FakeUpstream({"www.test A": None, "www.test AAAA": None})
    async with opened(fake) as asker:
        lookup = asker.begin("www.test")
        call = next_ex(lookup)
        await until(lambda: fake.under_way == 2)
        ending = lookup.end()
        assert call.code == errors.WSA_E_CANCELLED
        await until(lambda: ending.work is not None)
        assert ending.work == "stopped"
        await turns()
        assert (fake.under_way, fake.cancelled) == (0, 2)


async def test_end_before_the_first_step_asks_nobody() -> None:
    """Race "ended-before-started"."""
    fake = FakeUpstream(WWW)
    async with opened(fake) as asker:
        asker.begin("www.test").end()
        await turns()
        assert fake.asked == []


async def test_end_during_a_retry_stops_it() -> None:
    """Case 51: no further attempt is made, and no time-out comes later."""
    with DeadServer() as dead:
        provider = DnsProvider(servers=(str(dead),), resolv_conf="", timeout=1.0, attempts=5)
        async with open_world(provider) as world:
            lookup = world.session().begin(QuerySet(service_instance_name="www.test"), ALL)
            call = next_ex(lookup)
            await anyio.sleep(1.5)
            assert len(dead.came()) == 4  # two questions, in their second attempt
            lookup.end()
            assert call.code == errors.WSA_E_CANCELLED
            await anyio.sleep(60)
            assert dead.came() == []


async def test_shared_work_that_fails_ends_all_that_share_it() -> None:
    """Case 73: eight lookups of one name, all told; End of each finds nothing left to stop."""
    fake = FakeUpstream({"www.test A": TryAgain("x"), "www.test AAAA": TryAgain("x")}, delay=1)
    async with opened(fake) as asker:
        lookups = [asker.begin("www.test") for _ in range(8)]
        calls = [next_ex(lookup) for lookup in lookups]
        await anyio.sleep(2)
        assert [call.code for call in calls] == [errors.WSATRY_AGAIN] * 8
        assert {lookup.end().work for lookup in lookups} == {"none"}
        assert len(fake.asked) == 2


async def test_lookups_that_ask_the_same_share_it() -> None:
    """C11, case 65: End of one disturbs no other; other spellings share the query."""
    fake = FakeUpstream(WWW, delay=1)
    async with opened(fake) as asker:
        lookups = [asker.begin(name) for name in ("www.test", "www.test", "WWW.test.")]
        calls = [next_ex(lookup) for lookup in lookups]
        await turns()
        lookups[0].end()
        await anyio.sleep(1)
        await until(lambda: all(call.settled for call in calls))
        assert [call.code for call in calls] == [errors.WSA_E_CANCELLED, 0, 0]
        assert Counter(fake.asked) == {"www.test A": 1, "www.test AAAA": 1}


async def test_users_share_queries_but_do_not_wait_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """C11: one query for all; but who has too many under way holds up his own alone."""
    monkeypatch.setattr(resolver, "MOST_OF_A_USER", 4)
    fake = FakeUpstream(WWW, delay=1)
    async with opened(fake) as asker:
        bob = asker.world.session(BOB)
        www = QuerySet(service_instance_name="www.test")
        calls = [next_ex(session.begin(www)) for session in (asker.session, bob)]
        await anyio.sleep(1.1)
        assert [call.code for call in calls] == [0, 0]
        assert Counter(fake.asked) == {"www.test A": 1, "www.test AAAA": 1}
        asker.provider.flush()
        fake.script |= {
            f"n{number}.test {rdtype}": None for number in (1, 2) for rdtype in ("A", "AAAA")
        }
        stuck = [next_ex(asker.begin(name)) for name in ("n1.test", "n2.test")]
        await turns()
        stuck.append(next_ex(asker.begin("www.test")))
        await turns()
        call = next_ex(bob.begin(www))
        await anyio.sleep(1.1)
        assert [each.settled for each in stuck] == [False, False, False]
        assert call.code == 0


async def test_ten_thousand_lookups_of_one_name_are_two_queries() -> None:
    """C11: one for each family, however many ask at once."""
    fake = FakeUpstream(WWW, delay=1)
    async with opened(fake) as asker:
        calls: list[Call] = [next_ex(asker.begin("www.test")) for _ in range(10_000)]
        await anyio.sleep(1)
        await until(lambda: all(call.settled for call in calls))
        assert {call.code for call in calls} == {0}
        assert len(fake.asked) == 2


async def test_aliases() -> None:
    """LUP_RETURN_ALIASES: the chain from the name that was asked for to the canonical one."""
    chain = [("www.test.", "CNAME", "a.test."), ("a.test.", "CNAME", "b.test.")]
    fake = FakeUpstream(
        {
            "www.test A": reply(*chain, ("b.test.", "A", "192.0.2.1")),
            "www.test AAAA": negative(),
        }
    )
    async with opened(fake) as asker:
        for _ in range(2):
            records, _, _ = await asker.ask("www.test")
            assert [record.service_instance_name for record in records] == [
                "b.test",
                "www.test",
                "a.test",
            ]
            assert [record.output_flags for record in records[1:]] == [ResultFlags.ALIAS] * 2
            without, _, _ = await asker.ask("www.test", flags=LookupFlags.RETURN_ADDR)
            assert [addresses(record) for record in without] == [["192.0.2.1"]]


async def test_old_answers_say_so() -> None:
    """RFC 8767: in the comment and the verdict, whether the servers failed or were too slow."""
    fake = FakeUpstream(WWW)
    async with opened(fake) as asker:
        await asker.ask("www.test")
        await anyio.sleep(400)
        fake.script = {"www.test A": None, "www.test AAAA": None}
        records, code, verdict = await asker.ask("www.test")
        assert [(record.comment, addresses(record)) for record in records] == [
            ("stale", ["2001:db8::1", "192.0.2.1"])
        ]
        assert (code, verdict.outcome, verdict.error, verdict.setting) == (
            errors.WSA_E_NO_MORE,
            "timed_out",
            errors.WSAETIMEDOUT,
            "stale_timeout",
        )
        await anyio.sleep(400)
        asker.provider._resolver.flights.forget()
        fake.script = {"www.test A": TryAgain("x"), "www.test AAAA": TryAgain("x")}
        records, _, verdict = await asker.ask("www.test")
        assert [record.comment for record in records] == ["stale"]
        assert (verdict.outcome, verdict.error) == ("failed", errors.WSATRY_AGAIN)


async def test_flushing() -> None:
    """nspd.FlushCaches empties the cache, LUP_FLUSHCACHE goes past it."""
    fake = FakeUpstream(WWW)
    async with opened(fake) as asker:
        await asker.ask("www.test")
        await asker.ask("www.test", flags=ALL | LookupFlags.FLUSHCACHE)
        assert len(fake.asked) == 4
        await asker.ask("www.test")
        assert len(fake.asked) == 4
        assert {entry.type for entry in asker.provider.cache_entries("WWW.test.")} == {"A", "AAAA"}
        assert list(asker.provider.cache_entries("other.test")) == []
        assert list(asker.provider.cache_entries("a..b")) == []
        asker.world.router.flush_caches()
        assert list(asker.provider.cache_entries()) == []
        await asker.ask("www.test")
        assert len(fake.asked) == 6


async def test_a_newer_answer_is_seen_by_all() -> None:
    """Records that were made before are not given any more, whoever fetched newer ones."""
    fake = FakeUpstream(WWW)
    async with opened(fake) as asker:
        for _ in range(2):
            assert await asker.hosts("www.test") == ["2001:db8::1", "192.0.2.1"]
        fake.script["www.test A"] = reply(("www.test.", "A", "192.0.2.2"))
        await asker.ask("www.test", flags=ALL | LookupFlags.FLUSHCACHE)
        assert await asker.hosts("www.test") == ["2001:db8::1", "192.0.2.2"]
        fake.script = {}
        await asker.ask("www.test", flags=ALL | LookupFlags.FLUSHCACHE)
        assert await asker.hosts("www.test") == []


async def test_a_cached_answer_needs_no_task_and_is_made_once() -> None:
    """Asked again the same records are given, until their time is over."""
    fake = FakeUpstream(WWW)
    async with opened(fake) as asker:
        await asker.ask("www.test")
        first = asker.begin("www.test").take()
        second = asker.begin("www.test").take()
        assert isinstance(first, QuerySet)
        assert first is second
        assert asker.world.router.work.running == 0
        await anyio.sleep(300)
        assert asker.begin("www.test").take() is None


async def test_records_that_are_made_once_still_count_as_asked_for() -> None:
    """Names that are asked for often are refreshed before their end, also those at hand."""
    fake = FakeUpstream(WWW)
    async with opened(fake) as asker:
        for _ in range(4):
            await asker.ask("www.test")
        await anyio.sleep(280)
        assert await asker.hosts("www.test") == ["2001:db8::1", "192.0.2.1"]
        await turns()
        assert len(fake.asked) == 4


async def test_services_and_their_targets() -> None:
    """In the order of RFC 2782, at hand when all of it is cached, with another draw each time."""
    services = [
        ("_x._tcp.test.", "SRV", f"10 50 {port} {host}.test.")
        for host, port in (("a", 101), ("b", 102))
    ]
    fake = FakeUpstream({"_x._tcp.test SRV": reply(*services)})
    for number, host in enumerate("ab", start=1):
        fake.script[f"{host}.test A"] = reply((f"{host}.test.", "A", f"192.0.2.{number}"))
        fake.script[f"{host}.test AAAA"] = negative()
    orders = Counter[tuple[str, ...]]()
    async with opened(fake) as asker:
        for _ in range(60):
            orders[tuple(await asker.hosts("test", "x/tcp"))] += 1
        assert len(fake.asked) == 5
    assert orders.keys() == {("192.0.2.1", "192.0.2.2"), ("192.0.2.2", "192.0.2.1")}
    assert min(orders.values()) > 10


async def test_bind_addresses_of_a_service() -> None:
    """LUP_RES_SERVICE exchanges the sides; the same bit is not LUP_SECURE there."""
    fake = FakeUpstream(
        {
            "_x._tcp.test SRV": reply(("_x._tcp.test.", "SRV", "1 1 99 a.test.")),
            "a.test A": reply(("a.test.", "A", "192.0.2.1")),
            "a.test AAAA": negative(),
        }
    )
    async with opened(fake) as asker:
        lookup = asker.begin("test", "x/tcp", flags=ALL | LookupFlags.RES_SERVICE)
        record = await lookup.next(int(LookupFlags.RES_SERVICE))
        assert record.addresses is not None
        assert record.addresses[0].local is not None
        assert record.addresses[0].local.port == 99


async def test_secure_lookups() -> None:
    """LUP_SECURE: what is not authenticated ends in 11003, whatever it says."""
    import dns.flags

    secure = ALL | LookupFlags.SECURE
    fake = FakeUpstream(
        {
            "good.test A": reply(("good.test.", "A", "192.0.2.1"), flags=dns.flags.AD),
            "good.test AAAA": reply(flags=dns.flags.AD | dns.flags.RA),
            "bad.test A": reply(("bad.test.", "A", "192.0.2.1")),
        }
    )
    async with opened(fake) as asker:
        for _ in range(2):
            assert await asker.hosts("good.test", flags=secure) == ["192.0.2.1"]
            for name in ("bad.test", "none.test"):
                records, code, verdict = await asker.ask(name, flags=secure)
                assert (records, code) == ([], errors.WSANO_RECOVERY)
                assert verdict.outcome == "failed"
        assert (await asker.ask("bad.test", "A", flags=secure))[1] == errors.WSANO_RECOVERY
        assert await asker.hosts("bad.test") == ["192.0.2.1"]
        assert await asker.hosts("localhost", flags=secure) == ["::1", "127.0.0.1"]


async def test_addresses_in_other_forms() -> None:
    """LUP_DUAL_ADDR maps IPv4, LUP_NEAREST sorts, and both can be had together."""
    fake = FakeUpstream(WWW)
    sources = {"192.0.2.1": "192.0.2.9"}
    async with opened(fake, source_of=sources.get) as asker:
        dual = ALL | LookupFlags.DUAL_ADDR
        assert await asker.hosts("www.test", flags=dual) == ["2001:db8::1", "::ffff:192.0.2.1"]
        near = ALL | LookupFlags.NEAREST
        assert await asker.hosts("www.test", flags=near) == ["192.0.2.1", "2001:db8::1"]
        both = await asker.hosts("www.test", flags=dual | near)
        assert both == ["::ffff:192.0.2.1", "2001:db8::1"]
        sources.clear()
        assert await asker.hosts("www.test", flags=near) == ["2001:db8::1", "192.0.2.1"]


async def test_only_configured_families() -> None:
    """LUP_ADDRCONFIG asks for no other; without any it is 10050."""
    fake = FakeUpstream(WWW)
    flags = ALL | LookupFlags.ADDRCONFIG
    families = frozenset({"inet"})
    async with opened(fake, configured=lambda: families) as asker:
        assert await asker.hosts("www.test", flags=flags) == ["192.0.2.1"]
        assert fake.asked == ["www.test A"]
        families = frozenset()
        await anyio.sleep(1)
        with pytest.raises(errors.NetworkDown):
            asker.begin("www.test", flags=flags)


@pytest.mark.parametrize(
    ("name", "flags", "code"),
    [
        ("a" * 64, ALL, errors.WSASERVICE_NOT_FOUND),
        ("*", ALL, errors.WSASERVICE_NOT_FOUND),
        (None, ALL | LookupFlags.RETURN_PREFERRED_NAMES, errors.WSASERVICE_NOT_FOUND),
        ("printer.local", ALL, errors.WSASERVICE_NOT_FOUND),
        ("x.onion", ALL, errors.WSASERVICE_NOT_FOUND),
        ("www.test", ALL | LookupFlags.CONTAINERS, errors.WSANO_DATA),
    ],
)
async def test_what_is_settled_without_asking(name: str | None, flags: int, code: int) -> None:
    """Case 14 and names that no server may hear of."""
    fake = FakeUpstream(WWW)
    async with opened(fake, search=("test",)) as asker:
        assert (await asker.ask(name, flags=flags))[:2] == ([], code)
        assert (await asker.ask(name, flags=flags | LookupFlags.FLUSHCACHE))[:2] == ([], code)
    assert fake.asked == []


async def test_mistakes_are_refused_at_begin() -> None:
    """Case 10: no handle is made; among all namespaces it is no mistake."""
    fake = FakeUpstream()
    async with opened(fake) as asker:
        with pytest.raises(errors.InvalidArgument):
            asker.begin("www.test", "blah")
        with pytest.raises(errors.NotSupported):
            asker.begin("www.test", "ANY")
        everywhere = QuerySet(service_instance_name="www.test", query_string="blah")
        call = next_ex(asker.session.begin(everywhere))
        assert call.code == errors.WSASERVICE_NOT_FOUND


async def test_search_lists_apply() -> None:
    """The first name that exists; an answer of a longer name is that name's."""
    fake = FakeUpstream(
        {
            "www.corp.test A": reply(("www.corp.test.", "A", "192.0.2.7")),
            "www.corp.test AAAA": negative(),
        }
    )
    async with opened(fake, search=("none.test", "corp.test")) as asker:
        records, _, _ = await asker.ask("www")
        assert [record.service_instance_name for record in records] == ["www.corp.test"]
        assert {question.split()[0] for question in fake.asked} == {
            "www.none.test",
            "www.corp.test",
        }


async def test_names_that_others_claim_are_no_completions() -> None:
    """Nothing under a suffix that another provider claims is sent, nor kept from before."""
    fake = FakeUpstream(
        {
            "www.corp.test A": reply(("www.corp.test.", "A", "192.0.2.7")),
            "www.corp.test AAAA": negative(),
        }
    )
    async with opened(fake, search=("corp.test",)) as asker:
        for _ in range(2):
            assert await asker.hosts("www") == ["192.0.2.7"]
        asker.provider.foreign = lambda name: name.endswith("corp.test")
        fake.asked.clear()
        assert await asker.hosts("www") == []
        assert {question.split()[0] for question in fake.asked} == {"www"}


async def test_a_slow_reader_gets_every_record_in_order() -> None:
    """C7: there may be more than are held ready for one lookup."""
    texts = [("www.test.", "TXT", f'"{number:02d}"') for number in range(60)]
    fake = FakeUpstream({"www.test TXT": reply(*texts)})
    async with opened(fake) as asker:
        records, code, verdict = await asker.ask("www.test", "TXT")
        assert [record.comment for record in records] == [text for _, _, text in texts]
        assert (code, verdict.records) == (errors.WSA_E_NO_MORE, 60)


async def test_a_bug_in_the_exchange_is_this_lookups_failure_alone() -> None:
    """C15: 10107, logged; the provider goes on."""
    fake = FakeUpstream(WWW)

    async def crash(question: str) -> None:
        if question.startswith("bad"):
            raise ZeroDivisionError

    fake.before = crash
    async with opened(fake) as asker:
        asker.world.log.announced.add("provider failed")
        _, code, verdict = await asker.ask("bad.test")
        assert (code, verdict.outcome) == (errors.WSASYSCALLFAILURE, "failed")
        assert await asker.hosts("www.test") == ["2001:db8::1", "192.0.2.1"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"servers": ()},
        {"servers": ("dns.example",)},
        {"servers": ("192.0.2.1:0",)},
        {"search": ("a..b",)},
        {"timeout": 0.0},
        {"attempts": 0},
        {"ndots": -1},
        {"cache_size": -1},
        {"prefetch": 2.0},
        {"min_ttl": 10.0, "max_ttl": 1.0},
        {"resolv_conf": ""},
        {"resolv_conf": "a\0b"},
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, Any]) -> None:
    """They are mistakes of the configuration, found before anything runs; the name is told."""
    name = "servers" if wrong == {"resolv_conf": ""} else next(iter(wrong))
    with pytest.raises(ValueError, match=name):
        DnsProvider(**wrong)
