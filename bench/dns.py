"""Compare nspd's DNS lookups with those of its peers, all asking the same server.

    python -m bench.dns [--seconds S] [--rounds N] [--backend asyncio|trio|both]
                        [--only KEY,...] [--json FILE]

Uncached: every operation asks for a name that nobody has asked for, so the server
is asked for both its addresses. Cached: all ask for one name. Then 10,000 lookups
of one name are begun at once, and the questions that reach the server are counted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from bench import compiled, processes, resolved, servers
from bench.capacity import wait_for_census
from bench.dns_servers import ZONE, Counting, knot
from bench.environment import environment
from bench.jsonrpc import Connection, UnexpectedReply
from bench.processes import LoadFailed, NotAvailable, build_load, client, cpu_seconds, python
from bench.report import Figures, Line, Measure, details, results, table
from bench.run import measure_all

NAME = f"printer.{ZONE}"
AT_ONCE = 10_000

_WARM_UP = 0.3
_IN_PROCESS = ("dnspython", "aiodns")
_SCENARIO = {"nspd": "dns", "systemd-resolved": "varlink"}


def lines_of(loop: str) -> list[Line]:
    """The lines for nspd on one event loop; the peers without a choice of loop join uvloop's."""
    uncached = Measure(f"nspd/{loop}", "uncached")
    cached = Measure(f"nspd/{loop}", "cached")
    library = Measure(f"dnspython/{loop}", "uncached")
    lines = [Line("dnspython", f"{loop}: uncached to dnspython", uncached, library, None)]
    if loop == "uvloop":
        c_ares = Measure("aiodns/uvloop", "uncached")
        lines.append(Line("aiodns", f"{loop}: uncached to aiodns", uncached, c_ares, None))
    lines += [
        Line(
            "resolved", f"{loop}: uncached to systemd-resolved", uncached,
            Measure("systemd-resolved", "uncached"), None,
        ),
        Line(
            "cached", f"{loop}: cached to systemd-resolved", cached,
            Measure("systemd-resolved", "cached"), 2,
        ),
    ]  # fmt: skip
    return lines


class DnsServers:
    """Who is measured, and the server that all of them ask."""

    def __init__(self, stack: contextlib.ExitStack, directory: Path) -> None:
        self.missing: dict[str, str] = {}
        self._stack = stack
        self._directory = directory
        self._upstream = stack.enter_context(knot(directory))
        self._running: dict[str, tuple[Path, int]] = {}

    def start(self, name: str) -> None:
        """Start the server of that name unless it runs; a peer that cannot is ``missing``."""
        kind, _, loop = name.partition("/")
        if name in self._running or name in self.missing:
            return
        if kind in _IN_PROCESS:
            if find_spec(kind if kind == "aiodns" else "dns") is None:
                self.missing[name] = f"{kind} is not installed (the extra `bench`)"
        elif kind == "nspd":
            self._running[name] = self._stack.enter_context(
                nspd(loop, self._upstream, self._directory)
            )
        else:
            hosts = servers.write_hosts(self._directory)
            try:
                self._running[name] = self._stack.enter_context(
                    resolved.resolved(hosts, self._directory, self._upstream)
                )
            except NotAvailable as error:
                self.missing[name] = str(error)

    def measure(self, measure: Measure, seconds: float) -> Figures:
        """Load one server, or have a library load itself, once."""
        kind = measure.server.partition("/")[0]
        connections = str(measure.connections)
        timing = (str(seconds), str(_WARM_UP))
        if kind in _IN_PROCESS:
            arguments = (measure.server, self._upstream, ZONE, connections, *timing)
            command = python("bench.dns_peer", *arguments)
            library: Figures = json.loads(client(command, seconds + 30, processes.CPUS[0]))
            return library
        path, pid = self._running[measure.server]
        command = [str(build_load()), str(path), _SCENARIO[kind], "-c", connections]
        command += ["-s", timing[0], "-w", timing[1]]
        command += ["-n", ZONE, "-u"] if measure.scenario == "uncached" else ["-n", NAME]
        before = cpu_seconds(pid)
        figures: Figures = json.loads(client(command, seconds + 30))
        spent = max(cpu_seconds(pid) - before, processes.TICK)
        figures["server_cpu"] = spent / (seconds + _WARM_UP)
        return figures


def nspd(
    loop: str, upstream: str, directory: Path
) -> contextlib.AbstractContextManager[tuple[Path, int]]:
    """nspd with the dns provider alone; its socket and process id."""
    # No question is sent again because a busy machine was slow to answer.
    providers = (
        f'[[provider]]\nkind = "dns"\nservers = ["{upstream}"]\nresolv_conf = ""\ntimeout = 60\n'
    )
    return servers.daemon(loop, providers, directory)


@contextlib.contextmanager
def _released_at_the_end(server: Counting) -> Iterator[None]:
    try:
        yield
    finally:
        server.release()


def questions_for(loop: str, lookups: int, directory: Path) -> dict[str, int]:
    """How often a server is asked for each type by that many lookups of one name at once.

    The server answers when the daemon has taken all the lookups.

    Raises:
        UnexpectedReply: a lookup did not find the address.
    """
    restrictions = {"service_instance_name": NAME, "namespace": 12}
    with (
        Counting() as server,
        nspd(loop, str(server), directory) as (path, _),
        Connection(path) as observer,
        Connection(path) as asker,
    ):
        with _released_at_the_end(server):
            asker.send([("nspd.Lookup", {"restrictions": restrictions})] * lookups)
            wait_for_census(observer, lookups=lookups)
        for reply in asker.receive(lookups):
            if "result" not in reply or len(reply["result"]["results"]) != 1:
                raise UnexpectedReply(f"not an answer: {reply}")
        return dict(server.asked)


def _arguments() -> argparse.Namespace:
    keys = ", ".join(line.key for line in lines_of("uvloop"))
    parser = argparse.ArgumentParser(
        prog="python -m bench.dns", description="Compare nspd's DNS lookups with its peers'."
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
        lines = [line for line in lines if line.key in arguments.only.split(",")]
    if not lines:
        raise SystemExit(f"no such line: {arguments.only}")
    try:
        with tempfile.TemporaryDirectory(prefix="nspd-bench-") as name:
            figures, missing = measure_all(
                lines, Path(name), arguments.seconds, arguments.rounds, DnsServers
            )
        asked = {}
        for loop in loops:
            with tempfile.TemporaryDirectory(prefix="nspd-bench-") as name:
                asked[loop] = questions_for(loop, AT_ONCE, Path(name))
    except (NotAvailable, LoadFailed, UnexpectedReply) as error:
        raise SystemExit(str(error)) from None
    entries = results(lines, figures, missing)
    print(table(entries), "", details(figures), "", sep="\n")
    for loop, questions in asked.items():
        sent = ", ".join(f"{count} for {rdtype}" for rdtype, count in sorted(questions.items()))
        print(f"{loop}: {AT_ONCE:,} lookups of one name at once sent questions: {sent}")
    if arguments.json:
        document = {
            "environment": environment(),
            "seconds": arguments.seconds,
            "rounds": arguments.rounds,
            "lines": entries,
            "measures": {str(measure): runs for measure, runs in figures.items()},
            "questions_of_lookups_at_once": {"lookups": AT_ONCE, "asked": asked},
        }
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
