"""README.md: what it shows runs, what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nspd.cli._demo_daemon import DemoDaemon
from tests.docs.running import output_of, programs

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKING, ASYNCHRONOUS = programs(ROOT / "README.md")


def test_the_cancel_in_ten_lines(demo_daemon: DemoDaemon) -> None:
    """The waiting loop is released by End in another thread, and says so in the words shown."""
    assert len([line for line in BLOCKING.splitlines() if line]) == 10
    (said,) = re.findall(r"print\(error\)  # (.*)", BLOCKING)
    *records, last = output_of(BLOCKING, demo_daemon.socket)
    assert records == ["localhost None"]
    assert last == said


def test_the_cancel_with_tasks(demo_daemon: DemoDaemon) -> None:
    """The scope is left, and the daemon holds no lookup any more."""
    assert output_of(ASYNCHRONOUS, demo_daemon.socket) == ["localhost None", "0"]


@pytest.mark.parametrize("name", ["demo command", "test command"])
def test_the_two_commands_are_one_line_each(name: str) -> None:
    """Each stands in a block directly after its mark, where .ci/run looks for it."""
    blocks = re.findall(rf"^<!-- {name} -->\n```sh\n(.*?)^```$", README, re.M | re.S)
    assert len(blocks) == 1
    assert blocks[0].startswith("python3 -m venv ")
    assert blocks[0].count("\n") == 1


def test_the_table_names_a_file_and_a_test_for_each_part() -> None:
    """No cell of it is without a reference (test_references.py looks whether they exist)."""
    table = README.split("| Part of the design |")[1].split("\n\n")[0]
    rows = [row.strip("|").split("|") for row in table.splitlines()[2:]]
    assert len(rows) > 10
    for part, file, test in rows:
        assert "`nspd/" in file, part
        assert "`tests/" in test, part


def test_the_tree_shows_each_room_once() -> None:
    """Every room of the package is in the tree, in the order of its layers."""
    tree = README.split("## The tree, in reading order\n\n```\n")[1].split("\n```")[0]
    shown = [Path(name).stem for name in re.findall(r"^nspd/(\S+)", tree, re.M)]
    package = ROOT / "nspd"
    rooms = {
        path.stem
        for path in package.iterdir()
        if not path.name.startswith("_") and path.suffix in ("", ".py")
    }
    assert sorted(shown) == sorted(rooms)


def test_every_document_is_listed() -> None:
    """The table of documents has them all."""
    listed = re.findall(r"\(docs/([\w-]+\.md)\)", README)
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= set(listed)
