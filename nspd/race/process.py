"""Drivers in processes of their own: what they are told, and what they tell.

Lines of JSON. On its standard input a driver gets an `Assignment`, then a `Share`
at a time; ``{"stop": true}`` has it begin no more lookups, and the end of the
input ends it. On its standard output it tells its `Progress` now and then, and
after each share its `Outcome`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque

import msgspec
from msgspec import Struct

from nspd.race.driver import Driver, Outcome, Progress
from nspd.race.loop import GONE, IN, Loop
from nspd.race.plan import Plan, Share
from nspd.race.scenario_file import all_scenarios

STOP = b'{"stop":true}\n'


class Assignment(Struct, frozen=True):
    """What a driver is told first."""

    plan: Plan
    number: int
    history: str | None
    """Where its own history goes."""


class Told(Struct, frozen=True, omit_defaults=True):
    """What a driver tells: one of the two."""

    progress: Progress | None = None
    outcome: Outcome | None = None


def command() -> list[str]:
    """How a driver is started."""
    return [sys.executable, "-m", "nspd.race.process"]


class _Input:
    """Standard input, read while a share is under way and in between."""

    def __init__(self) -> None:
        self._rest = b""
        self.lines: deque[bytes] = deque()
        self.over = False
        self.stopped = False
        """It may have come before there is a driver to tell."""
        self.driver: Driver | None = None

    def read(self) -> None:
        """Read once, waiting if nothing is there."""
        chunk = os.read(0, 65_536)
        self.over = not chunk
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if line + b"\n" == STOP:
                self._stop()
            else:
                self.lines.append(line)
        if self.over:
            self._stop()

    def line(self) -> bytes | None:
        """The next line, or None at the end."""
        while not self.lines and not self.over:
            self.read()
        return self.lines.popleft() if self.lines else None

    def watched_by(self, loop: Loop) -> None:
        """Have a loop read it, until it is over."""

        def ready(_events: int) -> None:
            self.read()
            if self.over:
                loop.unwatch(0)

        if not self.over:
            loop.watch(0, IN | GONE, ready)

    def _stop(self) -> None:
        self.stopped = True
        if self.driver is not None:
            self.driver.stopping = True


def _tell(told: Told) -> None:
    data = msgspec.json.encode(told) + b"\n"
    while data:
        data = data[os.write(1, data) :]


def main() -> None:
    """Be a driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source = _Input()
    first = source.line()
    if first is None:
        return
    assignment = msgspec.json.decode(first, type=Assignment)
    scenarios = all_scenarios(assignment.plan.scenario_files)
    driver = source.driver = Driver(
        assignment.plan,
        assignment.number,
        scenarios,
        assignment.history,
        lambda progress: _tell(Told(progress=progress)),
    )
    driver.stopping = source.stopped
    try:
        while (line := source.line()) is not None:
            loop = Loop()
            source.watched_by(loop)
            outcome = driver.run(msgspec.json.decode(line, type=Share), loop)
            _tell(Told(outcome=outcome))
    except BrokenPipeError:
        # Whoever started this has gone, and nobody is left to tell.
        return
    finally:
        driver.close()


if __name__ == "__main__":
    main()
