"""``nspd demo``: the main job on real input, each line of it checked."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING

import click

from nspd.cli._demo_daemon import DaemonFailed, DemoDaemon
from nspd.cli._demo_hosts import first_name
from nspd.cli._output import Output
from nspd.cli._text import counted, duration, printable
from nspd.model.errors import WSA_INVALID_HANDLE, LookupCancelled, ServiceNotFound, WSAError
from nspd.model.flags import LookupFlags
from nspd.model.namespaces import Namespace, namespace_name
from nspd.model.queryset import STREAM, TCP, CsAddr, QuerySet, SocketAddress

if TYPE_CHECKING:
    from nspd import Client
    from nspd.race.histogram import Histogram

_UNAVAILABLE = 69
_INTERRUPTED = 130
_PATIENCE = 30.0
_SERVICE = "demo-printer"


class _Story:
    """What the demo tells: each claim with the mark of whether it is so."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.not_so: list[str] = []

    def head(self, text: str) -> None:
        """Begin a part."""
        self.output.line()
        self.output.line(self.output.bold(text), flush=True)

    def check(self, so: bool, claim: str, instead: str = "") -> None:
        """Tell a claim and whether it is so; if not, what was seen instead."""
        if not so:
            self.not_so.append(claim)
        self.output.line(f"  {self.output.mark(so)} {printable(claim)}", flush=True)
        if not so and instead:
            self.output.line(f"      seen: {printable(instead)}", flush=True)


def run(count: int = 200, hosts: Path = Path("/etc/hosts"), backend: str = "asyncio") -> int:
    """Show the main job on a daemon of its own, and check every line shown.

    Args:
        count: lookups to cancel in flight.
        hosts: the hosts file to look a name up in.
        backend: the daemon's event loop, "asyncio" or "trio".

    Returns:
        0 if everything shown is so, 1 if anything is not, 69 if the daemon did not start.
    """
    from nspd import Client

    output = Output(program="nspd demo")
    story = _Story(output)
    output.line("nspd demo: a daemon of its own, on a temporary socket", flush=True)
    try:
        with DemoDaemon(hosts, backend) as daemon:
            with Client(daemon.socket, name="nspd-demo/1", timeout=_PATIENCE) as client:
                _show_daemon(story, client, daemon)
                _show_hosts(story, client, hosts)
                _show_registration(story, client)
                _show_cancel(story, client, daemon, count)
            _show_stop(story, daemon)
        story.check(not daemon.directory.exists(), "the temporary directory is gone")
    except DaemonFailed as error:
        first, *rest = str(error).splitlines()
        output.error(f"the daemon did not start: {first}", {})
        for line in rest:
            click.echo(f"  {printable(line)}", err=True)
        return _UNAVAILABLE
    except (WSAError, OSError) as error:
        story.check(False, f"the demo runs to its end: {error}")
    output.line()
    if story.not_so:
        output.line(f"{counted(len(story.not_so), 'thing')} shown above is not so:")
        for claim in story.not_so:
            output.line(f"  - {printable(claim)}")
        return 1
    output.line("Everything shown above was checked, and is so.")
    return 0


def _show_daemon(story: _Story, client: Client, daemon: DemoDaemon) -> None:
    status = client.status()
    kinds = [provider.kind for provider in client.providers()]
    story.check(
        status.pid == daemon.pid,
        f"nspd {status.version} listens, process {status.pid}, backend {status.backend}",
        f"process {daemon.pid} was started",
    )
    story.check(
        kinds == ["hosts", "registry", "test"],
        f"its providers, in catalog order: {', '.join(kinds)}",
    )


def _show_hosts(story: _Story, client: Client, hosts: Path) -> None:
    story.head(f"A name of {hosts}")
    name, expected = first_name(hosts.read_text(encoding="utf-8", errors="replace"))
    if name is None:
        story.check(False, f"{hosts} has a name to look up")
        return
    started = perf_counter()
    found = client.resolve(name, namespace=Namespace.TCPIP_HOSTS)
    seconds = perf_counter() - started
    addresses = {
        entry.remote.host
        for record in found.results
        for entry in record.addresses or ()
        if entry.remote is not None
    }
    story.check(
        addresses == expected,
        f"{name} is {', '.join(sorted(expected))}: all that the file says, in {duration(seconds)}",
        ", ".join(sorted(map(str, addresses))),
    )


def _show_registration(story: _Story, client: Client) -> None:
    story.head("A service, registered and found again")
    address = CsAddr(remote=SocketAddress.inet("192.0.2.7", 9100), socket_type=STREAM, protocol=TCP)
    client.register(_SERVICE, [address], comment="second floor")
    story.check(True, f"{_SERVICE} is registered at tcp:192.0.2.7:9100")
    for text in (_SERVICE, "DEMO-*"):
        found = client.resolve(text, namespace=Namespace.REGISTRY).results
        as_registered = [
            (record.service_instance_name, record.addresses, record.comment) for record in found
        ] == [(_SERVICE, (address,), "second floor")]
        where = namespace_name(Namespace.REGISTRY)
        story.check(
            as_registered,
            f'a lookup of "{text}" in {where} finds it, as it was registered',
            str(found),
        )
    client.delete(_SERVICE)
    story.check(_is_unknown(client, _SERVICE), "deleted, it is not found any more")


def _is_unknown(client: Client, name: str) -> bool:
    try:
        client.resolve(name, namespace=Namespace.REGISTRY)
    except ServiceNotFound:
        return True
    return False


def _show_cancel(story: _Story, client: Client, daemon: DemoDaemon, count: int) -> None:
    from nspd.cli._demo_cancel import cancel_in_flight

    story.head("Lookups that hang, cancelled in flight")
    seen = cancel_in_flight(daemon.socket, count)
    held = f"{counted(seen.held['lookups'], 'lookup')}, {seen.held['waiting_calls']} waiting calls"
    story.check(
        seen.held["lookups"] == count and seen.held["waiting_calls"] == count,
        f"{count} lookups of a name that never comes, a NextEx waiting on each: {held}",
    )
    story.check(
        seen.cancelled == count and not seen.otherwise,
        f"ended by another thread: {seen.cancelled} of {count} NextEx"
        " answered WSA_E_CANCELLED (10111)",
        "; ".join(seen.otherwise[:3]),
    )
    story.check(
        seen.before_end == count,
        f"{seen.before_end} of {count} before the reply to their own End",
    )
    story.check(
        seen.afterwards == WSA_INVALID_HANDLE,
        "a NextEx after that: WSA_INVALID_HANDLE (6)",
        str(seen.afterwards),
    )
    _show_client_cancel(story, client)
    census = _census(client)
    story.check(
        not any(census.values()),
        "nothing is left behind: "
        + ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in census.items()),
    )
    _show_latencies(
        story.output,
        {"End sent to NextEx released": seen.release, "End sent to End answered": seen.round_trip},
    )


def _census(client: Client) -> dict[str, int]:
    """What lookups leave in the daemon while they live, counted by the daemon."""
    census = client.status().census
    names = ("lookups", "waiting_calls", "provider_tasks", "detached")
    return {name: int(getattr(census, name)) for name in names}


def _show_client_cancel(story: _Story, client: Client) -> None:
    """The same by the Python client: ``next()`` in one thread, ``end()`` in another."""
    outcome: list[str] = []
    with client.lookup(
        "demo",
        namespace=Namespace.TEST,
        query_string="records=1&hang=1",
        control_flags=LookupFlags.RETURN_NAME,
    ) as lookup:
        first: QuerySet = lookup.next()

        def wait_for_another() -> None:
            try:
                outcome.append(str(lookup.next()))
            except LookupCancelled:
                outcome.append("LookupCancelled")
            except WSAError as error:
                outcome.append(str(error))

        waiter = threading.Thread(target=wait_for_another, name="next", daemon=True)
        waiter.start()
        while client.status().census.waiting_calls == 0 and waiter.is_alive():
            waiter.join(0.001)
        ending = lookup.end()
        waiter.join(_PATIENCE)
    story.check(
        outcome == ["LookupCancelled"] and ending.cancelled == 1,
        f"the Python client: a record ({first.service_instance_name}), then next() in one thread"
        " raises LookupCancelled as end() runs in another",
        ", ".join(outcome),
    )


def _show_latencies(output: Output, histograms: dict[str, Histogram]) -> None:
    from nspd.cli._table import table

    output.line()
    rows = [
        (what, *(duration(value) for value in (h.quantile(0.5), h.quantile(0.99), h.max)))
        for what, h in histograms.items()
    ]
    for line in table(("Latency", "p50", "p99", "max"), rows):
        output.line(f"    {line}")


def _show_stop(story: _Story, daemon: DemoDaemon) -> None:
    story.head("The end")
    status = daemon.stop()
    story.check(
        status == 0 and not os.path.exists(daemon.socket),
        "asked to end (SIGTERM), the daemon removes its socket and exits 0",
        f"exit status {status}",
    )


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    # As an exception, so that the daemon and its directory go first.
    raise SystemExit(128 + signal.SIGTERM)


@click.command("demo")
@click.option(
    "--lookups",
    type=click.IntRange(1, 9000),
    default=200,
    show_default=True,
    metavar="N",
    help="How many lookups to cancel in flight.",
)
@click.option(
    "--hosts",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    default=Path("/etc/hosts"),
    show_default=True,
    help="The hosts file to look a name up in.",
)
@click.option(
    "--backend",
    type=click.Choice(["asyncio", "trio"]),
    default="asyncio",
    show_default=True,
    help="The daemon's event loop.",
)
def demo(lookups: int, hosts: Path, backend: str) -> None:
    """Show lookups and cancellations on a daemon of its own, and check each line shown.

    The daemon runs on a temporary socket and touches nothing else. Exit
    status 0: everything shown is so.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status = run(lookups, hosts, backend)
    except KeyboardInterrupt:
        click.echo("nspd demo: interrupted; the daemon has been stopped", err=True)
        status = _INTERRUPTED
    sys.exit(status)
