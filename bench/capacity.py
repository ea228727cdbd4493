"""What many open lookups cost, and what it costs others when their client dies.

    python -m bench.capacity [--lookups N] [--backend asyncio|trio|both]
                             [--build compiled|checkout] [--json FILE]

For each backend, in a fresh daemon: N hanging lookups with a waiting NextEx each;
memory for each of them; the daemon's CPU time for ending each, every 10111 before
its End's reply (the median of three times). Then N held by a client that is killed
(SIGKILL) while another asks for a name without a pause: the longest that one had to wait.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench import compiled, processes, servers
from bench.environment import environment, nspd_version
from bench.jsonrpc import Connection, UnexpectedReply
from bench.processes import LoadFailed, NotAvailable, cpu_seconds, python, resident_bytes

TARGETS = {"bytes_per_lookup": 8_000.0, "cpu_us_per_end": 40.0, "longest_wait_ms": 50.0}
"""Each figure has to stay below its target."""

_TIMES = 3  # that all are opened and ended; the median counts
_PATIENCE = 60.0  # seconds for a census to come true
_CALM = 1.0  # seconds of the same asking before the kill, for comparison


def wait_for_census(connection: Connection, **wanted: int) -> None:
    """Return once the daemon counts what is wanted.

    Raises:
        TimeoutError: it does not for a minute.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        census = connection.call("nspd.Status")["census"]
        if all(census[name] == count for name, count in wanted.items()):
            return
        time.sleep(0.02)
    raise TimeoutError(f"census {census}, wanted {wanted}")


def measure_ends(path: Path, pid: int, lookups: int) -> dict[str, float]:
    """Memory for each open lookup, the first time, and CPU time for each End."""
    with Connection(path) as observer, Connection(path) as client:
        client.call("NSPv2Startup")
        client.end_waiting(client.open_waiting(1))  # what only the first one loads is not counted
        wait_for_census(observer, lookups=0, provider_tasks=0)
        empty = resident_bytes(pid)
        full = 0
        spent = []
        for _ in range(_TIMES):
            opened = client.open_waiting(lookups)
            wait_for_census(observer, lookups=lookups, waiting_calls=lookups)
            full = full or resident_bytes(pid)
            before = cpu_seconds(pid)
            client.end_waiting(opened)
            wait_for_census(observer, lookups=0, waiting_calls=0, provider_tasks=0)
            spent.append(cpu_seconds(pid) - before)
    return {
        "bytes_per_lookup": (full - empty) / lookups,
        "cpu_us_per_end": median(spent) / lookups * 1e6,
    }


class Asker:
    """A client that keeps count of its longest round trip (``longest``, in seconds)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.longest = 0.0

    def _timed(self, method: str, params: dict[str, Any] | None = None) -> Any:
        before = time.perf_counter()
        result = self._connection.call(method, params)
        self.longest = max(self.longest, time.perf_counter() - before)
        return result

    def look_up(self) -> None:
        """Ask for a name in the hosts file."""
        restrictions = {"service_instance_name": servers.NAME, "namespace": 11}
        self._timed("nspd.Lookup", {"restrictions": restrictions})

    def sees_nothing_left(self) -> bool:
        """Ask whether every lookup and every provider's task is gone."""
        census = self._timed("nspd.Status")["census"]
        return not census["lookups"] and not census["provider_tasks"]


def measure_death(path: Path, lookups: int) -> dict[str, float]:
    """The longest that a client waits while another's lookups are run down."""
    command = python("bench.holder", str(path), str(lookups))
    with Connection(path) as connection, processes.background_client(command) as holder:
        if holder.stdout is None or holder.stdout.readline() != b"ready\n":
            raise LoadFailed("the client that was to hold the lookups ended itself")
        wait_for_census(connection, lookups=lookups, waiting_calls=lookups)
        gc.disable()  # our own pauses are not the daemon's
        calm = Asker(connection)
        calm_ends = time.perf_counter() + _CALM
        while time.perf_counter() < calm_ends:
            calm.look_up()
        asker = Asker(connection)
        killed = time.perf_counter()
        holder.kill()
        asker.look_up()
        while not asker.sees_nothing_left():
            asker.look_up()
            if time.perf_counter() - killed > _PATIENCE:
                raise TimeoutError("the dead client's lookups stay")
        swept = time.perf_counter() - killed
        gc.enable()
    return {
        "longest_wait_ms": asker.longest * 1e3,
        "calm_longest_wait_ms": calm.longest * 1e3,
        "swept_s": swept,
    }


def measure(loop: str, lookups: int, directory: Path) -> dict[str, float]:
    """All figures of one event loop, from a daemon of its own."""
    hosts = servers.write_hosts(directory)
    with servers.nspd(loop, hosts, directory) as (path, pid):
        return measure_ends(path, pid, lookups) | measure_death(path, lookups)


def show(loop: str, figures: dict[str, float]) -> None:
    """Print the figures of one event loop, each with its target if it has one."""
    for name, figure in figures.items():
        target = TARGETS.get(name)
        verdict = "" if target is None else f"  (under {target:g}: {figure < target})"
        print(f"{loop:8}{name:24}{figure:10.2f}{verdict}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.capacity", description="What many open lookups cost."
    )
    parser.add_argument("--lookups", type=int, default=100_000, help="how many (%(default)s)")
    parser.add_argument("--backend", choices=("asyncio", "trio", "both"), default="both")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    compiled.add_option(parser)
    return parser.parse_args()


def main() -> None:
    """Measure and report, as the command line says."""
    arguments = _arguments()
    compiled.choose(arguments.build)
    processes.pin_self()
    figures: dict[str, Any] = {}
    print(f"nspd {nspd_version()}")
    for loop in servers.LOOPS_OF[arguments.backend]:
        try:
            with tempfile.TemporaryDirectory(prefix="nspd-bench-") as directory:
                figures[loop] = measure(loop, arguments.lookups, Path(directory))
        except (NotAvailable, LoadFailed, UnexpectedReply) as error:
            raise SystemExit(str(error)) from None
        show(loop, figures[loop])
    if arguments.json:
        document = {"environment": environment(), "lookups": arguments.lookups, "loops": figures}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
