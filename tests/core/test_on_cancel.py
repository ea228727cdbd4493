"""`Results.on_cancel`: what a provider lets go of in the very step of End."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio
import pytest

from nspd.core.provider import Query, Results
from tests.backends import VIRTUAL_TIME
from tests.core.world import (
    Scripted,
    ask,
    named,
    next_ex,
    open_world,
    turns,
    until,
    work_known,
    work_of,
)

pytestmark = pytest.mark.anyio


class LettingGo:
    """A lookup that waits until it is cancelled, and notes when it was told so."""

    def __init__(self) -> None:
        self.told = 0
        self.felt = 0
        self.told_first = False

    async def __call__(self, query: Query, results: Results) -> None:
        """Wait."""
        results.on_cancel(self.let_go)
        try:
            await anyio.sleep_forever()
        finally:
            self.felt += 1

    def let_go(self) -> None:
        """Take note."""
        self.told += 1
        self.told_first = self.felt == 0


async def test_a_provider_lets_go_within_end() -> None:
    """When `Lookup.end` returns, it has been called, once; the coroutine hears of it later."""
    body = LettingGo()
    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        await turns()
        ending = lookup.end()
        assert (body.told, body.felt) == (1, 0)
        assert await work_known(ending) == "stopped"
        assert (body.told, body.felt, body.told_first) == (1, 1, True)


async def test_a_client_that_leaves_has_it_let_go() -> None:
    """The end of a session is the end of its lookups."""
    body = LettingGo()
    async with open_world(Scripted(body)) as world:
        session = world.session()
        ask(session)
        ask(session)
        await turns()
        session.close()
        assert (body.told, body.felt) == (2, 0)


async def test_only_the_last_of_a_shared_run_has_it_let_go() -> None:
    """Who leaves others behind takes nothing from them (C11)."""
    body = LettingGo()
    async with open_world(Scripted(body, key=lambda query: "same")) as world:
        session = world.session()
        first, second = ask(session), ask(session)
        await turns()
        first.end()
        assert body.told == 0
        second.end()
        assert body.told == 1


async def test_nothing_is_let_go_of_after_the_coroutine() -> None:
    """A run that is over holds nothing any more; End does not call it."""
    told: list[str] = []

    async def answer(query: Query, results: Results) -> None:
        results.on_cancel(lambda: told.append("cancelled"))
        await results.send(named("a"))

    async with open_world(Scripted(answer)) as world:
        lookup = ask(world.session())
        await until(lambda: world.router.work.running == 0)
        assert next_ex(lookup).name == "a"
        lookup.end()
        assert told == []


async def test_the_last_function_counts() -> None:
    """A provider may change its mind of what is to be let go of."""
    told: list[str] = []

    async def body(query: Query, results: Results) -> None:
        results.on_cancel(lambda: told.append("first"))
        results.on_cancel(lambda: told.append("second"))
        await anyio.sleep_forever()

    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        await turns()
        lookup.end()
        assert told == ["second"]


def raises() -> None:
    """An author's mistake."""
    raise ValueError


def asks_a_cancelled_future() -> None:
    """What ``future.result()`` does if the future has been cancelled."""
    raise asyncio.CancelledError


async def waits() -> None:
    """It would have to be awaited."""


@pytest.mark.parametrize("returns", [False, True])
@pytest.mark.parametrize("mistake", [raises, asks_a_cancelled_future, waits])
async def test_a_mistake_in_it_is_logged_and_ends_nothing(
    mistake: Callable[[], object], returns: bool
) -> None:
    """The provider is cancelled all the same, whatever it promised, and End is answered."""

    async def body(query: Query, results: Results) -> None:
        results.on_cancel(mistake, returns=returns)
        await anyio.sleep_forever()

    async with open_world(Scripted(body)) as world:
        world.log.announced.add("provider failed")
        lookup = ask(world.session())
        await turns()
        call, work = next_ex(lookup), work_of(lookup)
        ending = lookup.end()
        assert call.code == 10111
        assert await work_known(ending) == "stopped"
        assert work.cancelled_caught
        assert ("error", "provider failed") in world.log.entries


async def test_who_names_it_too_late_has_it_called_at_once() -> None:
    """What a shielded step has opened meanwhile is let go of, too."""
    told: list[str] = []

    async def body(query: Query, results: Results) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            results.on_cancel(lambda: told.append("cancelled"))

    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        await turns()
        assert await work_known(lookup.end()) == "stopped"
        assert told == ["cancelled"]


class Returning:
    """A lookup that is told to return, and notes whether it was cancelled besides."""

    def __init__(self) -> None:
        self.hung_up = anyio.Event()
        self.felt = 0

    async def __call__(self, query: Query, results: Results) -> None:
        """Wait to be told."""
        results.on_cancel(self.hung_up.set, returns=True)
        try:
            await self.hung_up.wait()
            await turns()
        except anyio.get_cancelled_exc_class():
            self.felt += 1
            raise


async def test_who_returns_by_itself_is_not_cancelled_besides() -> None:
    """It may even wait a little on its way; End says that the work has stopped."""
    body = Returning()
    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        await turns()
        work = work_of(lookup)
        call = next_ex(lookup)
        ending = lookup.end()
        assert (call.code, work.cancel_called) == (10111, True)
        assert await work_known(ending) == "stopped"
        assert (body.felt, work.cancelled_caught) == (0, False)


@VIRTUAL_TIME
async def test_who_does_not_return_as_promised_is_cancelled_after_the_grace() -> None:
    """Its End says "detached", and then it ends (C9)."""
    felt: list[bool] = []

    async def body(query: Query, results: Results) -> None:
        results.on_cancel(lambda: None, returns=True)
        try:
            await anyio.sleep_forever()
        finally:
            felt.append(True)

    async with open_world(Scripted(body), end_grace=0.1) as world:
        lookup = ask(world.session())
        await turns()
        work = work_of(lookup)
        ending = lookup.end()
        await anyio.sleep(0.09)
        assert (ending.work, felt) == (None, [])
        await anyio.sleep(0.02)
        assert await work_known(ending) == "detached"
        await until(lambda: work.finished)
        assert (felt, work.cancelled_caught) == ([True], True)


@pytest.mark.parametrize("within", ["room", "send"])
async def test_who_is_to_return_and_sends_gives_way(within: str) -> None:
    """Nobody wants the record: whether it waits for room or comes to send, it goes no further."""
    hung_up = anyio.Event()
    passed: list[str] = []

    async def body(query: Query, results: Results) -> None:
        results.on_cancel(hung_up.set, returns=True)
        if within == "room":
            for number in range(100):
                await results.send(named(f"r{number}"))
        else:
            await hung_up.wait()
            await results.send(named("late"))
        passed.append(within)

    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        await turns()
        work = work_of(lookup)
        assert await work_known(lookup.end()) == "stopped"
        assert (passed, work.cancelled_caught) == ([], True)
