"""docs/race.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nspd.race.scenarios import SCENARIOS

PAGE = (Path(__file__).parents[2] / "docs" / "race.md").read_text()


def test_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The example of the judge runs, and prints what its last line says."""
    [example] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "docs/race.md", "exec"), {})
    expected = example.splitlines()[-1].removeprefix("# ")
    assert capsys.readouterr().out == f"{expected}\n"


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_is_documented(name: str) -> None:
    """Each scenario has a row with its legal outcomes."""
    [row] = re.findall(rf"^\| `{name}` \|.*$", PAGE, re.MULTILINE)
    outcomes = row.split("|")[3]
    assert [outcome for outcome in SCENARIOS[name].outcomes if outcome not in outcomes] == []
