"""Drivers as the run sees them: in a thread of this process, or in processes of their own."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import anyio
import anyio.from_thread
import anyio.to_thread
import msgspec
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from nspd.model.errors import NetworkDown
from nspd.race.driver import Driver, Outcome, Progress
from nspd.race.plan import Plan, Share
from nspd.race.process import STOP, Assignment, Told, command
from nspd.race.scenario import Scenario

_LONGEST_LINE = 64 * 1024 * 1024
_END_WITHIN = 5.0

Tell = Callable[[Progress], None]


class DriverHandle(Protocol):
    """A driver, wherever it runs."""

    async def run(self, share: Share, tell: Tell) -> Outcome:
        """Run one share to its end."""

    async def stop(self) -> None:
        """Have it begin no more lookups."""


class _InThread:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def run(self, share: Share, tell: Tell) -> Outcome:
        self._driver.progress = lambda progress: anyio.from_thread.run_sync(tell, progress)
        return await anyio.to_thread.run_sync(self._driver.run, share)

    async def stop(self) -> None:
        self._driver.stopping = True


class _InProcess:
    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._lines = BufferedByteReceiveStream(process.stdout)

    async def send(self, value: msgspec.Struct) -> None:
        """Send one line.

        Raises:
            NetworkDown: the process has ended.
        """
        try:
            await self._stdin.send(msgspec.json.encode(value) + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._died()

    async def run(self, share: Share, tell: Tell) -> Outcome:
        await self.send(share)
        while True:
            try:
                line = await self._lines.receive_until(b"\n", _LONGEST_LINE)
            except (anyio.IncompleteRead, anyio.EndOfStream):
                await self._died()
            told = msgspec.json.decode(line, type=Told)
            if told.progress is not None:
                tell(told.progress)
            if told.outcome is not None:
                return told.outcome

    async def stop(self) -> None:
        # It may just have ended, and then has stopped.
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._stdin.send(STOP)

    async def _died(self) -> None:
        status = await self._process.wait()
        raise NetworkDown(f"a driver process ended with exit {status}")


@asynccontextmanager
async def in_thread(
    plan: Plan, scenarios: Mapping[str, Scenario]
) -> AsyncIterator[list[DriverHandle]]:
    """One driver in a thread of this process; its history is the run's.

    Raises:
        OSError: the history cannot be written.
    """
    driver = Driver(plan, 0, scenarios, plan.history)
    try:
        yield [_InThread(driver)]
    finally:
        driver.close()


@asynccontextmanager
async def in_processes(plan: Plan, parts: list[Path]) -> AsyncIterator[list[DriverHandle]]:
    """The plan's driver processes, which end with the context.

    Args:
        plan: the run.
        parts: a file for the history of each, or nothing.
    """
    processes: list[Process] = []
    try:
        handles = []
        for number in range(min(plan.processes, plan.clients)):
            # In a session of its own: an interrupt from the keyboard is for the command alone.
            process = await anyio.open_process(
                command(), stdin=subprocess.PIPE, stderr=None, start_new_session=True
            )
            processes.append(process)
            handle = _InProcess(process)
            history = str(parts[number]) if parts else None
            await handle.send(Assignment(plan, number, history))
            handles.append(handle)
        yield [*handles]
    finally:
        with anyio.CancelScope(shield=True):
            for process in processes:
                await _end(process)


async def _end(process: Process) -> None:
    assert process.stdin is not None
    await process.stdin.aclose()
    with anyio.move_on_after(_END_WITHIN):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
    await process.aclose()
