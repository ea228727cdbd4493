"""Time limits of a question: `timeout`, `attempts`, and the caller's deadline."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import anyio
import pytest

from nspd.core.story import Story
from nspd.model import errors
from nspd.providers.dns import exchange
from nspd.providers.dns.exchange import Upstream
from tests.backends import backend
from tests.providers.dns.asking import ask, attempts, times_of_attempts, upstream
from tests.providers.dns.fakes import DeadServer, nobody

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both in virtual time."""
    return backend(request.param)


async def seconds_until_given_up(
    asked: Upstream, setting: str = "timeout", **options: Any
) -> float:
    """How long a question took that ended in 10060."""
    began = anyio.current_time()
    with pytest.raises(errors.TimedOut) as raised:
        await ask(asked, **options)
    assert raised.value.setting == setting
    return anyio.current_time() - began


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize(("timeout", "attempts"), [(5, 2), (0.5, 1), (3, 4)])
async def test_silence_takes_timeout_times_attempts(
    count: int, timeout: float, attempts: int
) -> None:
    """However many servers are silent, it takes no longer; each is asked equally often."""
    with ExitStack() as opened:
        servers = [opened.enter_context(DeadServer()) for _ in range(count)]
        asked = upstream(*servers, timeout=timeout, attempts=attempts)
        took = await seconds_until_given_up(asked)
        assert took == pytest.approx(timeout * attempts, abs=1e-6)
        assert [len(each.came()) for each in servers] == [attempts] * count


async def test_the_error_names_who_was_silent() -> None:
    """Each server is named with what it did."""
    with DeadServer() as dead, nobody() as nowhere:
        with pytest.raises(errors.TimedOut) as raised:
            await ask(upstream(nowhere, dead))
        assert raised.value.detail == f"{nowhere}: Connection refused; {dead}: no answer"


async def test_a_new_query_has_a_new_id() -> None:
    """A second attempt does not repeat the id of the first."""
    with DeadServer() as dead:
        await seconds_until_given_up(upstream(dead, attempts=5))
        assert len({each.id for each in dead.came()}) > 2


async def test_each_server_has_its_share_of_an_attempt() -> None:
    """Of an attempt of six seconds, three servers have two each."""
    story = Story(anyio.current_time)
    with DeadServer() as one, DeadServer() as two, DeadServer() as three:
        await seconds_until_given_up(upstream(one, two, three, timeout=6, attempts=1), story=story)
        assert times_of_attempts(story) == pytest.approx([2, 4, 6])
        assert attempts(story) == [(str(each), "udp", "timed out") for each in (one, two, three)]


async def test_what_one_server_does_not_use_the_others_have() -> None:
    """A server that is not there leaves its share to the next."""
    story = Story(anyio.current_time)
    with nobody() as nowhere, DeadServer() as one, DeadServer() as two:
        await seconds_until_given_up(
            upstream(nowhere, one, two, timeout=6, attempts=1), story=story
        )
        assert times_of_attempts(story) == pytest.approx([0, 3, 6])


@pytest.mark.parametrize("deadline", [0.001, 3.0, 7.5])
async def test_a_deadline_cuts_the_attempts(deadline: float) -> None:
    """The caller's deadline holds where it is the shorter, and is what the error names."""
    with DeadServer() as one, DeadServer() as two:
        took = await seconds_until_given_up(
            upstream(one, two), setting="deadline", deadline=anyio.current_time() + deadline
        )
        assert took == pytest.approx(deadline, abs=1e-6)


async def test_a_late_deadline_changes_nothing() -> None:
    """The settings hold where they are the shorter."""
    with DeadServer() as dead:
        took = await seconds_until_given_up(upstream(dead), deadline=anyio.current_time() + 60)
        assert took == pytest.approx(10)


async def test_nothing_is_sent_after_the_deadline() -> None:
    """A question that comes too late is not asked."""
    with DeadServer() as dead:
        took = await seconds_until_given_up(
            upstream(dead), setting="deadline", deadline=anyio.current_time() - 1
        )
        assert took == 0
        assert dead.came() == []


async def test_who_is_cut_by_a_deadline_has_not_failed() -> None:
    """A caller in a hurry tells nothing of the server: it keeps its place."""
    with DeadServer() as one, DeadServer() as two:
        asked = upstream(one, two)
        await seconds_until_given_up(
            asked, setting="deadline", deadline=anyio.current_time() + 0.01
        )
        assert [str(each) for each in asked.servers] == [str(one), str(two)]
        await seconds_until_given_up(
            asked, setting="deadline", deadline=anyio.current_time() + 0.01
        )
        assert len(one.came()) == 2


async def test_silence_puts_a_server_last() -> None:
    """A server that let its share pass is asked after the others."""
    with DeadServer() as one, DeadServer() as two:
        asked = upstream(one, two, timeout=2, attempts=1)
        with anyio.move_on_after(1.5):
            await ask(asked)
        assert [str(each) for each in asked.servers] == [str(two), str(one)]


async def test_questions_beyond_the_limit_wait_for_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No more than `IN_FLIGHT` are under way; one that ends lets the next begin."""
    monkeypatch.setattr(exchange, "IN_FLIGHT", 2)
    with DeadServer() as dead:
        asked = upstream(dead)

        async def hurried() -> None:
            with anyio.move_on_after(4):
                await ask(asked)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(hurried)
            await anyio.sleep(3)
            assert len(dead.came()) == 2
        assert dead.came() == []
        await seconds_until_given_up(asked)


async def test_who_waited_for_a_turn_has_a_whole_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempt begins when it has its turn; the end stays where it was."""
    monkeypatch.setattr(exchange, "IN_FLIGHT", 1)
    story = Story(anyio.current_time)
    with DeadServer() as dead:
        asked = upstream(dead, timeout=5, attempts=2)
        async with anyio.create_task_group() as tasks:

            async def hurried() -> None:
                with anyio.move_on_after(4):
                    await ask(asked)

            tasks.start_soon(hurried)
            await anyio.wait_all_tasks_blocked()
            took = await seconds_until_given_up(asked, story=story)
        assert took == pytest.approx(10)
        assert times_of_attempts(story) == pytest.approx([9, 10])


async def test_who_never_has_a_turn_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for a turn counts as waiting for the answer."""
    monkeypatch.setattr(exchange, "IN_FLIGHT", 1)
    with DeadServer() as dead:
        asked = upstream(dead)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_until_cancelled, asked)
            await anyio.sleep(1)
            dead.came()
            began = anyio.current_time()
            with pytest.raises(errors.TimedOut, match="under way") as raised:
                await ask(asked, deadline=began + 2)
            assert raised.value.setting == "deadline"
            assert anyio.current_time() - began == pytest.approx(2)
            assert dead.came() == []
            tasks.cancel_scope.cancel()


async def ask_until_cancelled(asked: Upstream) -> None:
    """Ask again and again."""
    while True:
        with anyio.CancelScope():
            await seconds_until_given_up(asked)
