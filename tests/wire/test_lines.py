"""Cutting a stream into lines, within a bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nspd.wire.lines import LineBuffer
from tests.wire.streams import cuts, quick


def test_a_line_comes_once_its_newline_has_come() -> None:
    """What follows the last newline is held until its own arrives."""
    buffer = LineBuffer(100)
    assert buffer.split(b"one\ntwo\nthr") == [b"one", b"two"]
    assert buffer.buffered == 3
    assert buffer.split(b"ee") == []
    assert buffer.split(b"\n") == [b"three"]
    assert buffer.buffered == 0


def test_a_line_as_long_as_the_limit_is_taken() -> None:
    """The newline itself does not count."""
    buffer = LineBuffer(5)
    assert buffer.split(b"12345\n12345") == [b"12345"]
    assert buffer.split(b"\n") == [b"12345"]
    assert not buffer.overflowed


def test_a_longer_line_ends_everything() -> None:
    """Lines before the one that is too long are given, those after it are not."""
    buffer = LineBuffer(5)
    assert buffer.split(b"12345\n123456\n1\n") == [b"12345"]
    assert buffer.overflowed
    assert buffer.split(b"1\n") == []
    assert buffer.buffered == 0


def test_a_line_is_too_long_before_its_newline_comes() -> None:
    """One byte past the limit is enough to tell."""
    buffer = LineBuffer(5)
    assert (buffer.split(b"12345"), buffer.overflowed, buffer.buffered) == ([], False, 5)
    assert (buffer.split(b"6"), buffer.overflowed, buffer.buffered) == ([], True, 0)


def test_the_rest_can_be_taken_at_the_end() -> None:
    """Taking the unfinished line empties the buffer."""
    buffer = LineBuffer(5)
    buffer.split(b"1\n23")
    assert buffer.take_rest() == b"23"
    assert buffer.buffered == 0


@quick
@given(data=st.data(), text=st.lists(st.sampled_from([b"a", b"bb", b"\n"])).map(b"".join))
def test_cutting_the_input_changes_nothing(data: st.DataObject, text: bytes) -> None:
    """Any pieces of one input give the same lines, the same rest, the same overflow."""
    whole, pieces = LineBuffer(6), LineBuffer(6)
    lines = whole.split(text)
    got = [found for piece in data.draw(cuts(text)) for found in pieces.split(piece)]
    assert got == lines
    assert pieces.overflowed == whole.overflowed
    assert pieces.take_rest() == whole.take_rest()
