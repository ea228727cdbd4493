"""The report of a run as one page that needs nothing else, and its plots as pictures."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path

from nspd.race import report as words
from nspd.race.result import Report

PAGE = "index.html"

_TITLES = {
    "latencies": "Latencies",
    "scenarios": "Latency of cancelling, by scenario",
    "outcomes": "Outcomes over time",
    "throughput": "Throughput and cost",
}

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff;
  max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p.facts { color: #666; margin-top: .2rem; }
p.verdict { font-weight: 600; border-left: 5px solid; padding: .4rem .8rem; }
p.passed { border-color: #3a9d5d; background: #eef8f1; }
p.failed { border-color: #c0392b; background: #fbeeec; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #e4e4e4;
  vertical-align: top; }
th { color: #666; font-weight: 500; white-space: nowrap; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
img { max-width: 100%; height: auto; }
"""


def plotting_missing() -> str | None:
    """The package that the plots need and that is not installed; None: it is."""
    return None if find_spec("matplotlib") is not None else "matplotlib"


def write_page(report: Report, directory: Path) -> Path:
    """Write the page and the plots.

    Args:
        report: what came out of a run.
        directory: where to; it exists.

    Returns:
        The path of the page.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: a file cannot be written.
    """
    from nspd.race.plots import PLOTS, drawn

    pictures: dict[str, bytes] = {}
    for name, plot in PLOTS.items():
        buffer = io.BytesIO()
        drawn(plot, report).savefig(buffer, format="png")
        pictures[name] = buffer.getvalue()
        (directory / f"{name}.png").write_bytes(pictures[name])
    page = directory / PAGE
    page.write_text(html(report, pictures), encoding="utf-8")
    return page


def html(report: Report, pictures: dict[str, bytes]) -> str:
    """The page, with the pictures (PNG, by the names of their files) inside it."""
    parts = ["<h1>nspctl race</h1>", *_facts(report), *_remarks(report)]
    rows = words.rows_of(report)
    parts += ["<h2>Scenarios</h2>", _table(words.SCENARIO_HEADS, words.scenario_rows(rows))]
    for name, picture in pictures.items():
        title = escape(_TITLES[name])
        data = b64encode(picture).decode("ascii")
        parts.append(f"<h2>{title}</h2>")
        parts.append(f'<img alt="{title}" src="data:image/png;base64,{data}">')
    parts += ["<h2>All latencies</h2>", _table(words.LATENCY_HEADS, words.latency_rows(rows))]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n<title>nspctl race</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _facts(report: Report) -> Iterable[str]:
    plan = report.plan
    pace = "closed loop" if plan.rate is None else f"{plan.rate:g} lookups begun a second"
    facts = [
        report.daemon,
        f"{plan.clients} clients",
        f"{max(plan.processes, 1)} driver processes" if plan.processes > 1 else "1 driver process",
        pace,
        f"seed {plan.seed}",
        f"{report.seconds:.1f} s",
    ]
    yield f'<p class="facts">{escape(", ".join(facts))}</p>'
    kind = "passed" if report.passed else "failed"
    yield f'<p class="verdict {kind}">{escape(words.verdict(report))}</p>'
    yield f'<p class="facts">{escape(words.load(report))}</p>'


def _remarks(report: Report) -> Iterable[str]:
    remarks = [f"<li>{escape(remark)}</li>" for remark in words.remarks(report)]
    if remarks:
        yield "<ul>" + "".join(remarks) + "</ul>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name.capitalize())}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    return f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}</table></div>'


def _cell(text: str) -> str:
    number = ' class="number"' if text[:1].isdigit() and len(text) < 12 else ""
    return f"<td{number}>{escape(text)}</td>"
