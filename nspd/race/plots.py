"""The plots of a report, drawn with matplotlib (the extra ``nspd[report]``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from nspd.race.report import rows_of, short
from nspd.race.result import Report
from nspd.race.series import Series
from nspd.race.stopwatch import KINDS, Latencies
from nspd.race.tally import Tally

_COLOURS = ("#2a6fbb", "#e0762e", "#3a9d5d", "#b0417a", "#7b6fc4", "#8a8a2a", "#5aa6b5", "#777777")
_INK, _FAINT = "#222222", "#d9d9d9"
_STYLE: Any = {
    "font.size": 10.0,
    "axes.edgecolor": "#999999",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 11.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "text.color": _INK,
    "legend.frameon": False,
    "savefig.dpi": 110,
    "axes.prop_cycle": cycler(color=list(_COLOURS)),
}
_WIDTH = 9.0

_SHARES = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
_STEPS_EACH = 12

_STEPS = 64
"""Of a line over time, at most."""


def latencies(report: Report) -> Figure:
    """How long each kind of latency took, up to the last of a thousand and beyond."""
    figure, [axes] = _figure(3.8)
    together = Latencies()
    for tally in report.tallies:
        together.add(tally.latencies)
    rarest = 0.9
    for kind, histogram in together.by_kind().items():
        if histogram.count:
            last = min(1 - 1 / histogram.count, _SHARES[-1])
            rarest = max(rarest, last)
            shares = [share for share in _curve() if share <= last] or [_SHARES[0]]
            axes.plot(
                [_nines(share) for share in shares],
                [max(histogram.quantile(share), 1e-6) for share in shares],
                label=f"{KINDS[kind]} ({histogram.count:,})",
                linewidth=1.8,
            )
    ticks = [share for share in _SHARES if share <= rarest]
    axes.set_xticks([_nines(share) for share in ticks], [f"{share * 100:g} %" for share in ticks])
    axes.set_xlabel("share of all that took no longer")
    _log_seconds(axes.set_yscale, axes.yaxis)
    axes.set_title("Latencies, all scenarios together")
    if axes.lines:
        axes.legend(loc="lower right")
    return figure


def scenarios(report: Report) -> Figure:
    """From what cancels to 10111: one line for each scenario."""
    rows = [tally for tally in rows_of(report) if tally.latencies.to_cancelled.count]
    figure, [axes] = _figure(1.4 + 0.3 * len(rows))
    for place, tally in enumerate(reversed(rows)):
        histogram = tally.latencies.to_cancelled
        points = [histogram.quantile(share) for share in (0.5, 0.9, 0.99)]
        axes.plot([points[0], histogram.max], [place] * 2, color=_FAINT, linewidth=4, zorder=1)
        for point, (label, colour) in zip([*points, histogram.max], _MARKS.items(), strict=True):
            axes.plot(
                [point],
                [place],
                "o",
                color=colour,
                markersize=6,
                label=label if not place else None,
            )
    axes.set_yticks(range(len(rows)), [tally.name for tally in reversed(rows)])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    _log_seconds(axes.set_xscale, axes.xaxis)
    axes.grid(axis="y", visible=False)
    axes.set_title("From End or $/cancelRequest to 10111", pad=22)
    if rows:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.1)
    return figure


_MARKS: Mapping[str, str] = MappingProxyType(
    {"p50": "#2a6fbb", "p90": "#3a9d5d", "p99": "#e0762e", "max": "#b0417a"}
)


def outcomes(report: Report) -> Figure:
    """Outcomes over time: a small plot for each scenario."""
    tallies = report.tallies
    columns = 1 if len(tallies) == 1 else 2
    rows = max(math.ceil(len(tallies) / columns), 1)
    figure, cells = _figure(0.6 + (2.6 if columns == 1 else 1.75) * rows, rows, columns)
    for axes, tally in zip(cells, tallies, strict=False):
        _stacked(axes, tally)
    for axes in cells[len(tallies) :]:
        axes.set_visible(False)
    return figure


def _stacked(axes: Axes, tally: Tally) -> None:
    times, lines = tally.series.lines(tally.seconds, _STEPS)
    names = [name for name in tally.legal if name in lines]
    names += [name for name in lines if name not in names]
    if names:
        axes.stackplot(
            times,
            [lines[name] for name in names],
            labels=[name if len(name) < 28 else f"{name[:27]}…" for name in names],
            step="mid",
            linewidth=0,
            colors=_COLOURS,
        )
        axes.legend(loc="upper left", fontsize=8, ncols=2, borderaxespad=0.2)
        axes.set_ylim(0, 1.45 * max(map(sum, zip(*lines.values(), strict=True))))
    axes.set_xlim(0, tally.seconds or 1.0)
    axes.set_title(f"{tally.name}, outcomes per second")
    axes.set_xlabel("s")


def throughput(report: Report) -> Figure:
    """Lookups over time, and what they cost the daemon."""
    figure, [lookups, cpu, memory] = _figure(5.6, 3, 1, sharex=True)
    if not report.stretches:
        return figure
    beginning = report.stretches[0].started
    for stretch in report.stretches:
        together = Series()
        for tally in stretch.tallies:
            together.merge(tally.series)
        times, lines = together.lines(stretch.seconds, 2 * _STEPS)
        offset = stretch.started - beginning
        rate = [sum(step) for step in zip(*lines.values(), strict=True)] or [0.0] * len(times)
        lookups.plot([offset + time for time in times], rate, linewidth=1.4, color=_COLOURS[0])
        for axes in (lookups, cpu, memory):
            axes.axvline(offset, color="#bbbbbb", linewidth=0.8, linestyle=":")
    lookups.set_title("Lookups per second")
    cpu.set_title("The daemon's share of one CPU")
    memory.set_title("The daemon's memory, MB")
    samples = report.meter.samples
    shares = report.meter.shares()
    cpu.plot([t - beginning for t, _ in shares], [s * 100 for _, s in shares], color=_COLOURS[1])
    cpu.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    memory.plot(
        [each.time - beginning for each in samples],
        [each.resident / 1e6 for each in samples],
        color=_COLOURS[2],
    )
    for axes in (lookups, cpu, memory):
        axes.set_ylim(0, None)
    memory.set_xlabel("seconds since the first scenario began (dotted: where one begins)")
    memory.set_xlim(0, None)
    return figure


PLOTS: Mapping[str, Callable[[Report], Figure]] = MappingProxyType(
    {
        "latencies": latencies,
        "scenarios": scenarios,
        "outcomes": outcomes,
        "throughput": throughput,
    }
)
"""The plots by the names of their files."""


def drawn(plot: Callable[[Report], Figure], report: Report) -> Figure:
    """A plot in the report's style."""
    with mpl.rc_context(_STYLE):
        return plot(report)


def _figure(
    height: float, rows: int = 1, columns: int = 1, *, sharex: bool = False
) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    cells = figure.subplots(rows, columns, squeeze=False, sharex=sharex)
    return figure, list(cells.flat)


def _curve() -> list[float]:
    """Shares close enough together for a curve, over all of `_SHARES`."""
    least, most = _nines(_SHARES[0]), _nines(_SHARES[-1])
    steps = round(most * _STEPS_EACH)
    return [1 - 10 ** -(least + (most - least) * step / steps) for step in range(steps + 1)]


def _nines(share: float) -> float:
    """0.9 is 1, 0.99 is 2, so that rare and long ones have room."""
    return -math.log10(1 - share)


def _log_seconds(set_scale: Callable[[str], None], axis: Any) -> None:
    set_scale("log")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(lambda value, _: short(value))
    axis.set_minor_formatter(lambda _value, _place: "")
