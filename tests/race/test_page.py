"""The page of a report: whole in itself, and safe to look at."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from nspd.race.judge import Violation
from nspd.race.meter import Sample
from nspd.race.page import PAGE, html, plotting_missing, write_page
from nspd.race.plots import PLOTS
from nspd.race.result import Report
from nspd.race.tally import Race, Tally
from tests.race.test_report import report_of, tally_of

PNG = b"\x89PNG\r\n\x1a\n"


def full_report() -> Report:
    """A mixture of scenarios, with every kind of latency and some violations."""
    tallies = []
    for place in range(3):
        tally = tally_of("record", "cancelled", name=f"mixed: part-{place}")
        for kind, histogram in tally.latencies.by_kind().items():
            for step in range(1, 50):
                histogram.record(step * (1e-3 if kind == "next" else 2e-4))
        tallies.append(tally)
    tallies[0].add_race(Race("NextEx got <nothing> & more than fits into a legend"), 1.0)
    tallies[0].add_violations([Violation("C1", 0.0, 4, "<b>lost</b>")])
    report = report_of(*tallies, name="mixed")
    report.meter.samples += [Sample(10.0 + step, step * 0.5, 40_000_000) for step in range(3)]
    return report


class Checker(HTMLParser):
    """Counts what matters, and sees that tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[str] = []
        self.outside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img"):
            self.open.append(tag)
        for name, value in attrs:
            if tag == "img" and name == "src":
                self.images.append(value or "")
            elif name in ("src", "href"):
                self.outside.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page(tmp_path: Path) -> None:
    """One page with every plot inside it and nothing from elsewhere; the plots lie beside it."""
    page = write_page(full_report(), tmp_path)
    assert page == tmp_path / PAGE
    checker = Checker(page.read_text())
    assert checker.open == []
    assert checker.outside == []
    assert len(checker.images) == len(PLOTS)
    assert all(image.startswith("data:image/png;base64,") for image in checker.images)
    for name in PLOTS:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(PNG)


def test_nothing_is_markup() -> None:
    """What a daemon said is shown as text."""
    text = html(full_report(), {})
    assert "<b>lost" not in text
    assert "&lt;b&gt;lost" in text
    assert "FAILED" in text
    assert re.search(r"<td>mixed: part-1</td>", text)


def test_empty_run(tmp_path: Path) -> None:
    """A run that was stopped before its first lookup has a page too."""
    write_page(report_of(Tally("x", ("record",)), name="x", interrupted=True), tmp_path)
    text = (tmp_path / PAGE).read_text()
    assert "interrupted" in text


def test_extra() -> None:
    """The tests are run with the extra."""
    assert plotting_missing() is None
