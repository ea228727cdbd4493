"""A cancelled question: its sockets are closed at once, and nothing of it stays."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator

import anyio
import anyio.to_thread
import pytest
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from nspd.core.story import Story
from nspd.providers.dns import exchange
from nspd.providers.dns.exchange import Upstream
from tests.providers.dns.asking import ask, attempts, texts, upstream
from tests.providers.dns.fakes import (
    DeadServer,
    FakeServer,
    answering,
    in_turn,
    silence,
    truncating,
)

pytestmark = pytest.mark.anyio

MANY = 1000
WITHIN = 0.4
"""Seconds in which the sockets of `MANY` cancelled questions are closed."""

TRIES = 10
"""A machine that is busy with something else is slower: once it must be fast enough."""

TURNS = 4
"""Of the event loop: asyncio delivers a cancellation in one, wakes the task in the next."""

DEADLINE = 20


@pytest.fixture
def collector_off() -> Iterator[None]:
    """The daemon's collector does not walk everything either while clients are served."""
    gc.disable()
    yield
    gc.enable()


def open_sockets() -> int:
    """The descriptors of this process that are sockets."""
    return sum(_is_socket(f"/proc/self/fd/{entry}") for entry in os.listdir("/proc/self/fd"))


def _is_socket(path: str) -> bool:
    try:
        return os.readlink(path).startswith("socket:")
    except FileNotFoundError:
        return False


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until the condition holds."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for does not come"
        await checkpoint()


class Crowd:
    """`MANY` questions to a dead server, each in a scope of its own as the router has it."""

    def __init__(self, asked: Upstream) -> None:
        self._asked = asked
        self._scopes: list[anyio.CancelScope] = []
        self._before = open_sockets()

    def start(self, tasks: TaskGroup) -> None:
        """Start the questions."""
        for _ in range(MANY):
            tasks.start_soon(self._question)

    async def _question(self) -> None:
        with anyio.CancelScope() as scope:
            self._scopes.append(scope)
            await ask(self._asked)

    async def in_flight(self) -> None:
        """Return when every question has its socket."""
        await until(lambda: open_sockets() == self._before + MANY)

    def cancel(self) -> None:
        """Cancel every question."""
        for scope in self._scopes:
            scope.cancel()

    def is_gone(self) -> bool:
        """Whether there are as many sockets as before."""
        return open_sockets() == self._before


TRANSPORTS = pytest.mark.parametrize("use_vc", [False, True], ids=["udp", "tcp"])


@TRANSPORTS
async def test_cancelled_questions_close_their_sockets_at_once(use_vc: bool) -> None:
    """`TURNS` turns of the event loop after the cancellation all sockets are closed."""
    with DeadServer() as dead:
        crowd = Crowd(upstream(dead, timeout=60, use_vc=use_vc))
        async with anyio.create_task_group() as tasks:
            crowd.start(tasks)
            await crowd.in_flight()
            crowd.cancel()
            for _ in range(TURNS):
                await checkpoint()
            assert crowd.is_gone()


@TRANSPORTS
async def test_a_thousand_cancelled_questions_leave_no_socket(
    use_vc: bool, collector_off: None
) -> None:
    """1,000 in flight, cancelled: the sockets are as many as before, in a bounded time.

    Nothing in it waits for anything, so the time is that of the processor. The
    bound is wide, for a processor that others share; it finds what grows faster
    than the number of questions.
    """
    within = WITHIN * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    with DeadServer() as dead:
        took: list[float] = []
        while not took or (min(took) > within and len(took) < TRIES):
            crowd = Crowd(upstream(dead, timeout=60, use_vc=use_vc))
            async with anyio.create_task_group() as tasks:
                crowd.start(tasks)
                await crowd.in_flight()
                began = time.process_time()
                crowd.cancel()
            took.append(time.process_time() - began)
            assert crowd.is_gone()
        assert min(took) < within


async def test_one_cancelled_question_disturbs_no_other() -> None:
    """Two ask the same server; one leaves, the other gets its answer."""
    with FakeServer() as fake:
        asked = upstream(fake, timeout=60)
        answers: list[list[str]] = []

        async def question() -> None:
            answers.append(texts(await ask(asked)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(question)
            async with anyio.create_task_group() as leaving:
                leaving.start_soon(question)
                await anyio.to_thread.run_sync(fake.wait, 2)
                leaving.cancel_scope.cancel()
            for each in fake.asked:
                each.answer("A", "192.0.2.1")
        assert answers == [["192.0.2.1"]]


@pytest.mark.parametrize("step", ["waiting over udp", "waiting over tcp"])
async def test_the_story_tells_of_the_cancellation(step: str) -> None:
    """An attempt that was cancelled says so, whichever transport it used."""
    story = Story(time.monotonic)
    tcp = step == "waiting over tcp"
    with FakeServer(truncating(silence) if tcp else silence) as fake:
        async with anyio.create_task_group() as tasks:
            asked = upstream(fake, timeout=60)

            async def question() -> None:
                await ask(asked, story=story)

            tasks.start_soon(question)
            await anyio.to_thread.run_sync(fake.wait, 2 if tcp else 1)
            tasks.cancel_scope.cancel()
        last = attempts(story)[-1]
    assert last == (str(fake), "tcp" if tcp else "udp", "cancelled")


async def test_a_cancelled_question_gives_its_turn_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it was under way or still waiting, it does not count any more."""
    monkeypatch.setattr(exchange, "IN_FLIGHT", 1)
    with FakeServer(in_turn(silence, answering("A", "192.0.2.1"))) as fake:
        asked = upstream(fake, timeout=60)

        async def question() -> None:
            await ask(asked)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(question)
            await anyio.to_thread.run_sync(fake.wait)
            tasks.cancel_scope.cancel()
        with anyio.fail_after(DEADLINE):
            assert texts(await ask(asked)) == ["192.0.2.1"]
        assert len(fake.asked) == 2


async def test_cancelling_anywhere_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """UDP, truncation, TCP, a long reply: wherever it is cut, socket and turn are given back."""
    monkeypatch.setattr(exchange, "IN_FLIGHT", 1)
    addresses = [f"198.51.100.{number}" for number in range(100)]
    with FakeServer(truncating(answering("A", *addresses))) as fake:
        asked = upstream(fake, timeout=60)
        answered: list[int] = []

        async def question() -> None:
            answered.append(len(texts(await ask(asked))))

        await question()
        before, turns = open_sockets(), 0
        while len(answered) < 3:
            with anyio.fail_after(DEADLINE):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(question)
                    for _ in range(turns):
                        await checkpoint()
                    tasks.cancel_scope.cancel()
            # The server closes its side of a connection when it sees ours closed.
            await until(lambda: open_sockets() <= before)
            turns += 1 + turns // 8  # each step at first, then only wherever it happens to be
        with anyio.fail_after(DEADLINE):
            await question()
        assert turns > 3
        assert set(answered) == {100}


async def test_a_cancelled_question_says_nothing_of_its_server() -> None:
    """Cancelling is no failure of the server: it keeps its place."""
    with DeadServer() as one, DeadServer() as two:
        asked = upstream(one, two, timeout=60)
        async with anyio.create_task_group() as tasks:

            async def question() -> None:
                await ask(asked)

            tasks.start_soon(question)
            await until(lambda: bool(one.came()))
            tasks.cancel_scope.cancel()
        assert [str(each) for each in asked.servers] == [str(one), str(two)]
