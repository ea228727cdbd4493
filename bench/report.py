"""Ratios out of measurements, and the table that shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Figures = dict[str, Any]
"""One run of a load generator: its report, and ``server_cpu``, the server's share of one CPU."""


@dataclass(frozen=True)
class Measure:
    """What one run of a load generator measures.

    Attributes:
        server: Name of the server, with its event loop where it has several.
        scenario: What one operation is.
        connections: How many clients ask at once.
    """

    server: str
    scenario: str
    connections: int = 50

    def __str__(self) -> str:
        return f"{self.server} {self.scenario} x{self.connections}"


@dataclass(frozen=True)
class Line:
    """One line of the table: a ratio of operations per second, and what it should reach."""

    key: str
    label: str
    subject: Measure
    reference: Measure
    target: float | None
    """None: the line is measured for what it tells, and should reach nothing."""


@dataclass(frozen=True)
class Ratio:
    """What came out for a line.

    Attributes:
        value: Median over the rounds; each round compares two runs made close together.
        low: The smallest of any round.
        high: The largest of any round.
        per_server_cpu: The median of the same for operations in one second of the
            server's CPU time. It tells the servers apart where a client is the bottleneck.
    """

    value: float
    low: float
    high: float
    per_server_cpu: float


def compare(subject: Sequence[Figures], reference: Sequence[Figures]) -> Ratio:
    """The ratio of two measures taken in the same rounds."""
    pairs = list(zip(subject, reference, strict=True))
    rates = [a["rate"] / b["rate"] for a, b in pairs]
    efficiency = [
        rate * b["server_cpu"] / a["server_cpu"] for rate, (a, b) in zip(rates, pairs, strict=True)
    ]
    return Ratio(median(rates), min(rates), max(rates), median(efficiency))


def results(
    lines: Iterable[Line],
    figures: Mapping[Measure, Sequence[Figures]],
    missing: Mapping[str, str],
) -> list[dict[str, Any]]:
    """A dictionary for each line, as the JSON file holds them.

    Args:
        lines: The lines wanted.
        figures: What was measured, a run for each round.
        missing: Why a server could not be measured, by its name.
    """
    found = []
    for line in lines:
        entry: dict[str, Any] = {"key": line.key, "label": line.label, "target": line.target}
        reason = missing.get(line.subject.server) or missing.get(line.reference.server)
        if reason:
            entry |= {"not_available": reason}
        else:
            subject, reference = figures[line.subject], figures[line.reference]
            ratio = compare(subject, reference)
            entry |= {
                "subject": str(line.subject),
                "reference": str(line.reference),
                "subject_rate": median(run["rate"] for run in subject),
                "reference_rate": median(run["rate"] for run in reference),
                "ratio": ratio.value,
                "low": ratio.low,
                "high": ratio.high,
                "per_server_cpu": ratio.per_server_cpu,
                "met": None if line.target is None else ratio.value >= line.target,
            }
        found.append(entry)
    return found


def _rows(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def table(entries: Iterable[Mapping[str, Any]]) -> str:
    """The lines for people: ratio, its range over the rounds, target."""
    rows = [("Ratio", "nspd/s", "peer/s", "ratio", "range", "target", "", "per server CPU")]
    notes = []
    for entry in entries:
        target = "" if entry["target"] is None else f"{entry['target']:g}"
        if "not_available" in entry:
            rows.append((entry["label"], "", "", "-", "", target, "", ""))
            notes.append(f"{entry['label']}: not available: {entry['not_available']}")
            continue
        rows.append((
            entry["label"],
            f"{entry['subject_rate']:,.0f}",
            f"{entry['reference_rate']:,.0f}",
            f"{entry['ratio']:.3f}",
            f"{entry['low']:.3f}-{entry['high']:.3f}",
            target,
            {True: "met", False: "MISSED", None: ""}[entry["met"]],
            f"{entry['per_server_cpu']:.3f}",
        ))  # fmt: skip
    return "\n".join([_rows(rows), *notes])


def details(figures: Mapping[Measure, Sequence[Figures]]) -> str:
    """Every measure by itself: rate, CPU shares of both sides, latencies (medians)."""
    rows = [("Measure", "1/s", "server CPU", "client CPU", "p50 us", "p99 us", "max us")]
    for measure, runs in figures.items():
        middle = {key: median(run[key] for run in runs) for key in _SHOWN}
        rows.append((
            str(measure),
            f"{middle['rate']:,.0f}",
            f"{middle['server_cpu']:.0%}",
            f"{middle['client_cpu']:.0%}",
            f"{middle['p50_us']:,.0f}",
            f"{middle['p99_us']:,.0f}",
            f"{middle['max_us']:,.0f}",
        ))  # fmt: skip
    return _rows(rows)


_SHOWN = ("rate", "server_cpu", "client_cpu", "p50_us", "p99_us", "max_us")
