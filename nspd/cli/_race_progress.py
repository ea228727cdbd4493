"""How far a race is, on standard error, where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nspd.cli._output import Output
    from nspd.race.drive import Standing, Watcher
    from nspd.race.plan import Plan


@contextmanager
def progress(output: Output, plan: Plan) -> Iterator[Watcher]:
    """What is to be told how far the run is. It shows nothing if nobody watches a terminal."""
    if output.quiet or not output.for_people or not sys.stderr.isatty():
        yield lambda _standing: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.fields[scenario]:<18}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[standing]}"),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as bars:
        task = bars.add_task("race", total=1.0, scenario="starting", standing="")

        def show(standing: Standing) -> None:
            bars.update(
                task,
                completed=_share_done(plan, standing),
                scenario=standing.scenario,
                standing=_words(standing, plan.scenarios),
            )

        yield show


def _share_done(plan: Plan, standing: Standing) -> float:
    """How much of this scenario is over, by whichever of its two ends is nearer."""
    by_lookups = standing.lookups / plan.lookups if plan.lookups else 0.0
    by_time = standing.elapsed / plan.duration if plan.duration else 0.0
    return min(max(by_lookups, by_time), 1.0)


def _words(standing: Standing, scenarios: Sequence[str]) -> str:
    rate = standing.lookups / standing.elapsed if standing.elapsed else 0.0
    return (
        f"{standing.place + 1} of {len(scenarios)}   {standing.lookups} lookups "
        f"({rate:.0f}/s), {standing.races} races, {standing.violations} violations"
    )
