"""Servers that fail: errors, refusals, broken TCP; who is asked next, and what it is called."""

from __future__ import annotations

from collections.abc import Iterator

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
from nspd.providers.dns import exchange
from tests.providers.dns.asking import ask, attempts, texts, upstream
from tests.providers.dns.fakes import (
    Asked,
    FakeServer,
    Script,
    another_id,
    answering,
    by_transport,
    failing,
    garbage,
    half_a_reply,
    in_turn,
    nobody,
    silence,
    truncating,
)

pytestmark = pytest.mark.anyio

DEADLINE = 20
"""Seconds after which a test that waits for what never comes fails."""

SHORT = 0.1
"""Seconds, the `timeout` where a test must see it run out."""

good = answering("A", "192.0.2.1")


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The address of a server that is not there."""
    with nobody() as address:
        yield address


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "YXDOMAIN"])
async def test_the_next_server_is_asked_after_an_error(rcode: str) -> None:
    """A server's error is not the answer as long as another server has one."""
    with FakeServer(failing(rcode)) as bad, FakeServer(good) as fine:
        assert texts(await ask(upstream(bad, fine))) == ["192.0.2.1"]


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "YXDOMAIN"])
async def test_errors_everywhere_are_a_temporary_failure(rcode: str) -> None:
    """11002 names each server and what it said; nobody is asked a second time."""
    with FakeServer(failing(rcode)) as one, FakeServer(failing("SERVFAIL")) as two:
        with pytest.raises(errors.TryAgain) as raised:
            await ask(upstream(one, two, attempts=5))
        assert raised.value.detail == f"{one}: {rcode}; {two}: SERVFAIL"
        assert raised.value.setting is None
        assert len(two.asked) == 1


async def test_nxdomain_is_final() -> None:
    """A server that says that the name does not exist has answered."""
    with FakeServer(failing("NXDOMAIN")) as first, FakeServer(good) as second:
        reply = await ask(upstream(first, second))
        assert reply.rcode() == dns.rcode.NXDOMAIN
        assert not second.asked


async def test_a_referral_is_no_answer() -> None:
    """A server that does not recurse says nothing of the name; the next one is asked."""

    def refer(asked: Asked) -> None:
        reply = asked.response(authority=[("test.", "NS", "ns.example.test.")])
        reply.flags &= ~dns.flags.RA
        asked.reply(reply)

    with FakeServer(refer) as lame, FakeServer(good) as fine:
        assert texts(await ask(upstream(lame, fine))) == ["192.0.2.1"]
        with pytest.raises(errors.TryAgain, match="referral"):
            await ask(upstream(lame))


def without_edns(asked: Asked) -> None:
    """A server that has never heard of EDNS."""
    if asked.message.edns < 0:
        good(asked)
        return
    reply = asked.response(rcode="FORMERR")
    reply.use_edns(False)
    asked.reply(reply)


async def test_a_server_without_edns_is_asked_without() -> None:
    """After FORMERR it is asked again without EDNS (RFC 6891, 7), and later so at once."""
    with FakeServer(without_edns) as old:
        asked = upstream(old)
        assert texts(await ask(asked)) == ["192.0.2.1"]
        assert texts(await ask(asked)) == ["192.0.2.1"]
    assert [each.message.edns for each in old.asked] == [0, -1, -1]


async def test_edns_is_tried_again_some_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server does not know today, it may know after `EDNS_MEMORY`."""
    monkeypatch.setattr(exchange, "EDNS_MEMORY", 0.0)
    with FakeServer(without_edns) as old:
        asked = upstream(old)
        await ask(asked)
        await ask(asked)
    assert [each.message.edns for each in old.asked] == [0, -1, 0, -1]


async def test_a_server_that_is_not_there_is_known_at_once(nowhere: str) -> None:
    """A closed port is told by the network: no time is lost, the next one is asked."""
    story = Story(anyio.current_time)
    with FakeServer(good) as fine, anyio.fail_after(DEADLINE):
        asked = upstream(nowhere, fine, timeout=DEADLINE * 10)
        assert texts(await ask(asked, story=story)) == ["192.0.2.1"]
    assert attempts(story) == [
        (nowhere, "udp", "unreachable: Connection refused"),
        (str(fine), "udp", "NOERROR"),
    ]


async def test_no_server_in_reach_is_the_network_s_fault(nowhere: str) -> None:
    """If none can be reached it is 10050, and no setting is to blame."""
    with pytest.raises(errors.NetworkDown, match="Connection refused") as raised:
        await ask(upstream(nowhere))
    assert raised.value.setting is None


async def test_an_interface_that_is_not_there(nowhere: str) -> None:
    """A scope without an interface is a server out of reach."""
    with pytest.raises(errors.NetworkDown, match="fe80::1%nowhere0"):
        await ask(upstream("fe80::1%nowhere0"))


async def test_who_failed_is_asked_last(nowhere: str) -> None:
    """After a failure the other servers come first."""
    with FakeServer(good) as fine:
        asked = upstream(nowhere, fine)
        await ask(asked)
        story = Story(anyio.current_time)
        await ask(asked, story=story)
    assert attempts(story) == [(str(fine), "udp", "NOERROR")]


async def test_a_server_that_says_servfail_keeps_its_place() -> None:
    """Its error tells of the name, not of the server."""
    with FakeServer(in_turn(failing("SERVFAIL"), good)) as first, FakeServer(good) as second:
        asked = upstream(first, second)
        await ask(asked)
        await ask(asked)
        assert (len(first.asked), len(second.asked)) == (2, 1)


async def test_rotation_begins_with_another_server_each_time() -> None:
    """With `rotate` the questions are spread."""
    with FakeServer(good) as one, FakeServer(good) as two:
        asked = upstream(one, two, rotate=True)
        for _ in range(6):
            await ask(asked)
    assert (len(one.asked), len(two.asked)) == (3, 3)


def then_close(script: Script) -> Script:
    def both(asked: Asked) -> None:
        script(asked)
        asked.close()

    return both


TCP_FAILURES: dict[str, Script] = {
    "half a reply": half_a_reply,
    "closed": truncating(Asked.close),
    "another id": truncating(then_close(another_id)),
    "half a length": truncating(then_close(lambda asked: asked.send_raw(b"\0"))),
    "an empty message": truncating(then_close(lambda asked: asked.send(b""))),
    "garbage": truncating(then_close(garbage)),
    "truncated again": Asked.truncate,
}


@pytest.mark.parametrize("failure", TCP_FAILURES)
async def test_a_broken_tcp_reply_is_the_server_s_failure(failure: str) -> None:
    """Half a reply is none: the next server is asked, and 11002 if there is no other."""
    with FakeServer(TCP_FAILURES[failure]) as bad, FakeServer(good) as fine:
        with anyio.fail_after(DEADLINE):
            assert texts(await ask(upstream(bad, fine, timeout=DEADLINE * 10))) == ["192.0.2.1"]
            with pytest.raises(errors.TryAgain):
                await ask(upstream(bad, timeout=DEADLINE * 10))
        assert [each.transport for each in bad.asked] == ["udp", "tcp", "udp", "tcp"]


async def test_truncation_without_tcp_is_a_failure() -> None:
    """A part of an answer is never taken for all of it: TCP refused is 11002."""
    with FakeServer(Asked.truncate, tcp=False) as bad:
        with pytest.raises(errors.TryAgain, match="Connection refused"):
            await ask(upstream(bad))
        with FakeServer(good) as fine:
            assert texts(await ask(upstream(bad, fine))) == ["192.0.2.1"]


async def test_a_silent_tcp_connection_is_given_up() -> None:
    """The server's time covers both transports."""
    with FakeServer(truncating(silence)) as bad:
        with pytest.raises(errors.TimedOut) as raised:
            await ask(upstream(bad, timeout=SHORT, attempts=1))
        assert raised.value.setting == "timeout"
        assert [each.transport for each in bad.asked] == ["udp", "tcp"]


async def test_tcp_lies_are_dropped_too() -> None:
    """A message with another id may come first; the answer counts."""

    def lie_then_answer(asked: Asked) -> None:
        another_id(asked)
        good(asked)

    with FakeServer(by_transport(udp=Asked.truncate, tcp=lie_then_answer)) as fake:
        assert texts(await ask(upstream(fake))) == ["192.0.2.1"]


async def test_a_tcp_reply_may_come_byte_by_byte() -> None:
    """TCP keeps no boundaries."""

    def dribble(asked: Asked) -> None:
        wire = asked.response(("@", "A", "192.0.2.1")).to_wire()
        for byte in len(wire).to_bytes(2) + wire:
            asked.send_raw(bytes((byte,)))

    with FakeServer(truncating(dribble)) as fake:
        assert texts(await ask(upstream(fake))) == ["192.0.2.1"]


async def test_a_server_without_tcp_keeps_its_place() -> None:
    """It has answered over UDP, so it did not fail."""
    with FakeServer(in_turn(Asked.truncate, good), tcp=False) as first, FakeServer(good) as second:
        asked = upstream(first, second)
        await ask(asked)
        await ask(asked)
        assert len(first.asked) == 2
