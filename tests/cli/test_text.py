"""Text that is safe to show, and its width."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.cli._text import (
    counted,
    duration,
    json_printable,
    pad,
    printable,
    shorten,
    width_of,
)


@given(st.text())
def test_nothing_that_does_not_print_gets_through(text: str) -> None:
    """Whatever the text, what is shown is made of printing characters only."""
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain näme", "plain näme"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_are_shown_as_escapes(text: str, shown: str) -> None:
    """Escape sequences, line breaks, bidirectional overrides and surrogates become text."""
    assert printable(text) == shown


@given(st.text())
def test_escaped_json_means_the_same(text: str) -> None:
    """Escaping what does not print changes no value of compact JSON."""
    shown = json_printable(json.dumps({"name": text}, ensure_ascii=False))
    assert shown.isprintable()
    assert json.loads(shown) == {"name": text}


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("", 0)])
def test_width_counts_columns(text: str, width: int) -> None:
    """Wide characters take two columns, combining ones none."""
    assert width_of(text) == width
    assert width_of(pad(text, 9)) == 9


@given(st.text(st.characters(categories=["L", "N", "P"])), st.integers(1, 20))
def test_shortened_text_fits(text: str, width: int) -> None:
    """Shortened text takes no more columns than allowed; short text stays as it is."""
    shown = shorten(text, width)
    assert width_of(shown) <= width
    assert (shown == text) == (width_of(text) <= width)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.00042, "0.42 ms"),
        (0.25, "250 ms"),
        (3.14159, "3.14 s"),
        (125, "2 min 5 s"),
        (7500, "2 h 5 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations_have_fitting_units(seconds: float, text: str) -> None:
    """A duration is told in the unit that a person would use."""
    assert duration(seconds) == text


def test_nouns_agree_with_their_number() -> None:
    """One record, but no and two records; and address has an awkward plural."""
    assert [counted(n, "record") for n in (0, 1, 2)] == ["0 records", "1 record", "2 records"]
    assert counted(2, "address") == "2 addresses"
