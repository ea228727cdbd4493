"""Compare nspd with its peers and print the table of ratios.

    python -m bench.run [--seconds S] [--rounds N] [--backend asyncio|trio|both]
                        [--only KEY,...] [--build compiled|checkout] [--json FILE]

All servers are up at once and idle but for the one measured; every round measures
each of them once, so that a machine that slows down slows them all.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from bench import compiled, processes, resolved, servers
from bench.environment import environment, nspd_version
from bench.processes import LoadFailed, NotAvailable, build_load, client, cpu_seconds, python
from bench.report import Figures, Line, Measure, details, results, table

_WARM_UP = 0.3
_MAY_BE_MISSING = ("systemd-resolved", "grpc.aio")


def lines_of(loop: str) -> list[Line]:
    """The lines for nspd on one event loop; the peers without a choice of loop join uvloop's."""
    lookup = Measure(f"nspd/{loop}", "lookup")
    whole = Measure(f"nspd/{loop}", "whole")
    race = Measure(f"nspd/{loop}", "race")
    idle = Measure(f"nspd/{loop}", "lookup", 1)
    request = Measure(f"bare/{loop}", "lookup")
    idle_request = Measure(f"bare/{loop}", "lookup", 1)
    lines = [
        Line("lookup", f"{loop}: lookup to bare request", lookup, request, 0.5),
        Line("whole", f"{loop}: whole lookup to bare request", whole, request, 0.2),
        Line("race", f"{loop}: cancel race to bare request", race, request, 0.11),
        Line("idle", f"{loop}: idle round trip to bare", idle, idle_request, 0.8),
    ]
    if loop == "uvloop":
        resolve = Measure("systemd-resolved", "varlink")
        cancel = Measure("grpc.aio", "cancel")
        lines += [
            Line("resolved", f"{loop}: lookup to systemd-resolved's", lookup, resolve, 4),
            Line("grpc", f"{loop}: cancel race to grpc.aio cancel", race, cancel, 4),
        ]
    return lines


class UnderTest(Protocol):
    """The servers that some lines need."""

    missing: dict[str, str]
    """Why a server could not be started, by its name."""

    def start(self, name: str) -> None:
        """Start the server of that name unless it runs."""

    def measure(self, measure: Measure, seconds: float) -> Figures:
        """Load one server once."""


class Servers:
    """The servers under test; opened on demand, closed together by the stack they live in."""

    def __init__(self, stack: contextlib.ExitStack, directory: Path) -> None:
        self.missing: dict[str, str] = {}
        self._stack = stack
        self._directory = directory
        self._hosts = servers.write_hosts(directory)
        self._running: dict[str, tuple[Path, int]] = {}

    def start(self, name: str) -> None:
        """Start the server of that name unless it runs; a peer that cannot is ``missing``."""
        if name in self._running or name in self.missing:
            return
        try:
            self._running[name] = self._stack.enter_context(self._opener(name)())
        except NotAvailable as error:
            if name not in _MAY_BE_MISSING:
                raise
            self.missing[name] = str(error)

    def _opener(self, name: str) -> Callable[[], AbstractContextManager[tuple[Path, int]]]:
        kind, _, loop = name.partition("/")
        if kind == "nspd":
            return lambda: servers.nspd(loop, self._hosts, self._directory)
        if kind == "bare":
            # Every line names nspd first, so it runs by now and can be asked.
            reply = servers.reply_of(self._running[f"nspd/{loop}"][0])
            return lambda: servers.bare(loop, reply, self._directory)
        if kind == "grpc.aio":
            return lambda: servers.grpc(self._directory)
        return lambda: resolved.resolved(self._hosts, self._directory)

    def measure(self, measure: Measure, seconds: float) -> Figures:
        """Load one server once."""
        path, pid = self._running[measure.server]
        connections = str(measure.connections)
        timing = (str(seconds), str(_WARM_UP))
        command = [str(build_load()), str(path), measure.scenario, "-n", servers.NAME]
        command += ["-c", connections, "-s", timing[0], "-w", timing[1]]
        if measure.server == "grpc.aio":
            load = ("load", str(path), measure.scenario, connections, *timing)
            command = python("bench.grpc_peer", *load)
        before = cpu_seconds(pid)
        figures: Figures = json.loads(client(command, seconds + 30))
        # At least one tick of the kernel's clock: nothing is free, and ratios divide by it.
        spent = max(cpu_seconds(pid) - before, processes.TICK)
        figures["server_cpu"] = spent / (seconds + _WARM_UP)
        return figures


def measure_all(
    lines: Sequence[Line],
    directory: Path,
    seconds: float,
    rounds: int,
    make: Callable[[contextlib.ExitStack, Path], UnderTest] = Servers,
) -> tuple[dict[Measure, list[Figures]], dict[str, str]]:
    """Every measure that the lines need, a run in each round; and who is missing, and why."""
    wanted = list(dict.fromkeys(m for line in lines for m in (line.subject, line.reference)))
    with contextlib.ExitStack() as stack:
        under_test = make(stack, directory)
        for measure in wanted:
            under_test.start(measure.server)
        figures: dict[Measure, list[Figures]] = {
            measure: [] for measure in wanted if measure.server not in under_test.missing
        }
        for number in range(1, rounds + 1):
            for measure, runs in figures.items():
                print(f"round {number}/{rounds}: {measure}", file=sys.stderr)
                runs.append(under_test.measure(measure, seconds))
        return figures, under_test.missing


def _arguments() -> argparse.Namespace:
    keys = ", ".join(line.key for line in lines_of("uvloop"))
    parser = argparse.ArgumentParser(
        prog="python -m bench.run", description="Compare nspd with its peers."
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="for each run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="runs of each measure (%(default)s)")
    parser.add_argument("--backend", choices=("asyncio", "trio", "both"), default="both")
    parser.add_argument(
        "--only", metavar="KEYS", help="lines to measure, with commas between: " + keys
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured here")
    compiled.add_option(parser)
    return parser.parse_args()


def main() -> None:
    """Measure and report, as the command line says."""
    arguments = _arguments()
    compiled.choose(arguments.build)
    loops = servers.LOOPS_OF[arguments.backend]
    lines = [line for loop in loops for line in lines_of(loop)]
    if arguments.only:
        keys = set(arguments.only.split(","))
        unknown = keys - {line.key for line in lines}
        if unknown:
            raise SystemExit(f"no such line: {', '.join(sorted(unknown))}")
        lines = [line for line in lines if line.key in keys]
    try:
        with tempfile.TemporaryDirectory(prefix="nspd-bench-") as name:
            figures, missing = measure_all(lines, Path(name), arguments.seconds, arguments.rounds)
    except (NotAvailable, LoadFailed) as error:
        raise SystemExit(str(error)) from None
    entries = results(lines, figures, missing)
    print(f"nspd {nspd_version()}", table(entries), "", details(figures), sep="\n")
    if arguments.json:
        document = {
            "environment": environment(),
            "seconds": arguments.seconds,
            "rounds": arguments.rounds,
            "lines": entries,
            "measures": {str(measure): runs for measure, runs in figures.items()},
        }
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
