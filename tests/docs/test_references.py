"""The files, tests and names to which README.md and the documents point are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
REFERENCE = re.compile(
    r"`((?:nspd|docs|config|bench)/[\w./-]+\.\w+|tests/[\w./-]+|\.ci/run|Dockerfile)(?:::(\w+))?`"
)
"""A file of the tree, or a directory of tests, and what is in it."""

CANCELLATION = (ROOT / "docs" / "cancellation.md").read_text("utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_and_tests_that_are_named_exist(document: Path) -> None:
    """Each path in backticks is a file or directory, and holds the test or class named with it."""
    missing = []
    for path, name in REFERENCE.findall(document.read_text("utf-8")):
        target = ROOT / path
        if not target.exists() or (
            name
            and not re.search(
                rf"^(async def|def|class) {name}\b", target.read_text("utf-8"), re.MULTILINE
            )
        ):
            missing.append(f"{path}::{name}" if name else path)
    assert missing == []


def test_links_of_the_readme_lead_somewhere() -> None:
    """A relative link names a file that is there."""
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / "README.md").read_text("utf-8"))
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_promise_has_a_test() -> None:
    """C1 to C15 stand in their order, each with at least one test."""
    promises = re.findall(r"^\*\*C(\d+)\..*?\n— (.*)$", CANCELLATION, re.M)
    assert [int(number) for number, _ in promises] == list(range(1, 16))
    assert [number for number, shown in promises if "`tests/" not in shown] == []


def test_every_race_is_a_test_by_its_name() -> None:
    """The table of races and the tests of tests/core/test_cancellation.py name the same."""
    table = CANCELLATION.split("\n## Races by name\n")[1].split("\n## ")[0]
    named = re.findall(r"^\| ([a-z-]+) \|", table, re.M)
    tests = (ROOT / "tests" / "core" / "test_cancellation.py").read_text("utf-8")
    defined = set(re.findall(r"^async def test_(\w+)\(", tests, re.M))
    assert len(named) == 20
    assert [name for name in named if name.replace("-", "_") not in defined] == []
