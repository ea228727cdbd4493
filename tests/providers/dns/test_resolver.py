"""The resolver: cache, shared queries, old answers, and what changes its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import dns.flags
import dns.name
import dns.rdatatype
import pytest
import structlog

from nspd.core.story import Story
from nspd.model.errors import NoRecovery, TimedOut, TryAgain, WSAError
from nspd.providers.dns import resolver as resolver_module
from nspd.providers.dns.answers import Answer
from nspd.providers.dns.line import open_sockets
from nspd.providers.dns.memory import Key, Tuning
from nspd.providers.dns.options import Options
from nspd.providers.dns.resolvconf import ResolvConf
from nspd.providers.dns.resolver import Resolver, open_resolver
from nspd.providers.dns.servers import Server
from tests.backends import REAL_TIME, backend
from tests.providers.dns.upstream import FakeUpstream, negative, reply

pytestmark = pytest.mark.anyio

A = int(dns.rdatatype.A)
WWW = dns.name.from_text("www.test.")
FOUND = reply(("www.test.", "A", "192.0.2.1"), ttl=100)
NEWER = reply(("www.test.", "A", "192.0.2.2"), ttl=100)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both in virtual time; where a file is read, in real time."""
    return backend(request.param)


@asynccontextmanager
async def opened(fake: FakeUpstream, **tuning: Any) -> AsyncIterator[Resolver]:
    """A resolver that asks the fake."""
    options = Options(servers=("192.0.2.53",), resolv_conf="", tuning=Tuning(**tuning))
    async with open_resolver(options, log=structlog.get_logger(), upstream=fake.made) as resolver:
        yield resolver
    assert fake.under_way == 0


def texts(answer: Answer) -> list[str]:
    """The records of an answer."""
    return [rdata.to_text() for rdata in answer.rrset or ()]


async def turns() -> None:
    """Let all others go as far as they can."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


async def test_an_answer_is_asked_for_once() -> None:
    """Then it comes from the cache, until its time is over."""
    fake = FakeUpstream({"www.test A": FOUND})
    async with opened(fake, max_stale=0) as resolver:
        for _ in range(3):
            assert texts(await resolver.resolve(WWW, A)) == ["192.0.2.1"]
        assert fake.asked == ["www.test A"]
        await anyio.sleep(100)
        fake.script["www.test A"] = NEWER
        assert texts(await resolver.resolve(WWW, A)) == ["192.0.2.2"]


async def test_identical_questions_at_once_are_one_query() -> None:
    """C11, over the whole resolver."""
    fake = FakeUpstream({"www.test A": FOUND}, delay=1)
    found: list[Answer] = []
    async with opened(fake) as resolver:

        async def ask() -> None:
            found.append(await resolver.resolve(WWW, A))

        async with anyio.create_task_group() as tasks:
            for _ in range(500):
                tasks.start_soon(ask)
        assert fake.asked == ["www.test A"]
        assert len(found) == 500


async def test_cancelling_one_disturbs_no_other_and_the_last_cancels_the_query() -> None:
    """C11."""
    fake = FakeUpstream({"www.test A": None})
    async with opened(fake) as resolver, anyio.create_task_group() as first:
        async with anyio.create_task_group() as second:
            first.start_soon(resolver.resolve, WWW, A)
            second.start_soon(resolver.resolve, WWW, A)
            await turns()
            second.cancel_scope.cancel()
        assert fake.under_way == 1
        first.cancel_scope.cancel()
        await turns_shielded()
        assert (fake.under_way, fake.cancelled, fake.asked) == (0, 1, ["www.test A"])
        assert len(resolver.flights) == 0


async def turns_shielded() -> None:
    """The same from within a cancelled scope."""
    with anyio.CancelScope(shield=True):
        await turns()


@pytest.mark.parametrize(
    ("message", "kind"), [(negative("NXDOMAIN"), "nxdomain"), (negative(), "nodata")]
)
async def test_negative_answers_are_answers(message: Any, kind: str) -> None:
    """They are kept for as long as the SOA says: here 60 seconds."""
    fake = FakeUpstream({"www.test A": message})
    async with opened(fake, max_stale=0) as resolver:
        for _ in range(2):
            assert (await resolver.resolve(WWW, A)).kind == kind
        assert len(fake.asked) == 1
        await anyio.sleep(60)
        await resolver.resolve(WWW, A)
        assert len(fake.asked) == 2


async def test_a_failure_is_raised_and_kept_for_a_second() -> None:
    """Each time as an exception of its own, with the setting that fired."""
    fake = FakeUpstream({"www.test A": TimedOut("silence", setting="timeout")})
    async with opened(fake) as resolver:
        raised: list[WSAError] = []
        for _ in range(2):
            with pytest.raises(TimedOut) as caught:
                await resolver.resolve(WWW, A)
            raised.append(caught.value)
        assert raised[0] is not raised[1]
        assert [error.setting for error in raised] == ["timeout", "timeout"]
        assert len(fake.asked) == 1
        await anyio.sleep(1)
        fake.script["www.test A"] = FOUND
        assert texts(await resolver.resolve(WWW, A)) == ["192.0.2.1"]


async def test_a_flush_asks_past_the_cache_and_fills_it() -> None:
    """The answer is new, and those who come later get it."""
    fake = FakeUpstream({"www.test A": FOUND})
    async with opened(fake) as resolver:
        await resolver.resolve(WWW, A)
        fake.script["www.test A"] = NEWER
        assert texts(await resolver.resolve(WWW, A, flush=True)) == ["192.0.2.2"]
        assert texts(await resolver.resolve(WWW, A)) == ["192.0.2.2"]
        fake.script["www.test A"] = TryAgain("SERVFAIL")
        with pytest.raises(TryAgain):
            await resolver.resolve(WWW, A, flush=True)
        localhost = dns.name.from_text("localhost.")
        assert texts(await resolver.resolve(localhost, A, flush=True)) == ["127.0.0.1"]
        assert len(fake.asked) == 3


class TestStale:
    """RFC 8767: answers past their time, where there is nothing newer."""

    async def test_it_serves_when_the_servers_fail(self) -> None:
        """At once, and then for `stale_recheck` without asking again."""
        fake = FakeUpstream({"www.test A": FOUND})
        async with opened(fake) as resolver:
            await resolver.resolve(WWW, A)
            await anyio.sleep(150)
            fake.script["www.test A"] = TryAgain("SERVFAIL")
            began = anyio.current_time()
            for _ in range(3):
                answer = await resolver.resolve(WWW, A)
                assert (answer.stale, texts(answer)) == (True, ["192.0.2.1"])
            assert anyio.current_time() == began
            assert len(fake.asked) == 2
            await anyio.sleep(30)
            fake.script["www.test A"] = NEWER
            answer = await resolver.resolve(WWW, A)
            assert (answer.stale, texts(answer)) == (False, ["192.0.2.2"])

    async def test_it_serves_when_the_servers_are_slow(self) -> None:
        """After `stale_timeout`; the query goes on, and its answer is there the next time."""
        fake = FakeUpstream({"www.test A": FOUND})
        async with opened(fake) as resolver:
            await resolver.resolve(WWW, A)
            await anyio.sleep(150)
            fake.script["www.test A"] = NEWER
            fake.delay = 4
            began = anyio.current_time()
            assert (await resolver.resolve(WWW, A)).stale
            assert anyio.current_time() - began == pytest.approx(1.8)
            assert fake.under_way == 1
            await anyio.sleep(3)
            assert texts(await resolver.resolve(WWW, A)) == ["192.0.2.2"]
            assert len(fake.asked) == 2

    async def test_a_newer_answer_in_time_is_preferred(self) -> None:
        """Also if it says that there is nothing any more."""
        fake = FakeUpstream({"www.test A": FOUND})
        async with opened(fake) as resolver:
            await resolver.resolve(WWW, A)
            await anyio.sleep(150)
            fake.script["www.test A"] = negative("NXDOMAIN")
            fake.delay = 1.7
            assert (await resolver.resolve(WWW, A)).kind == "nxdomain"

    @pytest.mark.parametrize("rcode", ["NXDOMAIN", "NOERROR"])
    async def test_that_there_was_nothing_is_no_answer(self, rcode: str) -> None:
        """It may be there now; what the servers said is raised."""
        fake = FakeUpstream({"www.test A": negative(rcode)})
        async with opened(fake) as resolver:
            await resolver.resolve(WWW, A)
            await anyio.sleep(100)
            fake.script["www.test A"] = TryAgain("SERVFAIL")
            for _ in range(2):
                with pytest.raises(TryAgain):
                    await resolver.resolve(WWW, A)
            assert len(fake.asked) == 2

    async def test_it_serves_no_longer_than_allowed(self) -> None:
        """For `max_stale` seconds after its time."""
        fake = FakeUpstream({"www.test A": FOUND})
        async with opened(fake, max_stale=50) as resolver:
            await resolver.resolve(WWW, A)
            fake.script["www.test A"] = TryAgain("SERVFAIL")
            await anyio.sleep(149)
            assert (await resolver.resolve(WWW, A)).stale
            await anyio.sleep(1)
            with pytest.raises(TryAgain):
                await resolver.resolve(WWW, A)

    async def test_it_does_not_serve_who_wants_a_new_answer(self) -> None:
        """LUP_FLUSHCACHE waits for the servers."""
        fake = FakeUpstream({"www.test A": FOUND})
        async with opened(fake) as resolver:
            await resolver.resolve(WWW, A)
            await anyio.sleep(150)
            fake.script["www.test A"] = TryAgain("SERVFAIL")
            with pytest.raises(TryAgain):
                await resolver.resolve(WWW, A, flush=True)

    async def test_the_story_says_why(self) -> None:
        """With what the servers said, or that they were too slow."""
        fake = FakeUpstream({"www.test A": FOUND})
        async with opened(fake) as resolver:
            story = Story(resolver.now)
            await resolver.resolve(WWW, A, story=story)
            await resolver.resolve(WWW, A, story=story)
            await anyio.sleep(150)
            fake.script["www.test A"] = TryAgain("SERVFAIL")
            await resolver.resolve(WWW, A, story=story)
        told = [(event.event, event.facts.get("state")) for event in story.events]
        assert told == [("cache", "miss"), ("cache", "hit"), ("cache", "stale"), ("stale", None)]
        assert "SERVFAIL" in str(story.events[-1].facts["reason"])


async def test_names_that_are_asked_for_often_are_refreshed_before_their_end() -> None:
    """Nobody waits for it, and nobody gets an old answer."""
    fake = FakeUpstream({"www.test A": FOUND})
    async with opened(fake) as resolver:
        for _ in range(3):
            await resolver.resolve(WWW, A)
        fake.script["www.test A"] = NEWER
        fake.delay = 1
        await anyio.sleep(91)
        began = anyio.current_time()
        assert texts(await resolver.resolve(WWW, A)) == ["192.0.2.1"]
        assert texts(await resolver.resolve(WWW, A)) == ["192.0.2.1"]
        assert anyio.current_time() == began
        await anyio.sleep(2)
        assert texts(await resolver.resolve(WWW, A)) == ["192.0.2.2"]
        assert len(fake.asked) == 2
        await anyio.sleep(95)  # the new one was used once only
        await resolver.resolve(WWW, A)
        await turns()
        assert len(fake.asked) == 2


async def test_a_refresh_that_fails_is_not_repeated_at_once() -> None:
    """The answer serves on, and the servers have their rest."""
    fake = FakeUpstream({"www.test A": reply(("www.test.", "A", "192.0.2.1"), ttl=1000)})
    async with opened(fake) as resolver:
        for _ in range(3):
            await resolver.resolve(WWW, A)
        fake.script["www.test A"] = TryAgain("SERVFAIL")
        await anyio.sleep(910)
        for _ in range(5):
            answer = await resolver.resolve(WWW, A)
            await turns()
            assert not answer.stale
        assert len(fake.asked) == 2
        await anyio.sleep(30)
        await resolver.resolve(WWW, A)
        await turns()
        assert len(fake.asked) == 3


async def test_no_user_keeps_others_from_being_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Race "quota-per-connection": questions of one that hang hold up his own alone."""
    monkeypatch.setattr(resolver_module, "MOST_OF_A_USER", 3)
    fake = FakeUpstream({"www.test A": FOUND, **{f"n{n}.test A": None for n in range(9)}})
    async with opened(fake) as resolver, anyio.create_task_group() as tasks:
        for number in range(9):
            name = dns.name.from_text(f"n{number}.test.")
            tasks.start_soon(partial(resolver.resolve, name, A, uid=1))
        await turns()
        assert fake.under_way == 3
        assert texts(await resolver.resolve(WWW, A, uid=2)) == ["192.0.2.1"]
        # Nor by having asked the same already, in a queue of his own.
        tasks.start_soon(partial(resolver.resolve, dns.name.from_text("last.test."), A, uid=1))
        await turns()
        fake.script["last.test A"] = reply(("last.test.", "A", "192.0.2.9"))
        last = dns.name.from_text("last.test.")
        assert texts(await resolver.resolve(last, A, uid=2)) == ["192.0.2.9"]
        tasks.cancel_scope.cancel()
    assert len(resolver._shares) == 0


async def test_the_rest_of_a_chain_is_asked_for() -> None:
    """Where a server serves only the zone that it begins in."""
    alias = reply(("www.test.", "CNAME", "a.other."), flags=dns.flags.AA)
    fake = FakeUpstream({"www.test A": alias, "a.other A": reply(("a.other.", "A", "192.0.2.1"))})
    async with opened(fake) as resolver:
        answer = await resolver.resolve(WWW, A)
        assert [name.to_text() for name in answer.chain] == ["www.test.", "a.other."]
        assert fake.asked == ["www.test A", "a.other A"]


async def test_a_chain_that_goes_round_over_several_servers_ends() -> None:
    """As an error, not for ever."""
    there = reply(("www.test.", "CNAME", "a.other."), flags=dns.flags.AA)
    back = reply(("a.other.", "CNAME", "www.test."), flags=dns.flags.AA)
    fake = FakeUpstream({"www.test A": there, "a.other A": back})
    async with opened(fake) as resolver:
        with pytest.raises(NoRecovery):
            await resolver.resolve(WWW, A)
    assert len(fake.asked) == 2


@pytest.mark.parametrize(("target", "kind"), [("localhost.", "answer"), ("x.onion.", "nxdomain")])
async def test_a_chain_to_a_special_name_ends_there(target: str, kind: str) -> None:
    """It is never sent on."""
    fake = FakeUpstream({"www.test A": reply(("www.test.", "CNAME", target), flags=dns.flags.AA)})
    async with opened(fake) as resolver:
        assert (await resolver.resolve(WWW, A)).kind == kind
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    ("servers", "trust_ad", "flags", "setting"),
    [
        (("127.0.0.1",), None, dns.flags.AD, ""),
        (("[::1]:5353",), None, dns.flags.AD, ""),
        (("127.0.0.1",), None, 0, None),
        (("192.0.2.53",), None, dns.flags.AD, "trust_ad"),
        (("127.0.0.1", "192.0.2.53"), None, dns.flags.AD, "trust_ad"),
        (("192.0.2.53",), True, dns.flags.AD, ""),
        (("127.0.0.1",), False, dns.flags.AD, "trust_ad"),
    ],
)
async def test_secure_answers(
    servers: tuple[str, ...], trust_ad: bool | None, flags: int, setting: str | None
) -> None:
    """LUP_SECURE: the AD bit is needed, from servers that are trusted to set it."""
    fake = FakeUpstream(
        {"www.test A": reply(("www.test.", "A", "192.0.2.1"), flags=flags | dns.flags.RA)}
    )
    options = Options(servers=servers, trust_ad=trust_ad, resolv_conf="")
    async with open_resolver(options, log=structlog.get_logger(), upstream=fake.made) as resolver:
        if setting == "":
            assert texts(await resolver.resolve(WWW, A, secure=True)) == ["192.0.2.1"]
        else:
            with pytest.raises(NoRecovery) as caught:
                await resolver.resolve(WWW, A, secure=True)
            assert caught.value.setting == setting
        assert texts(await resolver.resolve(WWW, A)) == ["192.0.2.1"]
        localhost = dns.name.from_text("localhost.")
        assert texts(await resolver.resolve(localhost, A, secure=True)) == ["127.0.0.1"]


async def test_another_resolv_conf_means_other_answers() -> None:
    """It is in force at once, and the cache is emptied."""
    fake = FakeUpstream({"www.test A": FOUND})
    with open_sockets() as sockets:
        async with anyio.create_task_group() as tasks:
            conf = ResolvConf(servers=(Server("192.0.2.53"),), search=("one.test",))
            resolver = Resolver(
                Options(),
                conf,
                tasks=tasks,
                sockets=sockets,
                log=structlog.get_logger(),
                upstream=fake.made,
            )
            await resolver.resolve(WWW, A)
            assert resolver.at_hand(Key(WWW, A)) is not None
            resolver.follow(ResolvConf(servers=(Server("192.0.2.54"),), search=("x.",), timeout=9))
            assert [name.to_text() for name in resolver.settings.search.domains] == ["x."]
            assert fake.settings["servers"] == (Server("192.0.2.54"),)
            assert fake.settings["timeout"] == 9
            assert resolver.at_hand(Key(WWW, A)) is None


@REAL_TIME
async def test_resolv_conf_is_read_and_followed(tmp_path: Path) -> None:
    """A change is in force within seconds, without a restart."""
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.53\nsearch one.test\n")
    fake = FakeUpstream()
    options = Options(resolv_conf=str(path))
    with anyio.fail_after(20):
        async with open_resolver(
            options, log=structlog.get_logger(), upstream=fake.made
        ) as resolver:
            assert resolver.settings.servers == (Server("192.0.2.53"),)
            changed = anyio.Event()
            fake.changed = changed.set
            path.write_text("nameserver 192.0.2.54\n")
            await changed.wait()
            assert fake.settings["servers"] == (Server("192.0.2.54"),)
            assert resolver.settings.search.domains == ()


async def test_closing_cancels_what_is_under_way() -> None:
    """Refreshes for nobody are no reason to stay."""
    fake = FakeUpstream({"www.test A": FOUND})
    async with opened(fake) as resolver:
        await resolver.resolve(WWW, A)
        fake.script["www.test A"] = None
        resolver.flights.refresh(Key(WWW, A))
        await turns()
        assert fake.under_way == 1
    assert fake.cancelled == 1
