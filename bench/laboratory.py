"""What the race laboratory has to show beyond single promises, measured on a daemon of its own.

    python -m bench.laboratory [--backend asyncio|trio|both] [--only LINE,…] [--json FILE]

`waiting`: the time from End to 10111 with 10,000 other lookups waiting, against 10.
`bad`: the same beside providers of each bad kind, against without. Both are ratios of
the 99th percentile, from rounds that alternate, with `nspctl race --scenario mixed`
loading the daemon all the while. `grace`: End's reply when the work does not stop.
`million`: lookups begun and ended. `killed`: clients killed in mid-lookup. Docs/race.md
has the targets, and figures.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from bench import servers
from bench.environment import environment
from bench.jsonrpc import Connection, UnexpectedReply
from bench.processes import ROOT, NotAvailable, cpu_seconds, python, resident_bytes
from nspd.model.errors import WSA_E_CANCELLED, WSAENOBUFS
from nspd.race import victims
from nspd.race.connection import connect
from nspd.race.histogram import Histogram
from nspd.race.loop import Loop
from nspd.race.messages import BEGIN, END, NEXT, STARTUP
from nspd.race.scenario import handle_of

TARGETS = {
    "waiting_ratio": 1.5,
    "bad_ratio": 2.0,
    "end_reply_longest_ms": 150.0,
    "loaded_end_reply_longest_ms": 150.0,
    "detached_left": 1.0,
    "idle_cpu_share": 0.05,
    "million_grown_mb": 5.0,
    "million_left": 1.0,
    "killed_ms": 100.0,
    "killed_left": 1.0,
    "errors_logged": 1.0,
}
"""Each figure has to stay below its target."""

LINES = ("waiting", "bad", "grace", "million", "killed")

_MANY, _FEW = 10_000, 10
_ROUNDS = 4
_LOAD_CLIENTS = 64
_LEAST = 100_000  # lookups after which memory is first looked at
_AT_ONCE = 1_000  # lookups open at once
_GRACES = 30
_PATIENCE = 120.0
_WARM_UP, _REST, _POLL = 2.0, 2.0, 0.02
_HANGING = {"namespace": 65537, "query_string": "records=0&hang=1"}

Figures = dict[str, float]
Condition = Callable[[], AbstractContextManager[object]]


class Probe:
    """One client that begins a lookup, waits on it and ends it, again and again."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def samples(self, number: int) -> Histogram:
        """From sending so many Ends to the 10111 of the call that waits, one at a time."""
        loop = Loop()
        return loop.run(self._samples(loop, number), _PATIENCE)

    async def _samples(self, loop: Loop, number: int) -> Histogram:
        found = Histogram()
        connection = await connect(loop, self._path, 1, lambda *_: None)
        await connection.call(STARTUP)
        for _ in range(number):
            begun = await connection.call(BEGIN, restrictions=_HANGING)
            while begun.code == WSAENOBUFS:
                # On a starved machine the last 10,000 may be detached for a moment.
                await loop.sleep(_POLL)
                begun = await connection.call(BEGIN, restrictions=_HANGING)
            handle = handle_of(begun)
            [waiting] = connection.send((NEXT, {"lookup": handle}))
            # Sent behind it: once this is answered, the call waits.
            await connection.call("$/cancelRequest", id=0)
            [end] = connection.send((END, {"lookup": handle}))
            cancelled, ended = await connection.reply(waiting), await connection.reply(end)
            if cancelled.code != WSA_E_CANCELLED or ended.code is not None:
                raise UnexpectedReply(f"{cancelled}, {ended}")
            found.record(cancelled.received - ended.asked)
        connection.close()
        return found


def compared(
    path: Path, plain: Condition, other: Condition, samples: int
) -> tuple[Histogram, Histogram]:
    """So many samples under each of two conditions, in rounds that alternate."""
    found = Histogram(), Histogram()
    for _ in range(_ROUNDS):
        for histogram, condition in zip(found, (plain, other), strict=True):
            with condition():
                histogram.add(Probe(path).samples(samples // _ROUNDS))
    return found


@contextmanager
def waiting(path: Path, lookups: int) -> Iterator[None]:
    """So many lookups of another client wait."""
    with Connection(path) as connection:
        connection.call("NSPv2Startup")
        opened = connection.open_waiting(lookups)
        connection.call("nspd.Status")  # behind them: once it is answered, they all wait
        yield
        connection.end_waiting(opened)


@contextmanager
def nuisance(path: Path) -> Iterator[None]:
    """Another process keeps lookups of all bad kinds under way."""
    command = python("bench.nuisance", str(path))
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None or process.stdout.readline() != b"ready\n":
                raise NotAvailable("the process that was to be a nuisance ended itself")
            yield
        finally:
            process.kill()


@contextmanager
def mixed_load(path: Path) -> Iterator[None]:
    """``nspctl race --scenario mixed`` loads the daemon, and must find nothing wrong."""
    command = python("nspd.cli.nspctl", "race", "-j", "--socket", str(path))
    command += ["--scenario", "mixed", "--clients", str(_LOAD_CLIENTS), "--duration", "1h"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            time.sleep(_WARM_UP)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=_PATIENCE)
    report = json.loads(output)
    if report["violations"]:
        raise UnexpectedReply(f"the load found {report['violations'][0]}")
    print(f"  load: {report['judged']} replies judged, no violation; CPU {report['cpu']}")


def census(path: Path) -> dict[str, int]:
    """What the daemon holds now."""
    with Connection(path) as connection:
        found: dict[str, int] = connection.call("nspd.Status")["census"]
    return found


def left_over(path: Path, before: dict[str, int]) -> int:
    """How much of anything there is more than before, once it is back, or at the latest."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        more = sum(max(count - before[name], 0) for name, count in census(path).items())
        if not more or time.monotonic() > deadline:
            return more
        time.sleep(_POLL)


def measure_ratio(
    path: Path, name: str, plain: Condition, other: Condition, samples: int
) -> Figures:
    """A line that compares two conditions, under load and without."""
    figures: Figures = {}
    for load, context in (("", mixed_load), ("quiet_", lambda _path: nullcontext())):
        with context(path):
            first, second = compared(path, plain, other, samples)
        figures |= {
            f"{name}_{load}plain_p99_ms": first.quantile(0.99) * 1e3,
            f"{name}_{load}p99_ms": second.quantile(0.99) * 1e3,
            f"{name}_{load}ratio": second.quantile(0.99) / first.quantile(0.99),
        }
    return figures


def measure_waiting(path: Path, samples: int) -> Figures:
    """10,000 lookups that wait, against 10."""
    few, many = lambda: waiting(path, _FEW), lambda: waiting(path, _MANY)
    return measure_ratio(path, "waiting", few, many, samples)


def measure_bad(path: Path, pid: int, samples: int) -> Figures:
    """Providers of each bad kind, against none; then rest."""
    before = census(path)
    figures = measure_ratio(path, "bad", nullcontext, lambda: nuisance(path), samples)
    figures["detached_left"] = left_over(path, before)
    spent, since = cpu_seconds(pid), time.monotonic()
    time.sleep(_REST)
    figures["idle_cpu_share"] = (cpu_seconds(pid) - spent) / (time.monotonic() - since)
    return figures


def measure_grace(path: Path) -> Figures:
    """End of work that goes on: alone, then under the load and beside bad providers."""
    figures = end_stubborn(path, "")
    with mixed_load(path), nuisance(path):
        figures |= end_stubborn(path, "loaded_")
    deadline = time.monotonic() + _PATIENCE
    while (left := census(path)["detached"]) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return figures | {"detached_left": left}


def end_stubborn(path: Path, name: str) -> Figures:
    """The longest that the reply to End took, and how much was detached at most."""
    longest, most = 0.0, 0
    with Connection(path) as client:
        client.call("NSPv2Startup")
        restrictions = {"namespace": 65537, "query_string": "records=1&hang=1&stubborn=0.5"}
        for _ in range(_GRACES):
            handle = client.call("NSPv2LookupServiceBegin", {"restrictions": restrictions})[
                "lookup"
            ]
            client.call("NSPv2LookupServiceNextEx", {"lookup": handle})
            before = time.perf_counter()
            ending = client.call("NSPv2LookupServiceEnd", {"lookup": handle})
            longest = max(longest, time.perf_counter() - before)
            if ending["work"] != "detached":
                raise UnexpectedReply(f"stubborn work: {ending}")
            most = max(most, client.call("nspd.Status")["census"]["detached"])
    return {f"{name}end_reply_longest_ms": longest * 1e3, f"{name}detached_most": most}


def measure_million(path: Path, pid: int, lookups: int) -> Figures:
    """Lookups begun, waited on and ended; memory after the first 100,000 and after all."""
    before = census(path)
    with Connection(path) as client:
        client.call("NSPv2Startup")
        grown = 0
        for start in range(0, lookups, _AT_ONCE):
            if start == _LEAST:
                grown = resident_bytes(pid)
            client.end_waiting(client.open_waiting(min(_AT_ONCE, lookups - start)))
        figures = {"million_grown_mb": (resident_bytes(pid) - grown) / 1e6}
    return {"million_lookups": lookups, **figures, "million_left": left_over(path, before)}


def _dead(pid: int) -> bool:
    """Whether it has ended and only waits to be counted: its sockets are closed."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _more(control: Connection, before: dict[str, int], *names: str) -> bool:
    now = control.call("nspd.Status")["census"]
    return any(now[name] > before[name] for name in names)


def measure_killed(path: Path, clients: int, log: Path) -> Figures:
    """Client processes killed in mid-lookup, all at once."""
    before = census(path)
    with victims.start(str(path)) as host:
        assert host.stdin is not None
        assert host.stdout is not None
        host.stdin.write(f"{clients} 1\n".encode())
        host.stdin.flush()
        pids = [json.loads(host.stdout.readline())["pid"] for _ in range(clients)]
        with Connection(path) as control:
            full = control.call("nspd.Status")["census"]
            if full["lookups"] - before["lookups"] != clients:
                raise UnexpectedReply(f"{clients} clients, census {full}")
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            for pid in pids:
                while not _dead(pid):
                    time.sleep(0)
            killed = time.perf_counter()
            deadline = killed + _PATIENCE
            while any(
                control.call("nspd.Status")["census"][name] > before[name] + (name == "connections")
                for name in (
                    "sessions",
                    "lookups",
                    "waiting_calls",
                    "provider_tasks",
                    "connections",
                )
            ):
                if time.perf_counter() > deadline:
                    raise TimeoutError("the dead clients' lookups stay")
            back = time.perf_counter() - killed
        host.stdin.close()
    return {
        "killed_clients": clients,
        "killed_ms": back * 1e3,
        "killed_left": left_over(path, before),
        "errors_logged": len(log.read_bytes().splitlines()),
    }


def measure(loop: str, directory: Path, arguments: argparse.Namespace) -> Figures:
    """The lines asked for, of one event loop, from a daemon of its own."""
    figures: Figures = {}
    hosts = servers.write_hosts(directory)
    with servers.nspd(loop, hosts, directory) as (path, pid):
        for line in arguments.only:
            match line:
                case "waiting":
                    found = measure_waiting(path, arguments.samples)
                case "bad":
                    found = measure_bad(path, pid, arguments.samples)
                case "grace":
                    found = measure_grace(path)
                case "million":
                    found = measure_million(path, pid, arguments.lookups)
                case _:
                    log = directory / f"nspd-{loop}.log"
                    found = measure_killed(path, arguments.clients, log)
            show(loop, found)
            figures |= found
    return figures


def show(loop: str, figures: Figures) -> None:
    """Print the figures of one event loop, each with its target if it has one."""
    for name, figure in figures.items():
        target = TARGETS.get(name)
        verdict = "" if target is None else f"  (under {target:g}: {figure < target})"
        print(f"{loop:8}{name:28}{figure:12.3f}{verdict}", flush=True)


def _lines(text: str) -> list[str]:
    lines = text.split(",")
    unknown = set(lines) - set(LINES)
    if unknown:
        raise argparse.ArgumentTypeError(f"no line {', '.join(unknown)}; there are {LINES}")
    return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.laboratory", description="What the race laboratory has to show."
    )
    parser.add_argument("--backend", choices=("asyncio", "trio", "both"), default="both")
    parser.add_argument("--only", type=_lines, default=list(LINES), metavar="LINE,…")
    parser.add_argument("--samples", type=int, default=1_000, help="of `waiting`, `bad`, each side")
    parser.add_argument("--lookups", type=int, default=1_000_000, help="of `million`")
    parser.add_argument("--clients", type=int, default=1_000, help="of `killed`")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    return parser.parse_args()


def main() -> None:
    """Measure and report, as the command line says."""
    arguments = _arguments()
    figures: dict[str, Any] = {}
    for loop in servers.LOOPS_OF[arguments.backend]:
        try:
            with tempfile.TemporaryDirectory(prefix="nspd-bench-") as directory:
                figures[loop] = measure(loop, Path(directory), arguments)
        except (NotAvailable, UnexpectedReply, TimeoutError) as error:
            raise SystemExit(str(error)) from None
    if arguments.json:
        document = {"environment": environment(), "loops": figures}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
