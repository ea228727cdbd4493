"""A report for people: tables, and latencies as bars of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from nspd.race.drive import Report
from nspd.race.histogram import QUANTILES, Histogram
from nspd.race.tally import Tally

SCENARIO_HEADS = ("SCENARIO", "LOOKUPS", "RACES", "PER SECOND", "OUTCOMES", "VIOLATIONS")
LATENCY_HEADS = ("SCENARIO", "LATENCY", *QUANTILES, "max")

_BAR = 40


def scenario_rows(tallies: Sequence[Tally]) -> Iterator[tuple[str, ...]]:
    """One row for each scenario, under `SCENARIO_HEADS`."""
    for tally in tallies:
        rate = tally.lookups / tally.seconds if tally.seconds else 0
        outcomes = {**dict.fromkeys(tally.scenario.outcomes, 0), **tally.outcomes}
        yield (
            tally.scenario.name,
            str(tally.lookups),
            str(tally.races),
            f"{rate:.0f}",
            _counts(outcomes),
            _counts(tally.violations) or "none",
        )


def latency_rows(tallies: Sequence[Tally]) -> Iterator[tuple[str, ...]]:
    """One row for each kind of latency of each scenario, under `LATENCY_HEADS`."""
    for tally in tallies:
        kinds = {"cancel to 10111": tally.to_cancelled, "End to reply": tally.to_end_reply}
        for kind, histogram in kinds.items():
            if histogram.count:
                quantiles = [_short(histogram.quantile(share)) for share in QUANTILES.values()]
                yield (tally.scenario.name, kind, *quantiles, _short(histogram.max))


def bars(tallies: Sequence[Tally]) -> Iterator[str]:
    """Cancel to 10111 over all scenarios: a line for each doubling of the latency."""
    everything = Histogram()
    for tally in tallies:
        everything.add(tally.to_cancelled)
    rows = Counter[int]()
    for edge, count in everything.buckets():
        rows[max(round(edge * 1e6) - 1, 0).bit_length()] += count
    if not rows:
        return
    longest = max(rows.values())
    for power in range(min(rows), max(rows) + 1):
        count = rows[power]
        bar = "#" * -(-count * _BAR // longest)
        yield f"{'to ' + _short(2**power / 1e6):>10}  {bar:<{_BAR}}  {count}"


def remarks(report: Report) -> Iterator[str]:
    """What else a person must know: each violation in words, outcomes not seen, leaks."""
    for tally in report.tallies:
        name = tally.scenario.name
        for violation in tally.examples:
            where = f"connection {violation.client}"
            yield f"{name}: {violation.promise} on {where}: {violation.detail}"
        more = tally.violations.total() - len(tally.examples)
        if more:
            yield f"{name}: and {more} more"
        for outcome in tally.unseen:
            yield f"{name}: the outcome {outcome!r} is legal and was never seen; race longer"
    for count, more in report.leaked.items():
        yield f"C8: the census has {more} {count} more than before ({report.after[count]})"


def verdict(report: Report) -> str:
    """The last line: whether the daemon passed, and on how much evidence."""
    found = sum(tally.violations.total() for tally in report.tallies) + len(report.leaked)
    word = "passed" if report.passed else "FAILED"
    return f"{word}: {report.judged} replies judged, violations: {found}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _short(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
