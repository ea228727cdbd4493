"""A report for people: tables, and latencies as bars of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from nspd.race.histogram import QUANTILES, Histogram
from nspd.race.plan import MIXED
from nspd.race.result import Report
from nspd.race.stopwatch import KINDS
from nspd.race.tally import Tally

SCENARIO_HEADS = ("SCENARIO", "LOOKUPS", "RACES", "PER SECOND", "OUTCOMES", "VIOLATIONS")
LATENCY_HEADS = ("SCENARIO", "LATENCY", *QUANTILES, "max")

_BAR = 40
_SATURATED = 0.8
"""Share of its CPU from which on the daemon, and no driver, sets the pace."""


def rows_of(report: Report) -> list[Tally]:
    """The tallies that have a row; before those of ``mixed`` stands its sum."""
    found = []
    for stretch in report.stretches:
        if stretch.name == MIXED:
            found.append(stretch.total)
        found += stretch.tallies
    return found


def scenario_rows(tallies: Sequence[Tally]) -> Iterator[tuple[str, ...]]:
    """One row for each scenario, under `SCENARIO_HEADS`."""
    for tally in tallies:
        rate = tally.lookups / tally.seconds if tally.seconds else 0
        outcomes = {**dict.fromkeys(tally.legal, 0), **tally.outcomes}
        yield (
            tally.name,
            str(tally.lookups),
            str(tally.races),
            f"{rate:.0f}",
            _counts(outcomes) if tally.name != MIXED else "",
            _counts(tally.violations) or "none",
        )


def latency_rows(tallies: Sequence[Tally]) -> Iterator[tuple[str, ...]]:
    """One row for each kind of latency of each scenario, under `LATENCY_HEADS`."""
    for tally in tallies:
        for kind, histogram in tally.latencies.by_kind().items():
            if histogram.count:
                quantiles = [short(histogram.quantile(share)) for share in QUANTILES.values()]
                yield (tally.name, KINDS[kind], *quantiles, short(histogram.max))


def bars(tallies: Sequence[Tally]) -> Iterator[str]:
    """Cancel to 10111 over all scenarios: a line for each doubling of the latency."""
    everything = Histogram()
    for tally in tallies:
        everything.add(tally.latencies.to_cancelled)
    rows = Counter[int]()
    for edge, count in everything.buckets():
        rows[max(round(edge * 1e6) - 1, 0).bit_length()] += count
    if not rows:
        return
    longest = max(rows.values())
    for power in range(min(rows), max(rows) + 1):
        count = rows[power]
        bar = "#" * -(-count * _BAR // longest)
        yield f"{'to ' + short(2**power / 1e6):>10}  {bar:<{_BAR}}  {count}"


def remarks(report: Report) -> Iterator[str]:
    """What else a person must know: each violation in words, outcomes not seen, leaks."""
    for tally in report.tallies:
        for violation in tally.examples:
            where = f"connection {violation.client}"
            yield f"{tally.name}: {violation.promise} on {where}: {violation.detail}"
        more = tally.violations.total() - len(tally.examples)
        if more:
            yield f"{tally.name}: and {more} more"
        if tally.at_the_cap:
            refused = f"{tally.at_the_cap} refused for detached work (10055)"
            yield f"{tally.name}: {refused}, as C8 allows"
        for outcome in tally.unseen:
            yield f"{tally.name}: the outcome {outcome!r} is legal and was never seen; race longer"
    for count, more in report.leaked.items():
        yield f"C8: the census has {more} {count} more than before ({report.after[count]})"
    if report.gone is not None:
        yield f"the run ended early, for the daemon went away: {report.gone}"
    if report.interrupted:
        yield "interrupted: this is what there was so far"


def load(report: Report) -> str:
    """Who worked how much, and whether the daemon set the pace."""
    drivers = f"the drivers, which judge as they go, {report.driver_cpu:.0%}"
    if report.daemon_cpu is None:
        return f"CPU: the daemon's is not known; {drivers} of one CPU"
    pace = "" if report.daemon_cpu >= _SATURATED or report.plan.rate else _NOT_SATURATED
    return f"CPU: the daemon took {report.daemon_cpu:.0%} of one, {drivers}{pace}"


_NOT_SATURATED = " (the daemon could have done more: these scenarios wait, or the machine is busy)"


def verdict(report: Report) -> str:
    """The last line: whether the daemon passed, and on how much evidence."""
    found = sum(tally.violations.total() for tally in report.tallies) + len(report.leaked)
    word = "passed" if report.passed else "FAILED"
    return f"{word}: {report.judged} replies judged, violations: {found}"


def short(seconds: float) -> str:
    """A duration with a unit that suits it."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
