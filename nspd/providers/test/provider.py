"""The provider of the test namespace: it does what its script says."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import anyio
import msgspec
import sniffio
import trio

from nspd.core.provider import Answer, Host, Provider, Query, Results
from nspd.model.errors import error_for
from nspd.model.flags import LookupFlags, ResultFlags
from nspd.model.namespaces import Namespace
from nspd.model.queryset import STREAM, TCP, CsAddr, QuerySet, SocketAddress, Version
from nspd.model.verdict import provider_code
from nspd.providers.test.gates import Gates
from nspd.providers.test.script import Script, parse_script

_CHANGES = (ResultFlags.CHANGED, ResultFlags.DELETED, ResultFlags.ADDED)
_CONTAINERS = int(LookupFlags.CONTAINERS)
_NAME = "test"


class TestProvider(Provider):
    """NS_TEST: what it gives, when, and how it fails is told by each query."""

    __test__ = False  # for pytest: despite its name this is no test case
    kind = "test"
    namespace = Namespace.TEST
    watches = True
    in_all = False
    workers = 40

    def __init__(
        self,
        *,
        provider_id: str | None = None,
        identifier: str | None = None,
        namespace: int | None = None,
    ) -> None:
        super().__init__(provider_id=provider_id, identifier=identifier, namespace=namespace)
        self._gates = Gates()
        self._generation = 0
        self._host: Host
        self._hang: Callable[[], Awaitable[None]]

    @asynccontextmanager
    async def running(self, host: Host) -> AsyncIterator[None]:
        self._host = host
        self._hang = _sleeper()
        yield

    # For nspd.TestGate and nspd.TestReset

    def add_tokens(self, gate: str, tokens: int) -> None:
        """Let ``tokens`` records more pass a gate."""
        self._gates.add(gate, tokens)

    def reset(self) -> None:
        """Forget all gates, and let nobody join work that runs now."""
        self._gates.forget()
        self._generation += 1

    # The provider

    def answer(self, query: Query) -> Answer | None:
        script = parse_script(query.restrictions.query_string or "")
        if script.refuse is not None:
            raise error_for(script.refuse, "the script says to refuse")
        if query.control_flags & _CONTAINERS:
            return Answer((), known=True)  # there are none
        return None

    def sharing_key(self, query: Query) -> Hashable | None:
        text = query.restrictions.query_string or ""
        if parse_script(text).shared is None:
            return None
        return (self._generation, text, query.restrictions.service_instance_name)

    def lookup(self, query: Query, results: Results) -> Coroutine[Any, Any, None]:
        script = parse_script(query.restrictions.query_string or "")
        # Handed over, not awaited: a coroutine more counts where there are 100,000.
        performance = self._perform(script, query, results)
        return _stubborn(performance, script.stubborn) if script.stubborn else performance

    async def _perform(self, script: Script, query: Query, results: Results) -> None:
        name = query.restrictions.service_instance_name or _NAME
        chance = random.Random(script.seed) if script.jitter else None
        for number in range(1, script.records + 1):
            await self._wait_for(script, number, chance)
            await results.send(await self._built(script, name, number))
        if query.watch:
            results.synced()
        if script.hang:
            await self._hang()
        if script.fail is not None:
            if script.records == 0 and provider_code(script.fail) is None:
                results.known()  # the code is only another way to say "no more"
            raise error_for(script.fail, "the script says to fail")
        if script.crash:
            raise RuntimeError("the script says to crash")
        if script.foreign:
            await _await_something_cancelled()
        if query.watch:
            await self._change(script, name, results)
        if script.records == 0:
            results.known()  # a name without records, and not one that nobody knows

    async def _wait_for(self, script: Script, number: int, chance: random.Random | None) -> None:
        if number == 1 and script.first_delay:
            await anyio.sleep(script.first_delay)
        if script.gate is not None:
            await self._gates.take(script.gate)
        pause = script.delay + (chance.uniform(0, script.jitter) if chance is not None else 0)
        if pause:
            await anyio.sleep(pause)
        if script.thread:
            await self._host.run_blocking(time.sleep, script.thread)

    async def _built(self, script: Script, name: str, number: int) -> QuerySet:
        """The record, made in as many steps as the script says (nobody may see it before)."""
        for _ in range(script.steps - 1):
            await anyio.sleep(script.step_delay)
        if script.step_delay:
            await anyio.sleep(script.step_delay)
        return record(
            name, number, script.records, script.size, self.provider_id, int(self.namespace)
        )

    async def _change(self, script: Script, name: str, results: Results) -> None:
        if script.watch_every is None or script.records == 0:
            await self._hang()
            return
        for change in count():
            await anyio.sleep(script.watch_every)
            number = change % script.records + 1
            changed = await self._built(script, name, number)
            flags = int(_CHANGES[change % len(_CHANGES)])
            await results.send(msgspec.structs.replace(changed, output_flags=flags))


def record(
    name: str, number: int, total: int, size: int, provider_id: str, namespace: int
) -> QuerySet:
    """Record ``number`` (from 1) of ``total``, as test-namespace.md lays it down."""
    address = CsAddr(
        remote=SocketAddress(
            family="inet",
            host=f"192.0.2.{(number - 1) % 254 + 1}",
            port=1000 + number % 60000,
        ),
        socket_type=STREAM,
        protocol=TCP,
    )
    return QuerySet(
        service_instance_name=f"{name}-{number}",
        version=Version(number, "equal"),
        comment=f"record {number} of {total}",
        namespace=namespace,
        provider_id=provider_id,
        context="",
        addresses=(address,),
        output_flags=0,
        blob=_pattern(number, size) if size else None,
    )


def _pattern(number: int, size: int) -> bytes:
    """Byte k is (number + k) mod 251."""
    start = number % 251
    cycle = bytes((start + k) % 251 for k in range(251))
    return (cycle * (size // 251 + 1))[:size]


async def _stubborn(performance: Awaitable[None], seconds: float) -> None:
    try:
        await performance
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            await anyio.sleep(seconds)
        raise


def _sleeper() -> Callable[[], Awaitable[None]]:
    """What waits until cancelled; leaner than anyio's own, for there may be 100,000 at it."""
    if sniffio.current_async_library() == "trio":
        return trio.sleep_forever
    return asyncio.get_running_loop().create_future


async def _await_something_cancelled() -> None:
    """Wait for something that somebody else cancels: a cancellation comes that is nobody's."""
    if sniffio.current_async_library() == "asyncio":
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.cancel)
        await future
        return
    # On trio nothing hands out another's cancellation by accident: carry one out of its scope.
    stray: BaseException | None = None
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class() as cancelled:
            stray = cancelled
    assert stray is not None
    raise stray
