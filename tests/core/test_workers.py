"""Threads for providers that block: the token is the worker's."""

from __future__ import annotations

import threading
from collections.abc import Callable

import anyio
import pytest

from nspd.core.backend import threadsafe_caller
from nspd.core.workers import Workers
from tests.backends import REAL_TIME
from tests.core.world import until

pytestmark = [pytest.mark.anyio]


class Blocking:
    """A function that blocks until it is released, and counts its calls."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.calls = 0
        self._lock = threading.Lock()

    def __call__(self, value: int = 0) -> int:
        with self._lock:
            self.calls += 1
        assert self.release.wait(20)
        return value


@REAL_TIME
async def test_results_and_errors_come_back() -> None:
    """A worker's result is returned, and what it raises is raised in the waiter."""
    workers = Workers(2, threadsafe_caller())

    def fails() -> None:
        raise LookupError("as planned")

    assert await workers.run(pow, 2, 10) == 1024
    with pytest.raises(LookupError, match="as planned"):
        await workers.run(fails)
    assert workers.busy == 0


@REAL_TIME
async def test_never_more_threads_than_the_limit() -> None:
    """Calls past the limit wait for a worker, in order."""
    workers, blocking = Workers(2, threadsafe_caller()), Blocking()
    results: list[int] = []

    async def call(number: int) -> None:
        results.append(await workers.run(blocking, number))

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(call, number)
        await until(lambda: blocking.calls == 2)
        assert workers.busy == 2
        blocking.release.set()
    assert sorted(results) == list(range(6))
    assert workers.busy == 0


@REAL_TIME
async def test_the_token_is_given_back_by_the_worker() -> None:
    """A cancelled waiter leaves its worker busy until the call returns, and stays itself."""
    workers, blocking = Workers(1, threadsafe_caller()), Blocking()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(workers.run, blocking)
            await until(lambda: blocking.calls == 1)
            scope.cancel()
            assert workers.busy == 1
            blocking.release.set()
    assert scope.cancelled_caught
    assert workers.busy == 0


@REAL_TIME
async def test_waiting_for_a_worker_can_be_cancelled() -> None:
    """A call that no worker has yet is cancelled at once, and never carried out."""
    workers, blocking, never = Workers(1, threadsafe_caller()), Blocking(), Blocking()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.run, blocking)
        await until(lambda: blocking.calls == 1)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as queue:
                queue.start_soon(workers.run, never)
                await until(lambda: workers._queued)
                scope.cancel()
        assert scope.cancelled_caught
        assert not workers._queued
        blocking.release.set()
    assert (never.calls, workers.busy) == (0, 0)


@REAL_TIME
async def test_a_token_that_comes_with_the_cancellation_is_passed_on() -> None:
    """The place of a waiter who was just given it and cancelled goes to the next."""
    workers = Workers(1, threadsafe_caller())
    blocking = Blocking()
    served: list[str] = []

    async def call(name: str, scope: anyio.CancelScope) -> None:
        with scope:
            await workers.run(served.append, name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.run, blocking)
        await until(lambda: blocking.calls == 1)
        first, second = anyio.CancelScope(), anyio.CancelScope()
        tasks.start_soon(call, "first", first)
        await until(lambda: len(workers._queued) == 1)
        tasks.start_soon(call, "second", second)
        await until(lambda: len(workers._queued) == 2)
        first.cancel()
        workers._release()  # in the very step of the cancellation
        workers.busy += 1  # for the worker that is really still busy
        blocking.release.set()
    assert served in (["second"], ["first", "second"])
    assert not workers._queued


@REAL_TIME
async def test_a_cancelled_caller_takes_no_worker() -> None:
    """In a cancelled scope nothing is begun."""
    workers, blocking = Workers(1, threadsafe_caller()), Blocking()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await workers.run(blocking)
    assert (blocking.calls, workers.busy) == (0, 0)


@REAL_TIME
async def test_a_thread_that_cannot_start_gives_its_token_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Out of threads: the call fails, and the count does not drift (counter-drift)."""
    workers = Workers(1, threadsafe_caller())

    def cannot(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", cannot)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="can't start"):
                await workers.run(pow, 2, 2)
    assert workers.busy == 0
    assert await workers.run(pow, 2, 2) == 4


@REAL_TIME
async def test_threads_are_used_again() -> None:
    """A worker that is idle takes the next call; all are daemon threads."""
    workers = Workers(4, threadsafe_caller())
    names: Callable[[], threading.Thread] = threading.current_thread
    threads = {await workers.run(names) for _ in range(5)}
    assert len(threads) == 1
    assert all(thread.daemon for thread in threads)
