"""Our own clients keep the contract that we ask others to keep."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, ClassVar

import anyio
import anyio.from_thread
import pytest

import nspd
from nspd.client.aio_lookup import Lookup as AsyncLookup
from nspd.client.sync_lookup import Lookup
from nspd.testing import ClientContract

TEST = 65537


class TestClient(ClientContract):
    """The client for threads; its callers give up by Ctrl-C."""

    def connect(self, path: str) -> nspd.Client:
        return nspd.Client(path)

    def close(self, client: nspd.Client) -> None:
        client.close()

    def begin(self, client: nspd.Client) -> Lookup:
        return client.begin("anything", namespace=TEST)

    def next(self, client: nspd.Client, lookup: Lookup) -> str:
        return lookup.next().service_instance_name or ""

    def end(self, client: nspd.Client, lookup: Lookup) -> None:
        lookup.end()

    def give_up_next(self, client: nspd.Client, lookup: Lookup, when: Callable[[], object]) -> None:
        main = threading.get_ident()

        def interrupt() -> None:
            when()
            signal.pthread_kill(main, signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            lookup.next()
        thread.join()


class Portal:
    """An async client, and the event loop that it lives on."""

    def __init__(self, path: str, backend: str, options: dict[str, Any]) -> None:
        self._stack = ExitStack()
        loop = anyio.from_thread.start_blocking_portal(backend, options)
        self.portal = self._stack.enter_context(loop)
        made = self.portal.wrap_async_context_manager(nspd.AsyncClient(path))
        self.client = self._stack.enter_context(made)

    async def begin(self) -> AsyncLookup:
        """Begin a lookup."""
        return await self.client.begin("anything", namespace=TEST)

    def close(self) -> None:
        """Close the client, then the loop; harmless if done before."""
        self._stack.close()


class TestAsyncClient(ClientContract):
    """The client for event loops, on asyncio; its callers give up by cancelling."""

    backend: ClassVar[str] = "asyncio"
    options: ClassVar[dict[str, Any]] = {}

    def connect(self, path: str) -> Portal:
        return Portal(path, self.backend, self.options)

    def close(self, client: Portal) -> None:
        client.close()

    def begin(self, client: Portal) -> AsyncLookup:
        return client.portal.call(client.begin)

    def next(self, client: Portal, lookup: AsyncLookup) -> str:
        return client.portal.call(lookup.next).service_instance_name or ""

    def end(self, client: Portal, lookup: AsyncLookup) -> None:
        client.portal.call(lookup.end)

    def give_up_next(self, client: Portal, lookup: AsyncLookup, when: Callable[[], object]) -> None:
        client.portal.call(_give_up, lookup, when)


async def _give_up(lookup: AsyncLookup, when: Callable[[], object]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lookup.next)
        await anyio.to_thread.run_sync(when)
        tasks.cancel_scope.cancel()


class TestAsyncClientOnUvloop(TestAsyncClient):
    """The same on uvloop."""

    options: ClassVar[dict[str, Any]] = {"use_uvloop": True}


class TestAsyncClientOnTrio(TestAsyncClient):
    """The same on trio."""

    backend: ClassVar[str] = "trio"
