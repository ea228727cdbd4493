"""The running providers, and what the daemon offers each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from nspd.core.backend import threadsafe_caller
from nspd.core.work import give_way_if_cancelled
from nspd.core.workers import Workers

if TYPE_CHECKING:
    from nspd.core.catalog import Entry

_T = TypeVar("_T")

DEFAULT_WORKERS = 40
"""Threads of a provider that blocks without saying how many it needs."""


class _Services:
    """What the daemon offers one provider (`nspd.core.provider.Host`)."""

    def __init__(self, log: Any, workers: Workers) -> None:
        self.log = log
        self._workers = workers

    async def run_blocking(self, function: Callable[..., _T], *args: Any) -> _T:
        result = await self._workers.run(function, *args)
        await give_way_if_cancelled()
        return result


@asynccontextmanager
async def running_providers(entries: Iterable[Entry], log: Any) -> AsyncIterator[None]:
    """Open the providers in this order; close them in the reverse one."""
    async with AsyncExitStack() as stack:
        call_soon = threadsafe_caller()
        for entry in entries:
            provider = entry.provider
            workers = Workers(provider.workers or DEFAULT_WORKERS, call_soon)
            services = _Services(log.bind(provider=entry.identifier), workers)
            await stack.enter_async_context(provider.running(services))
        yield
