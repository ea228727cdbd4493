"""``nspctl race``: cancel many lookups in flight, and have every reply judged."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from nspd.cli._exits import Exit
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._output import Output
from nspd.cli._text import printable
from nspd.race.scenarios import SCENARIOS

if TYPE_CHECKING:
    from nspd.race.drive import Plan, Progress, Report
    from nspd.race.tally import Tally


def _seconds(_ctx: click.Context, _param: click.Parameter, text: str | None) -> float | None:
    """A duration as the configuration takes it: ``90``, ``"60s"``, ``"2min"``."""
    from nspd.server.durations import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error


@click.command("race", cls=Verb)
@click.option(
    "--scenario",
    "names",
    type=click.Choice(list(SCENARIOS)),
    multiple=True,
    help="Run this one; may be given again. Default: all.",
)
@click.option("--clients", type=click.IntRange(min=1), default=16, show_default=True)
@click.option(
    "--lookups",
    type=click.IntRange(min=1),
    metavar="N",
    help="Lookups for each scenario. Default: 1000, or without end if --duration is given.",
)
@click.option(
    "--duration", callback=_seconds, metavar="TIME", help="How long each scenario goes on at most."
)
@click.option("--seed", type=int, help="Repeat what the clients of another run drew.")
@click.option(
    "--backend",
    type=click.Choice(["asyncio", "trio"]),
    help="The event loop of the daemon that is started (not with --socket).",
)
@pass_settings
def race(
    settings: Settings,
    names: Sequence[str],
    clients: int,
    lookups: int | None,
    duration: float | None,
    seed: int | None,
    backend: str | None,
) -> Exit:
    """Cancel many lookups in flight and check every reply against the promises.

    Without --socket a daemon is started for the purpose and stopped afterwards.
    With it, that daemon must have its test namespace on and nobody else's
    lookups, and the caller must be its administrator.

    Exit status: 0 if no promise was broken and every legal outcome was seen,
    else 1; 5 if the daemon does not let itself be raced.
    """
    from anyio import run

    from nspd.race.drive import Plan

    if settings.socket and backend:
        raise click.UsageError("--backend is for a daemon that is started, not one that runs.")
    plan = Plan(
        socket=settings.socket or "",
        scenarios=[SCENARIOS[name] for name in names or SCENARIOS],
        clients=clients,
        lookups=1_000 if lookups is None and duration is None else lookups,
        duration=duration,
        seed=secrets.randbits(32) if seed is None else seed,
    )
    try:
        report = run(
            _drive,
            plan,
            backend,
            _progress(settings.output),
            backend_options={"use_uvloop": True},
        )
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    if settings.output.for_people:
        _show(settings.output, report)
    else:
        settings.output.value(report.as_dict())
    return Exit.DONE if report.passed else Exit.FAILURE


async def _drive(plan: Plan, backend: str | None, progress: Progress) -> Report:
    from msgspec.structs import replace

    from nspd.race.daemon import own_daemon
    from nspd.race.drive import drive

    if plan.socket:
        return await drive(plan, progress)
    async with own_daemon(backend) as socket:
        return await drive(replace(plan, socket=socket), progress)


def _progress(output: Output) -> Progress:
    """A line on standard error that keeps up with the run, where somebody watches."""
    if output.quiet or not output.for_people or not sys.stderr.isatty():
        return lambda _tally: None
    return _show_progress


def _show_progress(tally: Tally) -> None:
    if tally.lookups % 50 == 0:
        found = tally.violations.total()
        text = f"{tally.scenario.name}: {tally.lookups} lookups, {found} violations"
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def _show(output: Output, report: Report) -> None:
    from nspd.race import report as words

    if sys.stderr.isatty() and not output.quiet:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
    output.aside(f"{report.daemon}, {report.plan.clients} clients, seed {report.plan.seed}")
    output.table(words.SCENARIO_HEADS, words.scenario_rows(report.tallies))
    output.line()
    output.table(words.LATENCY_HEADS, words.latency_rows(report.tallies))
    if not output.quiet:
        output.line()
        output.aside("Cancel to 10111, all scenarios:")
        for line in words.bars(report.tallies):
            output.line(line)
        output.line()
    for remark in words.remarks(report):
        output.line(printable(remark))
    output.line(words.verdict(report))
