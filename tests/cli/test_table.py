"""Tables that fit the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.cli._table import column_widths, table


def test_columns_are_aligned() -> None:
    """Every column begins at the same place in each line, and no line ends in spaces."""
    lines = list(table(("NAME", "N"), [("a", "1"), ("longer", "22")]))
    assert lines == ["NAME    N", "a       1", "longer  22"]


def test_the_widest_column_gives_way() -> None:
    """In a narrow terminal the long cell is cut and the short ones stay whole."""
    lines = list(table(("NAME", "N"), [("x" * 50, "1")], room=20))
    assert lines[1] == "x" * 16 + "…  1"
    assert max(map(len, lines)) <= 20


def test_nothing_is_cut_in_a_pipe() -> None:
    """Without a terminal there is no room to fit into."""
    assert list(table(("NAME",), [("x" * 500,)]))[1] == "x" * 500


@given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(1, 200))
def test_widths_fit_unless_columns_are_at_their_narrowest(natural: list[int], room: int) -> None:
    """The table fits the room, or no column could give more; none is wider than it needs."""
    widths = column_widths(natural, room)
    assert all(width <= need for width, need in zip(widths, natural, strict=True))
    fits = sum(widths) + 2 * (len(widths) - 1) <= room
    assert fits or all(width <= 4 for width in widths)


@pytest.mark.parametrize("room", [None, 80])
def test_a_table_that_fits_is_left_alone(room: int | None) -> None:
    """Where there is room, every column has its natural width."""
    assert column_widths([3, 10, 5], room) == [3, 10, 5]
