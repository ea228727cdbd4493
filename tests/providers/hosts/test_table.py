"""The table of a hosts file."""

from __future__ import annotations

from nspd.providers.hosts.lines import HostLine
from nspd.providers.hosts.loading import load
from nspd.providers.hosts.table import HostTable


def no_pause() -> None:
    """Nobody else wants to run."""


def table_of(text: str) -> HostTable:
    """The table of a file without broken lines."""
    loaded = load([text.encode()], no_pause)
    assert loaded.broken == 0
    return loaded.table


TABLE = table_of("""\
10.0.0.1 One ein A a
10.0.0.2 two one.
fe80::1%3 one
fe80::1%4 four
10.0.0.1 five
10.0.0.1 ONE
""")


def test_lines_of_a_name_come_in_file_order_and_once_each() -> None:
    """Case, a trailing dot and a repetition in one line make no difference."""
    assert [line.address for line in TABLE.named("one")] == [
        "10.0.0.1",
        "10.0.0.2",
        "fe80::1%3",
        "10.0.0.1",
    ]
    assert list(TABLE.named("a")) == [HostLine("10.0.0.1", ("One", "ein", "A", "a"))]
    assert list(TABLE.named("none")) == []
    assert TABLE.lines == 6


def test_canonical_names_come_once_each() -> None:
    """A line whose canonical name came before gives None."""
    assert list(TABLE.leading()) == ["one", "two", None, "four", "five", None]


def test_canonical_names_of_an_address() -> None:
    """Only lines of that address count; one without a scope stands for every scope."""
    assert list(TABLE.leading("10.0.0.1")) == ["one", "five", None]
    assert list(TABLE.leading("fe80::1")) == ["one", "four"]
    assert list(filter(None, TABLE.leading("fe80::1%4"))) == ["four"]
    assert list(TABLE.leading("10.9.9.9")) == []


def test_counting_the_lines_of_an_address_stops_early() -> None:
    """Whether there are more than a limit, exactly at the limit."""
    assert TABLE.more_addressed("10.0.0.1", 2)
    assert not TABLE.more_addressed("10.0.0.1", 3)


def test_a_name_that_is_only_a_dot_can_neither_be_found_nor_break_anything() -> None:
    """The line stays, for its other names."""
    table = table_of("10.0.0.1 . a\n")
    assert list(table.named("")) == []
    assert [line.names for line in table.named("a")] == [(".", "a")]
    assert list(table.leading()) == [None]


def test_a_table_that_nothing_was_added_to_is_empty() -> None:
    """Whether it was built of nothing or not at all."""
    for table in (HostTable(), table_of("# nothing\n")):
        assert table.lines == 0
        assert list(table.named("a")) == []
        assert list(table.leading()) == []


def test_positions_count_bytes() -> None:
    """A line behind names that are not ASCII is found as well as any other."""
    table = table_of("10.0.0.1 bücher straße 名前\n10.0.0.2 a b\n10.0.0.3 c\n")
    assert [line.address for line in table.named("b")] == ["10.0.0.2"]
    assert [line.address for line in table.named("c")] == ["10.0.0.3"]
    assert [line.names for line in table.named("strasse")] == [("bücher", "straße", "名前")]
