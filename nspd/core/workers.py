"""Threads for providers that block.

anyio's own worker threads do not fit: on asyncio its limiter takes the token
back when the *waiter* leaves, so cancelled calls leave any number of threads
behind, and its threads hold up the interpreter's exit. Here the token is given
back by the worker, and the threads are daemon threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

_T = TypeVar("_T")

_IDLE = 10.0
"""Seconds for which a thread without work stays."""


class _Job(Generic[_T]):
    """One call: made by the waiter, carried out by a worker, settled on the event loop."""

    __slots__ = ("args", "error", "function", "over", "result")

    result: _T

    def __init__(self, function: Callable[..., _T], args: tuple[Any, ...]) -> None:
        self.function = function
        self.args = args
        self.error: BaseException | None = None
        self.over = anyio.Event()

    def carry_out(self) -> None:
        try:
            self.result = self.function(*self.args)
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the waiter
            self.error = error


class Workers:
    """At most ``limit`` threads, started when needed and gone when idle for a while."""

    def __init__(
        self, limit: int, call_soon_threadsafe: Callable[[Callable[[], object]], None]
    ) -> None:
        self.limit = limit
        self.busy = 0
        """Workers that have a call, whether or not anybody still waits for it."""
        self._call_soon = call_soon_threadsafe
        self._queued: deque[anyio.Event] = deque()
        self._jobs: SimpleQueue[_Job[Any]] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0

    async def run(self, function: Callable[..., _T], *args: Any) -> _T:
        """Call the function in a worker; see `nspd.core.provider.Host.run_blocking`."""
        await checkpoint_if_cancelled()
        if self.busy >= self.limit:
            await self._token()
        else:
            self.busy += 1
        job = _Job(function, args)
        try:
            self._hand_over(job)
        except RuntimeError:  # the system has no thread left
            self._release()
            raise
        with anyio.CancelScope(shield=True):
            await job.over.wait()
        await checkpoint_if_cancelled()
        if job.error is not None:
            raise job.error
        return job.result

    async def _token(self) -> None:
        turn = anyio.Event()
        self._queued.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                # The token came in the same step as the cancellation: pass it on.
                self._release()
            else:
                self._queued.remove(turn)
            raise

    def _release(self) -> None:
        if self._queued:
            self._queued.popleft().set()
        else:
            self.busy -= 1

    def _hand_over(self, job: _Job[Any]) -> None:
        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                threading.Thread(target=self._work, name="nspd-worker", daemon=True).start()
        self._jobs.put(job)

    def _settle(self, job: _Job[Any]) -> None:
        self._release()
        job.over.set()

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_IDLE)
            except Empty:
                with self._lock:
                    if self._idle:
                        self._idle -= 1
                        return
                # A job was promised to this thread in the same moment.
                job = self._jobs.get()
            job.carry_out()
            with self._lock:
                self._idle += 1
            try:
                self._call_soon(lambda job=job: self._settle(job))  # type: ignore[misc]
            except RuntimeError:
                return  # the event loop is gone, and with it whoever waited
            del job
