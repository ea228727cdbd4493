"""Scenario files: what they may say, and what the scenarios in them do."""

from __future__ import annotations

from pathlib import Path

import pytest

from nspd.model.errors import InvalidArgument
from nspd.race.drive import drive
from nspd.race.plan import Plan
from nspd.race.result import Report
from nspd.race.scenario_file import all_scenarios, parse
from nspd.race.scenarios import SCENARIOS
from tests.race.fake_daemon import FakeDaemon, serving

GATED = """\
[[scenario]]
name = "gated"
summary = "End behind a token"
query = "records=2&gate={gate}"
outcomes = ["record, cancelled", "record"]
weight = 0.5
steps = [
    { send = ["next"] },
    { send = ["token"], second = true },
    { wait = true },
    { send = ["next", "end"] },
]
"""


def steps(*lines: str, query: str = "records=1", outcomes: str = '["record"]') -> str:
    """A file with one scenario of these steps."""
    joined = ", ".join(lines)
    head = f'[[scenario]]\nname = "own"\nquery = "{query}"\noutcomes = {outcomes}\n'
    return f"{head}steps = [{joined}]\n"


async def raced(text: str, tmp_path: Path) -> Report:
    """Race the scenarios of a file against the fake daemon."""
    async with serving(FakeDaemon(), tmp_path / "s") as socket:
        return await drive(
            Plan(
                socket=socket,
                scenarios=list(parse(text)),
                scenario_files=[text],
                clients=2,
                lookups=6,
            )
        )


def test_read() -> None:
    """A file's scenarios stand beside those built in."""
    scenarios = all_scenarios([GATED])
    assert list(scenarios) == [*SCENARIOS, "gated"]
    gated = scenarios["gated"]
    assert (gated.summary, gated.weight, gated.gates) == ("End behind a token", 0.5, True)
    assert gated.outcomes == ("record, cancelled", "record")
    assert not parse(steps('{ send = ["next"] }'))["own"].gates


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("scenario = 5", "scenario"),
        ("[[scenario", "array"),
        ("", "scenario"),
        (steps('{ send = ["tea"] }'), "tea"),
        (steps('{ send = ["next"], pause = [0, 1] }'), "one of send, pause and wait"),
        (steps("{}"), "one of send, pause and wait"),
        (steps('{ send = ["next"], second = true }'), "only tokens"),
        (steps('{ send = ["end"], timeout = 1 }'), "timeout"),
        (steps('{ send = ["next"] }', "{ pause = [2, 1] }"), "shortest"),
        (steps('{ send = ["next"] }', "{ pause = [0, 1e9] }"), "60"),
        (steps('{ send = ["end"] }'), "must send next"),
        (steps('{ send = ["next", "token"] }'), "{gate}"),
        (steps('{ send = ["next"], colour = 1 }'), "colour"),
        (steps('{ send = ["next"] }', outcomes="[]"), "outcomes"),
        (steps('{ send = ["next"] }', query="records"), "bad query"),
        (GATED.replace('"gated"', '"end-vs-next"'), "taken"),
        (GATED.replace('"gated"', '"mixed"'), "taken"),
        (GATED + GATED, "taken"),
        (GATED.replace('"gated"', '"Two words"'), "name"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    """What makes no sense is refused, with the reason."""
    with pytest.raises(InvalidArgument, match=reason.replace("{", r"\{")):
        parse(text)


@pytest.mark.anyio
async def test_steps_are_taken(tmp_path: Path) -> None:
    """The steps are sent as they stand, and the outcomes are those of the calls in order."""
    report = await raced(GATED, tmp_path)
    [tally] = report.tallies
    assert tally.outcomes == {"record, cancelled": 6}
    assert not tally.violations


@pytest.mark.anyio
async def test_cancel_and_implied_end(tmp_path: Path) -> None:
    """A cancel request withdraws the last call; a lookup that no step ends is ended."""
    text = steps(
        '{ send = ["next", "cancel"] }',
        "{ pause = [0, 0.001] }",
        '{ send = ["next", "token"] }',
        query="records=1&gate={gate}",
        outcomes='["cancelled, record"]',
    )
    report = await raced(text, tmp_path)
    assert report.tallies[0].examples == []
    assert report.tallies[0].outcomes == {"cancelled, record": 6}
    assert report.after["lookups"] == 0


@pytest.mark.anyio
async def test_not_a_race(tmp_path: Path) -> None:
    """An End sent when all calls are answered is no race."""
    text = steps('{ send = ["next"] }', "{ wait = true }", '{ send = ["end"] }', query="records=0")
    report = await raced(text.replace('"record"', '"no more"'), tmp_path)
    [tally] = report.tallies
    assert (tally.lookups, tally.races, tally.unseen) == (6, 0, ["no more"])
