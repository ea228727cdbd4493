"""Answers that are none: what does not match is dropped, and waited on."""

from __future__ import annotations

import threading

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
from tests.providers.dns.asking import ask, attempts, texts, upstream
from tests.providers.dns.fakes import (
    Asked,
    FakeServer,
    Script,
    another_id,
    answering,
    garbage,
)

pytestmark = pytest.mark.anyio

DEADLINE = 20
"""Seconds after which a test that waits for what never comes fails."""

SHORT = 0.1
"""Seconds, the `timeout` where a test must see it run out."""

good = answering("A", "192.0.2.1")


def other_question(name: str, rdtype: str) -> Script:
    def script(asked: Asked) -> None:
        lie = dns.message.make_response(dns.message.make_query(name, rdtype))
        lie.id = asked.message.id
        lie.answer.append(dns.rrset.from_text(name, 300, "IN", "A", "203.0.113.66"))
        asked.reply(lie)

    return script


def no_question(asked: Asked) -> None:
    lie = asked.response(("@", "A", "203.0.113.66"))
    lie.question.clear()
    asked.reply(lie)


def not_a_reply(asked: Asked) -> None:
    lie = asked.response(("@", "A", "203.0.113.66"))
    lie.flags &= ~dns.flags.QR
    asked.reply(lie)


def elsewhere(asked: Asked) -> None:
    asked.send_from(asked.response(("@", "A", "203.0.113.66")).to_wire(), "127.0.0.2")


def other_port(asked: Asked) -> None:
    asked.send_from(asked.response(("@", "A", "203.0.113.66")).to_wire(), "127.0.0.1")


LIARS: dict[str, Script] = {
    "another id": another_id,
    "another name": other_question("evil.example.test.", "A"),
    "another type": other_question("www.example.test.", "AAAA"),
    "no question": no_question,
    "no reply": not_a_reply,
    "another address": elsewhere,
    "another port": other_port,
    "garbage": garbage,
    "an empty datagram": lambda asked: asked.send(b""),
    "our own query": lambda asked: asked.send(asked.wire),
    "half a header": lambda asked: asked.send(asked.wire[:2] + b"\x81"),
}


@pytest.mark.parametrize("liar", LIARS)
async def test_what_does_not_match_is_dropped(liar: str) -> None:
    """A message from elsewhere, or for another question, changes nothing; the answer counts."""

    def lie_then_answer(asked: Asked) -> None:
        LIARS[liar](asked)
        good(asked)

    with FakeServer(lie_then_answer) as fake:
        reply = await ask(upstream(fake, timeout=DEADLINE))
    assert texts(reply) == ["192.0.2.1"]
    assert len(fake.asked) == 1


@pytest.mark.parametrize("liar", LIARS)
async def test_a_lie_alone_is_no_answer(liar: str) -> None:
    """Without a true answer the time runs out, however many lies there were."""
    with FakeServer(LIARS[liar]) as fake:
        with pytest.raises(errors.TimedOut):
            await ask(upstream(fake, timeout=SHORT, attempts=1))
        await anyio.to_thread.run_sync(fake.wait)
    assert len(fake.asked) == 1


async def test_a_flood_of_lies_holds_nobody_up() -> None:
    """A server that never stops lying is given up in time, and others run meanwhile."""
    over = threading.Event()

    def flood(asked: Asked) -> None:
        while not over.is_set():
            another_id(asked)

    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    with FakeServer(flood) as fake:
        try:
            with anyio.fail_after(DEADLINE):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(count_turns)
                    with pytest.raises(errors.TimedOut):
                        await ask(upstream(fake, timeout=SHORT, attempts=1))
                    tasks.cancel_scope.cancel()
        finally:
            over.set()
    assert turns > 5


async def test_the_story_counts_what_was_dropped() -> None:
    """Each message that did not answer is counted."""

    def lies(asked: Asked) -> None:
        for _ in range(3):
            another_id(asked)
        good(asked)

    story = Story(anyio.current_time)
    with FakeServer(lies) as fake:
        await ask(upstream(fake), story=story)
    assert [event.facts["dropped"] for event in story.events if event.event == "attempt"] == [3]


async def test_a_late_answer_is_of_no_use_to_the_next_question() -> None:
    """An answer that comes after its time is heard by nobody, not even by who asks the same."""
    held: list[Asked] = []

    def late(asked: Asked) -> None:
        if not held:
            held.append(asked)
            return
        held[0].answer("A", "203.0.113.66")
        good(asked)

    with FakeServer(late) as fake:
        asked = upstream(fake, timeout=SHORT, attempts=1)
        with pytest.raises(errors.TimedOut):
            await ask(asked)
        assert texts(await ask(asked)) == ["192.0.2.1"]


async def test_an_answer_to_us_that_cannot_be_read() -> None:
    """With our id and question, but broken off: the server failed, the next one is asked."""

    def broken(asked: Asked) -> None:
        asked.send(asked.response(("@", "A", "192.0.2.9")).to_wire()[:-3])

    story = Story(anyio.current_time)
    with FakeServer(broken) as bad, FakeServer(good) as fine:
        reply = await ask(upstream(bad, fine), story=story)
    assert texts(reply) == ["192.0.2.1"]
    outcomes = [str(outcome) for _, _, outcome in attempts(story)]
    assert outcomes[0].startswith("broken: ")
    assert outcomes[1] == "NOERROR"
