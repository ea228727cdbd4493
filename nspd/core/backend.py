"""What the daemon needs of the event loop that runs it, asyncio's or trio's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import sniffio
import trio

from nspd.core.work import WorkGroup
from nspd.core.work_asyncio import AsyncioGroup
from nspd.core.work_trio import TrioGroup


def threadsafe_caller() -> Callable[[Callable[[], object]], None]:
    """What has the running event loop call a plain function, usable from any thread."""
    if sniffio.current_async_library() == "trio":
        return trio.lowlevel.current_trio_token().run_sync_soon
    loop = asyncio.get_running_loop()

    def call_soon(function: Callable[[], object]) -> None:
        loop.call_soon_threadsafe(function)

    return call_soon


def time_source() -> Callable[[], float]:
    """The running event loop's clock as a plain function: anyio's own asks for the loop first."""
    if sniffio.current_async_library() == "trio":
        # What `trio.current_time` calls, which looks for it each time.
        return trio.lowlevel.current_clock().current_time
    loop = asyncio.get_running_loop()
    if type(loop).__module__.partition(".")[0] == "uvloop":
        # The same clock, but uvloop's own reading of it is rounded to a millisecond.
        return time.monotonic
    return loop.time


@asynccontextmanager
async def open_work_group() -> AsyncIterator[WorkGroup]:
    """The group for the running backend, open as long as the context."""
    if sniffio.current_async_library() == "trio":
        async with trio.open_nursery() as nursery:
            group = TrioGroup(nursery.cancel_scope)
            nursery.start_soon(group.keep)
            try:
                await group.opened.wait()
                yield group
            finally:
                group.stop()
    else:
        async with AsyncioGroup() as asyncio_group:
            yield asyncio_group
