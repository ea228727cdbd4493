"""``nspctl race``: cancel many lookups in flight, and have every reply judged."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nspd.cli._exits import Exit
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._race_options import plan_of, race_options
from nspd.cli._text import printable

if TYPE_CHECKING:
    import anyio

    from nspd.cli._output import Output
    from nspd.race.drive import Watcher
    from nspd.race.plan import Plan
    from nspd.race.result import Report


class _RaceVerb(Verb, click.Group):
    """A verb with a verb beneath it."""


@click.group("race", cls=_RaceVerb, invoke_without_command=True)
@race_options
@pass_settings
def race(settings: Settings, /, directory: Path | None, **options: Any) -> Exit | None:
    """Cancel many lookups in flight and check every reply against the promises.

    Without --socket a daemon is started for the purpose and stopped afterwards.
    With it, that daemon must have its test namespace on and nobody else's
    lookups, and the caller must be its administrator.

    Exit status: 0 if no promise was broken and every legal outcome was seen,
    else 1; 5 if the daemon does not let itself be raced; 130 if interrupted.
    """
    if click.get_current_context().invoked_subcommand is not None:
        return None
    plan = plan_of(settings.socket, **options)
    if directory is not None:
        _prepare(directory)
    report = _run(plan, settings.output)
    if report is None:
        return Exit.INTERRUPTED
    if settings.output.for_people:
        show(settings.output, report)
    else:
        settings.output.value(report.as_dict())
    if directory is not None:
        from nspd.race.page import write_page

        settings.output.note(f"the report is {write_page(report, directory)}")
    if report.interrupted:
        return Exit.INTERRUPTED
    return Exit.DONE if report.passed else Exit.FAILURE


@race.command("check", cls=Verb)
@click.argument("history", type=click.File("rb"))
@pass_settings
def check(settings: Settings, history: Any) -> Exit:
    """Judge a history that --history wrote, or any other client or server.

    HISTORY is a file, or - for standard input. Exit status: 0 if something was
    judged and no promise was broken, else 1.
    """
    from nspd.race.check import Check, as_dict
    from nspd.race.history import BadHistory
    from nspd.race.report import LATENCY_HEADS, latency_rows
    from nspd.race.tally import Tally

    output, result = settings.output, Check()
    try:
        for violation in result.violations_of(history):
            if output.for_people:
                where = f"connection {violation.client} at {violation.time:.6f} s"
                output.line(printable(f"{violation.promise} on {where}: {violation.detail}"))
            else:
                output.value({"violation": as_dict(violation)})
    except BadHistory as error:
        raise click.ClickException(f"{history.name}: {error}") from error
    if not output.for_people:
        output.value(result.as_dict())
    else:
        tally = Tally("history", ())
        tally.latencies = result.latencies
        if not output.quiet:
            output.table(LATENCY_HEADS[1:], (row[1:] for row in latency_rows([tally])))
        word = "passed" if result.passed else "FAILED"
        found = result.violations.total()
        output.line(f"{word}: {result.judged} replies judged, violations: {found}")
    return Exit.DONE if result.passed else Exit.FAILURE


def _prepare(directory: Path) -> None:
    """See that a report can be written, before there is one to write."""
    from nspd.race.page import plotting_missing

    missing = plotting_missing()
    if missing is not None:
        raise click.ClickException(
            f"--report needs {missing}, which is not installed: pip install 'nspd[report]'"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"{directory}: {error.strerror}") from error


def _run(plan: Plan, output: Output) -> Report | None:
    """Run a plan; None if it was interrupted twice, or before there was anything to stop."""
    import anyio

    from nspd.cli._race_progress import progress

    with progress(output, plan) as watcher:
        try:
            return anyio.run(_drive, plan, watcher, backend_options={"use_uvloop": True})
        except KeyboardInterrupt:
            return None
        except OSError as error:
            raise click.ClickException(f"{error.filename or 'race'}: {error.strerror}") from error


async def _drive(plan: Plan, watcher: Watcher) -> Report | None:
    import anyio
    from msgspec.structs import replace

    from nspd.race.daemon import owned_daemon
    from nspd.race.drive import drive
    from nspd.race.failures import bare_failures

    stop = anyio.Event()
    report = None
    with bare_failures():
        async with anyio.create_task_group() as tasks:
            await tasks.start(_interrupts, stop, tasks.cancel_scope)
            if plan.socket:
                report = await drive(plan, watcher, stop)
            else:
                async with owned_daemon(plan.backend) as daemon:
                    report = await drive(replace(plan, socket=daemon.socket), watcher, stop)
                    if report.gone is not None:
                        report = replace(report, gone=daemon.epitaph or report.gone)
            tasks.cancel_scope.cancel()
    return report


async def _interrupts(
    stop: anyio.Event,
    scope: anyio.CancelScope,
    *,
    task_status: anyio.abc.TaskStatus[None],
) -> None:
    """The first interrupt asks for the report so far, the second gives it up."""
    import anyio

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            if stop.is_set():
                scope.cancel()
                return
            stop.set()


def show(output: Output, report: Report) -> None:
    """Write a report for people."""
    from nspd.race import report as words

    tallies = words.rows_of(report)
    plan = report.plan
    output.aside(f"{report.daemon}, {plan.clients} clients, seed {plan.seed}")
    output.table(words.SCENARIO_HEADS, words.scenario_rows(tallies))
    output.line()
    output.table(words.LATENCY_HEADS, words.latency_rows(tallies))
    if not output.quiet:
        output.line()
        output.aside("Cancel to 10111, all scenarios:")
        for line in words.bars(report.tallies):
            output.line(line)
        output.line()
        output.aside(words.load(report))
    for remark in words.remarks(report):
        output.line(printable(remark))
    output.line(words.verdict(report))
