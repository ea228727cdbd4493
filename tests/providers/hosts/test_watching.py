"""What a watcher of the hosts file is told."""

from __future__ import annotations

import pytest

from nspd.model.flags import ResultFlags
from nspd.providers.hosts.asking import RecordMaker
from nspd.providers.hosts.loading import load
from nspd.providers.hosts.questions import question
from nspd.providers.hosts.table import HostTable
from nspd.providers.hosts.watching import Told

Change = tuple[str | None, ResultFlags]


def table_of(text: str) -> HostTable:
    """The table of a file, one line for each semicolon."""
    return load([text.replace(";", "\n").encode()], lambda: None).table


class Watcher:
    """A watcher, and the file that it watches."""

    def __init__(self, name: str, text: str, families: frozenset[str] | None = None) -> None:
        self.table = table_of(text)
        self.told = Told(question(name), RecordMaker(11, "guid", families, True), self.table)

    def read(self) -> list[Change]:
        """All that there is to tell, as names and changes."""
        return [
            (change.service_instance_name, ResultFlags(change.output_flags or 0))
            for changes in self.told.changes(lambda: self.table)
            for change in changes
        ]


ADDED, CHANGED, DELETED = ResultFlags.ADDED, ResultFlags.CHANGED, ResultFlags.DELETED
ALIAS = ResultFlags.ALIAS


@pytest.mark.parametrize(
    ("name", "before", "after", "expected"),
    [
        ("a", "", "1.1.1.1 a", [("a", ADDED)]),
        ("a", "1.1.1.1 a", "", [("a", DELETED)]),
        ("a", "1.1.1.1 a", "1.1.1.2 a", [("a", CHANGED)]),
        ("a", "1.1.1.1 a", "1.1.1.1 a;::1 a", [("a", CHANGED)]),
        ("a", "1.1.1.1 a", "# hello;1.1.1.1 a;1.1.1.2 b", []),
        ("a", "1.1.1.1 a", "1.1.1.1 A", [("A", CHANGED)]),
        ("a", "1.1.1.1 a", "1.1.1.1 a x", [("x", ADDED | ALIAS)]),
        ("x", "1.1.1.1 a x", "1.1.1.1 b x", [("a", DELETED), ("b", ADDED), ("x", CHANGED | ALIAS)]),
        ("*", "1.1.1.1 a;1.1.1.2 b", "1.1.1.2 b;1.1.1.3 c", [("a", DELETED), ("c", ADDED)]),
        ("?x", "1.1.1.1 ax", "1.1.1.1 abx", [("ax", DELETED)]),
        ("1.1.1.1", "1.1.1.1 a", "1.1.1.2 a;1.1.1.1 b", [("a", DELETED), ("b", ADDED)]),
    ],
)
def test_changes_between_two_states(
    name: str, before: str, after: str, expected: list[Change]
) -> None:
    """The question decides what is told; what stays as it was is not."""
    watcher = Watcher(name, before)
    watcher.table = table_of(after)
    assert watcher.read() == expected
    assert watcher.told.table is watcher.table
    assert watcher.read() == []


def test_changes_of_another_family_are_not_told() -> None:
    """A watch of IPv4 addresses hears nothing of IPv6."""
    watcher = Watcher("a", "1.1.1.1 a", frozenset({"inet"}))
    watcher.table = table_of("1.1.1.1 a;::1 a")
    assert watcher.read() == []


def test_a_slow_reader_is_told_the_last_state_of_each_name() -> None:
    """C7: what changes while the watcher is told of other names is told once, as it is then."""
    watcher = Watcher("*", "1.1.1.1 a;1.1.1.1 b;1.1.1.1 c")
    watcher.table = table_of("1.1.1.2 a;1.1.1.2 b;1.1.1.1 c;1.1.1.1 d")
    changes = watcher.told.changes(lambda: watcher.table)
    (first,) = next(changes)
    assert (first.service_instance_name, first.output_flags) == ("a", CHANGED)
    # Here the reader is slow: b changes back, d is gone before it was told of, c changes.
    watcher.table = table_of("1.1.1.3 a;1.1.1.1 b;1.1.1.9 c")
    rest = [change for some in changes for change in some]
    assert {(change.service_instance_name, change.output_flags) for change in rest} == {
        ("c", CHANGED),
        ("a", CHANGED),
    }
    assert watcher.told.table is not watcher.table
    assert watcher.read() == []
    assert watcher.told.table is watcher.table


def test_a_name_told_of_in_between_is_taken_back() -> None:
    """C7: what was told as added and is in neither of the tables any more, is told as deleted."""
    watcher = Watcher("*", "1.1.1.1 a")
    watcher.table = table_of("1.1.1.2 a;1.1.1.1 new;1.1.1.1 later")
    changes = watcher.told.changes(lambda: watcher.table)
    told: list[str | None] = []
    while "new" not in told:
        told += [change.service_instance_name for change in next(changes)]
    watcher.table = table_of("1.1.1.2 a")
    assert [change for some in changes for change in some] == []
    assert watcher.read() == [("new", DELETED)]
    assert watcher.read() == []
