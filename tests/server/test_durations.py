"""Durations in the configuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.server.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("2.5", 2.5),
        ("1500ms", 1.5),
        ("2min", 120.0),
        ("1h 30min", 5400.0),
        ("1h30m", 5400.0),
        (" 250 us ", 0.00025),
        ("0.5 s", 0.5),
        ("1 day 1 second", 86401.0),
    ],
)
def test_a_duration_is_a_sum_of_numbers_with_units_or_a_bare_number(
    text: str, seconds: float
) -> None:
    """Units add up; a bare number is seconds."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", " ", "s", "-1", "-1s", "1 parsec", "1s 2", "2 1s", "1e3", "nan", "inf", "1.s", "1,5s"],
)
def test_other_text_is_refused_and_quoted(text: str) -> None:
    """What is no duration is an error that shows the text."""
    with pytest.raises(ValueError, match="is not a duration") as caught:
        parse_duration(text)
    assert repr(text) in str(caught.value)


def test_a_duration_too_long_to_count_is_refused() -> None:
    """A number that overflows to infinity is no duration."""
    with pytest.raises(ValueError, match="too long"):
        parse_duration("9" * 400)


@given(st.text(alphabet="0123456789. mshdinuµ-", max_size=12))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    """No text raises anything but ValueError, and no duration is negative."""
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert seconds >= 0
