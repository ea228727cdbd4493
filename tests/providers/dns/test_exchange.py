"""Asking servers: what is sent, and what comes back."""

from __future__ import annotations

import random
from itertools import pairwise

import anyio
import anyio.to_thread
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest

from nspd.core.story import Story
from nspd.model import errors
from nspd.providers.dns.exchange import Upstream
from nspd.providers.dns.messages import PAYLOAD
from nspd.providers.dns.servers import parse_server
from tests.providers.dns.asking import ask, attempts, texts, upstream
from tests.providers.dns.fakes import (
    FakeServer,
    answering,
    truncating,
)
from tests.providers.dns.servers import Server

pytestmark = pytest.mark.anyio

DEADLINE = 20
"""Seconds after which a test that waits for what never comes fails."""

SHORT = 0.1
"""Seconds, the `timeout` where a test must see it run out."""

good = answering("A", "192.0.2.1")


async def test_an_address_is_found(knot: Server) -> None:
    """A question to a real server is answered by a message with its records."""
    reply = await ask(upstream(knot))
    assert texts(reply) == ["192.0.2.10"]
    assert reply.rcode() == dns.rcode.NOERROR


async def test_a_chain_of_aliases_comes_as_it_is(knot: Server) -> None:
    """What the server puts into the answer is handed on, in order."""
    reply = await ask(upstream(knot), "alias3.example.test")
    assert texts(reply) == [
        "alias2.example.test.",
        "alias.example.test.",
        "www.example.test.",
        "192.0.2.10",
    ]


async def test_a_name_that_does_not_exist(knot: Server) -> None:
    """NXDOMAIN is an answer: it comes back with the SOA (RFC 2308)."""
    reply = await ask(upstream(knot), "nope.quick.test")
    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert reply.authority[0].rdtype == dns.rdatatype.SOA


async def test_no_data(knot: Server) -> None:
    """A name without records of the type is NOERROR and nothing."""
    reply = await ask(upstream(knot), "v4.example.test", "AAAA")
    assert reply.rcode() == dns.rcode.NOERROR
    assert not reply.answer


@pytest.mark.parametrize("name", ["big", "huge"])
async def test_a_truncated_answer_is_fetched_over_tcp(knot: Server, name: str) -> None:
    """What UDP cannot carry comes whole over TCP, and the story tells of both."""
    story = Story(anyio.current_time)
    reply = await ask(upstream(knot), f"{name}.example.test", "TXT", story=story)
    size = {"big": 3_000, "huge": 40_000}[name]
    assert sum(len(part) for part in reply.answer[0][0].strings) == size
    assert not reply.flags & dns.flags.TC
    assert attempts(story) == [(str(knot), "udp", "truncated"), (str(knot), "tcp", "NOERROR")]
    sent = [event.facts["transport"] for event in story.events if event.event == "sent"]
    assert sent == ["udp", "tcp"]


async def test_a_crowd_of_addresses_is_whole(knot: Server) -> None:
    """No record of a large set is lost."""
    reply = await ask(upstream(knot), "crowd.example.test")
    assert len(texts(reply)) == 300


async def test_tcp_can_be_used_at_once(knot: Server) -> None:
    """With `use_vc` no datagram is sent."""
    story = Story(anyio.current_time)
    assert texts(await ask(upstream(knot, use_vc=True), story=story)) == ["192.0.2.10"]
    assert attempts(story) == [(str(knot), "tcp", "NOERROR")]


@pytest.mark.parametrize(
    ("name", "wanted", "authentic"),
    [
        ("www.signed.test", True, True),
        ("nope.signed.test", True, True),
        ("www.signed.test", False, False),
        ("www.example.test", True, False),
        ("insecure.signed.test", True, False),
    ],
)
async def test_the_ad_bit_is_handed_on(
    unbound: Server, name: str, wanted: bool, authentic: bool
) -> None:
    """AD is set for what a validating server has validated, if it was asked for."""
    reply = await ask(upstream(unbound), name, want_dnssec=wanted)
    assert bool(reply.flags & dns.flags.AD) is authentic


async def test_what_does_not_validate_is_a_temporary_failure(unbound: Server) -> None:
    """A validating server says SERVFAIL to bogus records: 11002."""
    with pytest.raises(errors.TryAgain, match="SERVFAIL"):
        await ask(upstream(unbound), "www.bogus.test")


async def test_a_name_of_odd_bytes_is_found(knot: Server) -> None:
    """Labels are bytes to DNS."""
    assert texts(await ask(upstream(knot), "b\\195\\188cher.example.test")) == ["192.0.2.55"]


async def test_a_query_says_what_we_take() -> None:
    """EDNS with our payload; RD; no DO, and AD only if it is wanted."""
    with FakeServer(good) as fake:
        await ask(upstream(fake))
        await ask(upstream(fake), want_dnssec=True)
    first, second = (each.message for each in fake.asked)
    assert (first.edns, first.payload, first.ednsflags) == (0, PAYLOAD, 0)
    assert first.flags == dns.flags.RD
    assert second.flags == dns.flags.RD | dns.flags.AD


async def test_ids_and_ports_are_spread() -> None:
    """Of 64 queries, hardly two have the same id or source port (RFC 5452, 9.2)."""
    with FakeServer(good) as fake:
        asked = upstream(fake)
        for _ in range(64):
            await ask(asked)
    assert len({each.message.id for each in fake.asked}) > 60
    ports = [each.source[1] for each in fake.asked if each.source]
    assert len(set(ports)) > 48
    steps = {after - before for before, after in pairwise(ports)}
    assert len(steps) > 48


async def test_ids_come_from_the_given_source() -> None:
    """A test can have them drawn from a seed."""
    with FakeServer(good) as fake:
        await ask(upstream(fake, random=random.Random(5)))
    assert fake.asked[0].message.id == random.Random(5).getrandbits(16)


async def test_a_question_is_sent_once() -> None:
    """A server that answers is asked one time, and no other is."""
    with FakeServer(good) as first, FakeServer(good) as second:
        await ask(upstream(first, second))
    assert (len(first.asked), len(second.asked)) == (1, 0)


async def test_servers_are_asked_over_ipv6() -> None:
    """Both transports work over IPv6."""
    with FakeServer(truncating(good), address="::1") as fake:
        assert str(fake).startswith("[::1]:")
        assert texts(await ask(upstream(fake))) == ["192.0.2.1"]


@pytest.mark.parametrize(
    "settings",
    [{"servers": []}, {"timeout": 0}, {"timeout": -1}, {"timeout": float("nan")}, {"attempts": 0}],
)
def test_settings_that_leave_nothing_to_ask_are_refused(settings: dict[str, object]) -> None:
    """An upstream can always ask somebody."""
    with pytest.raises(ValueError, match="DNS server"):
        Upstream(**{"servers": [parse_server("127.0.0.1")], **settings})  # type: ignore[arg-type]


async def test_a_change_of_servers_counts_from_the_next_question() -> None:
    """`change` replaces the servers; what is under way goes on with the old ones."""
    with FakeServer() as old, FakeServer(good) as new:
        asked = upstream(old, timeout=DEADLINE)
        replies: list[dns.message.Message] = []

        async def first() -> None:
            replies.append(await ask(asked))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            await anyio.to_thread.run_sync(old.wait)
            asked.change(servers=[parse_server(str(new))])
            assert texts(await ask(asked)) == ["192.0.2.1"]
            old.asked[0].answer("A", "192.0.2.2")
        assert texts(replies[0]) == ["192.0.2.2"]


async def test_a_server_named_twice_is_one() -> None:
    """It does not get two shares of the time."""
    with FakeServer(good) as fake:
        assert len(upstream(fake, fake).servers) == 1
