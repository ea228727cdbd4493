"""A cancelled question: its sockets are closed at once, and nothing of it stays."""

from __future__ import annotations

import gc
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator

import anyio
import anyio.to_thread
import pytest
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from nspd.core.story import Story
from nspd.providers.dns import exchange
from nspd.providers.dns.line import HungUp, open_sockets
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
MOST_TIMES = 2.5
"""What cancelling a question may cost, in cancellations of a task that waits for a socket."""

TRIES = 10
"""Runs of both, side by side: what else the machine does can strike one and spare the other."""

TURNS = 4
"""Of the event loop: asyncio delivers a cancellation in one, wakes the task in the next."""

DEADLINE = 20


@pytest.fixture
def collector_off() -> Iterator[None]:
    """The daemon's collector does not walk everything either while clients are served."""
    gc.disable()
    yield
    gc.enable()


def count_sockets() -> int:
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
    """`MANY` that wait, each with a socket, in a scope of its own as the router has it."""

    def __init__(self, waits: Callable[[], Awaitable[object]]) -> None:
        self._waits = waits
        self._scopes: list[anyio.CancelScope] = []
        self._before = count_sockets()

    def start(self, tasks: TaskGroup) -> None:
        """Have them all wait."""
        for _ in range(MANY):
            tasks.start_soon(self._wait)

    async def _wait(self) -> None:
        with anyio.CancelScope() as scope:
            self._scopes.append(scope)
            await self._waits()

    async def in_flight(self) -> None:
        """Return when each has its socket."""
        await until(lambda: count_sockets() == self._before + MANY)

    def cancel(self) -> None:
        """Cancel each of them."""
        for scope in self._scopes:
            scope.cancel()

    def is_gone(self) -> bool:
        """Whether there are as many sockets as before."""
        return count_sockets() == self._before

    async def cancelled(self) -> float:
        """Seconds of the processor from the cancellation until all is over; none may be left."""
        async with anyio.create_task_group() as tasks:
            self.start(tasks)
            await self.in_flight()
            began = time.process_time()
            self.cancel()
        took = time.process_time() - began
        assert self.is_gone()
        return took


async def wait_for_nothing() -> None:
    """Wait at a socket to which nobody sends: the least that a question can be."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as connection:
        await anyio.wait_readable(connection)


TRANSPORTS = pytest.mark.parametrize("use_vc", [False, True], ids=["udp", "tcp"])


@TRANSPORTS
async def test_cancelled_questions_close_their_sockets_at_once(use_vc: bool) -> None:
    """`TURNS` turns of the event loop after the cancellation all sockets are closed."""
    with DeadServer() as dead:
        asked = upstream(dead, timeout=60, use_vc=use_vc)
        with open_sockets() as sockets:
            crowd = Crowd(lambda: ask(asked, line=sockets.line()))
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
    """1,000 in flight, cancelled: no socket is left, at little more than the least price.

    The least is that of as many bare tasks that wait for a socket, cancelled alike.
    """
    with DeadServer() as dead:
        asked = upstream(dead, timeout=60, use_vc=use_vc)
        questions: list[float] = []
        least: list[float] = []
        for _ in range(TRIES):
            with open_sockets() as sockets:
                crowd = Crowd(lambda: ask(asked, line=sockets.line()))
                questions.append(await crowd.cancelled())
            least.append(await Crowd(wait_for_nothing).cancelled())
            if min(questions) <= MOST_TIMES * min(least):
                break
        assert min(questions) <= MOST_TIMES * min(least)


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


async def test_who_is_hung_up_just_as_its_turn_comes_gives_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one before ends, and in the same step somebody hangs up: the turn is not lost."""
    monkeypatch.setattr(exchange, "IN_FLIGHT", 1)
    ended: list[str] = []
    with FakeServer(answering("A", "192.0.2.1")) as fake, open_sockets() as sockets:
        asked = upstream(fake, timeout=60)
        line = sockets.line()

        async def question() -> None:
            with pytest.raises(HungUp):
                await ask(asked, line=line)
            ended.append("hung up")

        async with anyio.create_task_group() as tasks:
            asked._slots.acquire_nowait()
            tasks.start_soon(question)
            await anyio.wait_all_tasks_blocked()
            asked._slots.release()
            line.hang_up()
        assert ended == ["hung up"]
        with anyio.fail_after(DEADLINE):
            assert texts(await ask(asked)) == ["192.0.2.1"]


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
        before, turns = count_sockets(), 0
        while len(answered) < 3:
            with anyio.fail_after(DEADLINE):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(question)
                    for _ in range(turns):
                        await checkpoint()
                    tasks.cancel_scope.cancel()
            # The server closes its side of a connection when it sees ours closed.
            await until(lambda: count_sockets() <= before)
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
