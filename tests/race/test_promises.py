"""docs/judge.md says what the judge does."""

from __future__ import annotations

import re
from pathlib import Path

from nspd.race.promises import UNSEEN
from tests.race.liar.lies import LIES

PAGE = (Path(__file__).parents[2] / "docs" / "judge.md").read_text("utf-8")


def rows(heading: str) -> dict[str, str]:
    """The first table under a heading."""
    table = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| ([\w]+) \| (.*) \|$", table, re.M)[1:])


def test_what_is_not_judged_is_documented() -> None:
    """The table has what the code says, word for word."""
    assert rows("What is not judged") == dict(UNSEEN)


def test_every_violation_is_documented_and_lied_about() -> None:
    """Each promise of the table has a lie; only a shape is found without one."""
    assert rows("What is a violation").keys() - {"shape"} == {lie.promise for lie in LIES.values()}


def test_every_promise_is_accounted_for() -> None:
    """C1 to C15 are judged, or it is said why not."""
    told = rows("What is a violation").keys() | UNSEEN.keys()
    assert {f"C{number}" for number in range(1, 16)} <= told


def test_so_many_lies() -> None:
    """There are as many lies as the document says."""
    assert len(LIES) > 50
