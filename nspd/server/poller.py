"""One epoll for all sockets, served as one source of events by either backend.

A stream object and a task for each connection would cost more than a request
does. Here every socket hangs in one epoll of our own; the event loop watches
that epoll's descriptor, and one call serves all sockets that are ready. It is
level-triggered, reports a peer that is gone (EPOLLHUP) without reading, and
works alike on asyncio, uvloop and trio.

A turn has three stages: all that is ready is read, all that was read is carried
out, all replies are sent. Python that runs between two system calls runs on cold
caches and cold branch predictors; a stage that has fifty links to serve runs
warm. That alone made requests 1.3 to 1.5 times as cheap (docs/design.md).
"""

from __future__ import annotations

import asyncio
import os
import select
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

import anyio
import sniffio
import trio
from mypy_extensions import mypyc_attr

from nspd.server.lingering import Lingering

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
GONE = select.EPOLLHUP | select.EPOLLERR
"""Reported always, asked for or not: the other end is closed, or broken."""

_AT_ONCE = 64
"""Descriptors served before provider tasks get their turn."""

_FEW = 4
"""Descriptors served in a turn after which it pays to look again: with more, some are ready."""

_MUCH = 4
"""From so many on, what is to be carried out in a turn is carried out together."""

_LONGEST = 500e-6
"""Seconds after which a turn looks no more, for tasks are to get their turn."""

_LONGEST_AT_REST = 2e-3
"""The same while no task is under way: the event loop has but timers and signals to see to."""

Handler = Callable[[int], None]


class Stages(Protocol):
    """What has something to do in the later stages of a turn."""

    def carry_out(self) -> None:
        """Carry out what was read."""

    def send(self) -> bool:
        """Send the replies; whether there were some, and all of them are sent."""

    def failed(self) -> None:
        """One of the two has raised (the exception is being handled): a bug, which stays here.

        This raises nothing.
        """


class Tasks(Protocol):
    """How much there is that needs the event loop."""

    @property
    def running(self) -> int:
        """Tasks that have something to do, or wait for it."""

    @property
    def started(self) -> int:
        """Tasks started so far."""


class NoTasks:
    """All requests are served by plain functions."""

    running = 0
    started = 0


@mypyc_attr(allow_interpreted_subclasses=True)
class Poller:
    """Serves descriptors with plain functions. Opened and closed by the server.

    Who registers a descriptor unregisters it before closing it.
    """

    carry_out_together: Callable[[list[Any]], None] | None = None
    """Carries out what is to be carried out in a turn, if that is much. It may not raise."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._soon: deque[Callable[[], None]] = deque()
        self._work: deque[Stages] = deque()
        self._sends: deque[Stages] = deque()
        self.after_reading: Callable[[Stages], None] = self._work.append
        """Within a turn: have something carried out, once all that is ready was read."""
        self.before_waiting: Callable[[Stages], None] = self._sends.append
        """Within a turn: have something sent at its end, once all was carried out."""
        self.tasks: Tasks = NoTasks()
        """What is known of the tasks that serve the requests."""
        self._lingering = Lingering()
        self._kicked = False
        self._turning = False
        self._knock = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.register(self._knock, READ, self._knocked)
        self._loop = _running_asyncio_loop()

    def register(self, descriptor: int, events: int, handler: Handler) -> None:
        """Call ``handler(events)`` when the descriptor is ready."""
        self._handlers[descriptor] = handler
        self._epoll.register(descriptor, events)

    def modify(self, descriptor: int, events: int) -> None:
        """Change what a descriptor waits for; 0 leaves only `GONE`."""
        self._epoll.modify(descriptor, events)

    def unregister(self, descriptor: int) -> None:
        """Forget a descriptor."""
        if self._handlers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def call_soon(self, function: Callable[[], None]) -> None:
        """Call a function in the next turn, after those that are ready now."""
        self._soon.append(function)
        if not self._kicked and not self._turning:
            self._kick()

    @property
    def soon_is_cheap(self) -> bool:
        """Whether `call_soon` costs little, and comes after the steps of tasks woken before it."""
        return self._loop is not None

    def _kick(self) -> None:
        self._kicked = True
        if self._loop is not None:
            self._loop.call_soon(self._run_soon)
        else:
            os.eventfd_write(self._knock, 1)

    def _run_soon(self) -> None:
        self._kicked = False
        soon, self._soon = self._soon, deque()
        for function in soon:
            function()
        self._finish_turn()

    def _finish_turn(self) -> int:
        """The later two stages; how many got all their replies."""
        answered = 0
        work, sends = self._work, self._sends
        if len(work) >= _MUCH and self.carry_out_together is not None:
            much = list(work)
            work.clear()
            self.carry_out_together(much)
        while work or sends:
            try:
                while work:
                    current = work.popleft()
                    current.carry_out()
                while sends:
                    current = sends.popleft()
                    answered += current.send()
            except Exception:  # noqa: BLE001 - costs one client, and nobody else the daemon
                current.failed()
        return answered

    def _turn(self) -> None:
        """Serve what is ready now, and, if that is little, who asks again at once."""
        tasks = self.tasks
        until = perf_counter() + (_LONGEST if tasks.running else _LONGEST_AT_REST)
        started = tasks.started
        found = self._find()
        answered = self._serve(found)
        # A task needs the loop: one that owes a reply, and one that is to take its first step.
        while (
            0 < len(found) == answered <= _FEW
            and not self._kicked
            and tasks.started == started
            and perf_counter() < until
        ):
            if not self._lingering.is_due or not (found := self._lingering.look(self._find)):
                return
            answered = self._serve(found)

    def _find(self) -> list[tuple[int, int]]:
        return self._epoll.poll(0, _AT_ONCE)

    def _serve(self, found: list[tuple[int, int]]) -> int:
        """Serve what was found; how many got all their replies."""
        find = self._handlers.get
        # All handlers are found first: one of them may close a descriptor, and
        # another open a new one under the same number.
        ready = [(find(number), events) for number, events in found]
        self._turning = True
        try:
            for handler, events in ready:
                if handler is not None:
                    handler(events)
            return self._finish_turn()
        finally:
            self._turning = False
            if (self._soon or self._work or self._sends) and not self._kicked:
                self._kick()

    def _knocked(self, events: int) -> None:
        os.eventfd_read(self._knock)
        self._run_soon()

    async def run(self) -> None:
        """Serve until cancelled."""
        if self._loop is None:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                self._turn()
        try:
            self._loop.add_reader(self._epoll, self._turn)
            await anyio.sleep_forever()
        finally:
            # Typed as giving a bool, but uvloop gives None, and compiled code looks.
            remove_reader: Callable[[Any], object] = self._loop.remove_reader
            remove_reader(self._epoll)

    def close(self) -> None:
        """Let go of the epoll; the registered descriptors are their owners' to close."""
        self._epoll.close()
        os.close(self._knock)


def _running_asyncio_loop() -> asyncio.AbstractEventLoop | None:
    return asyncio.get_running_loop() if sniffio.current_async_library() == "asyncio" else None
