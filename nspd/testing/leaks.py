"""What a process holds at a moment: tasks of the event loop, file descriptors, threads."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import sniffio
import trio

from nspd.testing.bench import eventually
from nspd.testing.violation import require

_DESCRIPTORS = Path("/proc/self/fd")
_POOLED = ("nspd-worker", "AnyIO worker", "Trio thread")
"""Threads of pools, which stay for a while when they have nothing to do."""


class Holdings:
    """A note of what is held, to be compared with what is held later."""

    def __init__(self) -> None:
        """Take note, within a running event loop."""
        self._tasks = {id(task) for task, _ in _tasks()}
        self._descriptors = _descriptors()
        self._threads = set(threading.enumerate())

    def new(self) -> list[str]:
        """What there is more of, in words."""
        tasks = [f"the task {name}" for task, name in _tasks() if id(task) not in self._tasks]
        later = _descriptors()
        descriptors = [
            f"the file descriptor {number} ({target})"
            for number, target in later.items()
            if self._descriptors.get(number) != target
        ]
        threads = [
            f"the thread {thread.name}"
            for thread in set(threading.enumerate()) - self._threads
            if not thread.name.startswith(_POOLED)
        ]
        return tasks + descriptors + threads

    async def must_be_back(self, after: str, within: float) -> None:
        """Wait until nothing more is held.

        Args:
            after: what is over, in words.
            within: seconds.

        Raises:
            ContractViolation: something is left; it is named.
        """
        await eventually(lambda: not self.new(), within)
        left = self.new()
        require(not left, f"{after} it leaves {', '.join(left)} behind")


def _tasks() -> Iterator[tuple[object, str]]:
    """The tasks of the running loop, with their names."""
    if sniffio.current_async_library() == "trio":
        root = trio.lowlevel.current_root_task()
        assert root is not None
        nurseries = list(root.child_nurseries)
        while nurseries:
            for task in nurseries.pop().child_tasks:
                nurseries += task.child_nurseries
                yield task, task.name
    else:
        for running in asyncio.all_tasks():
            yield running, running.get_name()


def _descriptors() -> dict[str, str]:
    """The open file descriptors and what they are; empty where the system does not tell."""
    found = {}
    if _DESCRIPTORS.exists():
        for name in os.listdir(_DESCRIPTORS):
            try:
                found[name] = os.readlink(_DESCRIPTORS / name)
            except OSError:  # that of the listing itself
                continue
    return found
