"""Folding of names, and patterns with ``*`` and ``?``."""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.model.wildcard import folded, is_wildcard, matcher


def test_folding_ignores_case_but_not_composition() -> None:
    """Case 145: case makes no difference, a decomposed spelling is another name."""
    assert folded("STRASSE") == folded("straße")
    assert folded("\u00e9") != folded("e\u0301")


@pytest.mark.parametrize(
    ("text", "expected"), [("a", False), ("a*", True), ("?", True), ("[", False)]
)
def test_a_pattern_is_a_text_with_a_star_or_a_question_mark(text: str, expected: bool) -> None:
    """Only the two wildcard characters make a pattern."""
    assert is_wildcard(text) is expected


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("*", "", True),
        ("**", "anything", True),
        ("?", "", False),
        ("?", "ß", False),  # the folded name has two characters
        ("??", "ß", True),
        ("*.example", "a.b.example", True),
        ("*.example", ".example", True),
        ("*.example", "example", False),
        ("A?c", "aBC", True),
        ("a?c", "a\nc", True),
        ("a*", "a\nc", True),
        ("plain", "plain", True),
        ("plain", "plain\n", False),
        ("plain*", "plain\n", True),
        ("*plain", "plain\n", False),
        ("[ab]*", "[ab]x", True),
        ("[ab]*", "ax", False),
        ("[!a]?", "[!a]x", True),
        ("a.*", "abc", False),
        ("*\\", "a\\", True),
        ("a*ba*b", "aba", False),
        ("a*ba*b", "abab", True),
    ],
)
def test_patterns(pattern: str, name: str, expected: bool) -> None:
    """A pattern must match the whole name; nothing but ``*`` and ``?`` is special."""
    assert matcher(pattern)(folded(name)) is expected


def naive(pattern: str, name: str) -> bool:
    """The definition of a match, written as a recursion."""

    @cache
    def at(i: int, j: int) -> bool:
        if i == len(pattern):
            return j == len(name)
        if pattern[i] == "*":
            return at(i + 1, j) or (j < len(name) and at(i, j + 1))
        return j < len(name) and pattern[i] in ("?", name[j]) and at(i + 1, j + 1)

    return at(0, 0)


@given(st.text(st.sampled_from("ab*?[]!-\\"), max_size=12), st.text(st.sampled_from("ab[]!-\\")))
def test_a_matcher_agrees_with_the_definition(pattern: str, name: str) -> None:
    """Every pattern matches exactly the names that the recursive definition allows."""
    assert matcher(pattern)(name) is naive(pattern, name)


@pytest.mark.parametrize(
    "pattern", ["*a" * 500 + "*b", "*a?" * 330 + "b", "?*" * 500 + "b", "*" * 1000 + "b"]
)
def test_a_hostile_pattern_takes_no_long_time(pattern: str) -> None:
    """The longest patterns that a query may hold are refuted in milliseconds, not years."""
    name = "a" * 1024
    matches = matcher(pattern)
    started = time.process_time()
    assert not matches(name)
    assert time.process_time() - started < 1.0
