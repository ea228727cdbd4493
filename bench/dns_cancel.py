"""How soon the sockets of cancelled DNS lookups are closed.

    python -m bench.dns_cancel [--lookups N] [--rounds N]
                               [--backend asyncio|trio|both] [--json FILE]

A daemon has so many lookups in flight at a DNS server that never answers, each with
a question for either address family, so with two sockets. They are cancelled in one
of two ways: `ends`, the client sends an End for each in one go; `gone`, it hangs up.
Measured is the time until the daemon has as many descriptors as before. For how much
of it the daemon was ready to run and the kernel ran something else is shown too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import compiled, servers
from bench.environment import environment
from bench.jsonrpc import Connection, UnexpectedReply
from bench.many import dead_server, waited
from bench.processes import NotAvailable, pin_self

TARGET_MS = 100.0
"""Within this time the sockets are to be closed, without the time spent waiting to run."""

WAYS = ("ends", "gone")

_SOCKETS = 2  # of one lookup
_PATIENCE = 60.0
_LOOK_EVERY = 0.001
_REST = 0.3


class Sample(NamedTuple):
    """One round, in seconds."""

    took: float
    """From sending the first End, or hanging up, until the last socket was closed."""
    waited: float
    """For so much of it the daemon was ready and had no processor."""


def descriptors(pid: int) -> int:
    """How many a process has open."""
    directory = f"/proc/{pid}/fd"
    # Linux says so without listing them since 6.2; before, the size is always 0.
    return os.stat(directory).st_size or len(os.listdir(directory))


def wait_until(pid: int, enough: Callable[[int], bool]) -> None:
    """Return when a process has enough descriptors, or few enough.

    Raises:
        TimeoutError: it does not come to that.
    """
    deadline = time.monotonic() + _PATIENCE
    while not enough(number := descriptors(pid)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the daemon still has {number} descriptors")
        time.sleep(_LOOK_EVERY)


def measure(path: Path, pid: int, way: str, lookups: int, turn: int) -> Sample:
    """Cancel so many lookups once; no two may be of the same turn."""
    with Connection(path) as client:
        client.call("NSPv2Startup")
        before = descriptors(pid)
        ids = client.send(
            (
                "NSPv2LookupServiceBegin",
                {
                    "restrictions": {
                        "service_instance_name": f"n{turn}x{each}.example",
                        "namespace": 12,
                    }
                },
            )
            for each in range(lookups)
        )
        handles = [reply["result"]["lookup"] for reply in client.receive(len(ids))]
        full = before + _SOCKETS * lookups
        wait_until(pid, lambda number: number >= full)
        time.sleep(_REST)  # until the last of them has asked, and the daemon is idle
        late, began = waited(pid), time.perf_counter()
        if way == "ends":
            ends = client.send(("NSPv2LookupServiceEnd", {"lookup": each}) for each in handles)
            wait_until(pid, lambda number: number <= before)
            sample = Sample(time.perf_counter() - began, waited(pid) - late)
            for reply in client.receive(len(ends)):
                if reply["result"]["work"] == "none":
                    raise UnexpectedReply(f"nothing was cancelled: {reply}")
    if way == "gone":
        wait_until(pid, lambda number: number < before)
        sample = Sample(time.perf_counter() - began, waited(pid) - late)
    return sample


def measure_all(loop: str, directory: Path, lookups: int, rounds: int) -> dict[str, list[Sample]]:
    """Rounds of both ways, in turns, at one daemon; the first round of each warms up."""
    samples: dict[str, list[Sample]] = {way: [] for way in WAYS}
    with dead_server() as server:
        providers = f'[[provider]]\nkind = "dns"\nservers = ["{server}"]\ntimeout = "60s"\n'
        with servers.daemon(loop, providers, directory) as (path, pid):
            for number in range(rounds + 1):
                for way in WAYS:
                    sample = measure(path, pid, way, lookups, number * len(WAYS) + WAYS.index(way))
                    if number:
                        samples[way].append(sample)
    return samples


def row(loop: str, way: str, samples: list[Sample]) -> tuple[str, bool]:
    """One line of the table, and whether the target is met."""
    took = sorted((each.took - each.waited) * 1e3 for each in samples)
    whole = median(each.took for each in samples) * 1e3
    met = median(took) <= TARGET_MS
    text = f"{loop:8}{way:6}{median(took):8.0f}{took[0]:8.0f}{took[-1]:8.0f}{whole:10.0f}"
    return f"{text}   {'met' if met else 'missed'}", met


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.dns_cancel",
        description="How soon the sockets of cancelled DNS lookups are closed.",
    )
    parser.add_argument("--lookups", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--backend", choices=tuple(servers.LOOPS_OF), default="both")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the samples here")
    compiled.add_option(parser)
    return parser.parse_args()


def main() -> None:
    """Measure and report, as the command line says; exits with 1 if a target is missed."""
    arguments = _arguments()
    compiled.choose(arguments.build)
    pin_self()
    found: dict[str, dict[str, list[Sample]]] = {}
    try:
        with contextlib.ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nspd-bench-")))
            for loop in servers.LOOPS_OF[arguments.backend]:
                found[loop] = measure_all(loop, directory, arguments.lookups, arguments.rounds)
    except (NotAvailable, UnexpectedReply, TimeoutError) as error:
        raise SystemExit(str(error)) from None
    print(f"{arguments.lookups} lookups, {_SOCKETS * arguments.lookups} sockets, milliseconds")
    print("loop    way     median     min     max   + waits")
    verdicts = []
    for loop, ways in found.items():
        for way, samples in ways.items():
            text, met = row(loop, way, samples)
            print(text)
            verdicts.append(met)
    if arguments.json:
        document = {"environment": environment(), "seconds": found}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    sys.exit(0 if all(verdicts) else 1)


if __name__ == "__main__":
    main()
