"""The lines of keys in TOML text."""

from __future__ import annotations

import tomllib
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nspd.server.config.toml_lines import KeyPath, key_lines, line_of


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", {}),
        ("\n# a = 1\n", {}),
        ("a = 1\nb = 2", {("a",): 1, ("b",): 2}),
        ("a = 1\r\n\r\nb = 2\r\n", {("a",): 1, ("b",): 3}),
        ("[t]\n  a = 1 # b = 2\nc = 3", {("t",): 1, ("t", "a"): 2, ("t", "c"): 3}),
        ("t.a = 1\n\nt . b.c = 2", {("t", "a"): 1, ("t", "b", "c"): 3}),
        (
            '"a.b" = 1\n\'c d\'."\\u0065" = 2',
            {("a.b",): 1, ("c d", "e"): 2},
        ),
        ('[ "t 1" . u ]\na = 1', {("t 1", "u"): 1, ("t 1", "u", "a"): 2}),
        (
            "[[p]]\na = 1\n[[p]]\n\na = 2",
            {("p", 0): 1, ("p", 0, "a"): 2, ("p", 1): 3, ("p", 1, "a"): 5},
        ),
        (
            "[[p]]\n[p.t]\na = 1\n[[p]]\n[[p.q]]\nb = 1\n[[p.q]]\nb = 2",
            {
                ("p", 0): 1,
                ("p", 0, "t"): 2,
                ("p", 0, "t", "a"): 3,
                ("p", 1): 4,
                ("p", 1, "q", 0): 5,
                ("p", 1, "q", 0, "b"): 6,
                ("p", 1, "q", 1): 7,
                ("p", 1, "q", 1, "b"): 8,
            },
        ),
        ("a = [\n 1, # ]\n 2,\n]\nb = 2", {("a",): 1, ("b",): 5}),
        ("a = [\n '[', \"]\\\"[\",\n]\nb = {c = '}'}\nd = 1", {("a",): 1, ("b",): 4, ("d",): 5}),
        ('a = """\nb = 1\n\\"""\n"""\nc = 1', {("a",): 1, ("c",): 5}),
        ("a = '''\nb = ''1\n\\'''\nc = 1", {("a",): 1, ("c",): 4}),
        ('a = """x""""" # "\nb = 1', {("a",): 1, ("b",): 2}),
        ('a = ""\nb = \'\'\nc = """"""\nd = 1', {("a",): 1, ("b",): 2, ("c",): 3, ("d",): 4}),
    ],
)
def test_each_key_has_its_line(text: str, lines: dict[KeyPath, int]) -> None:
    """Keys in their own spelling, tables and arrays of tables; nothing inside a value."""
    tomllib.loads(text)  # the case itself is valid TOML
    assert key_lines(text) == lines


def test_a_key_inside_an_inline_table_is_on_the_line_of_its_statement() -> None:
    """What has no line of its own has that of the nearest thing around it."""
    lines = key_lines("\n[t]\n\na = {b = {c = 1}}\n")
    assert line_of(lines, ("t", "a", "b", "c")) == 4
    assert line_of(lines, ("t", "z")) == 2
    assert line_of(lines, ("z",)) is None


_KEY = st.sampled_from(["a", "b-1", '"q.q"', "'l [#'", '"\\" ="'])
_VALUE = st.sampled_from(
    [
        "1",
        "true",
        '"x # ["',
        "'\"'",
        '"""\nk = 1\n[t]\n"""',
        "'''\n]\n\"'''",
        "[\n  1, # ] '\n  [2],\n]",
        "{ k = [1], 'm n' = '}' }",
        "[\"]\", '[']",
        "1979-05-27T07:32:00Z",
    ]
)


@given(st.lists(st.tuples(_KEY, _VALUE, st.booleans()), max_size=8))
def test_top_level_statements_are_found_whatever_their_values(
    statements: list[tuple[str, str, bool]],
) -> None:
    """Every key of a document that tomllib takes is found on the line where it was written."""
    text = ""
    expected: dict[KeyPath, int] = {}
    for index, (key, value, comment) in enumerate(statements):
        name: dict[str, Any] = tomllib.loads(f"{key} = 0")
        expected[(f"t{index}",)] = text.count("\n") + 1
        text += f"[t{index}]\n"
        expected[(f"t{index}", *name)] = text.count("\n") + 1
        text += f"{key} = {value}{' # = [' if comment else ''}\n"
    tomllib.loads(text)
    assert key_lines(text) == expected


def test_each_of_many_tables_has_its_own_index() -> None:
    """Tables of one array are told apart by their order."""
    text = dedent("""
        [[provider]]
        kind = "test"
    """)
    lines = key_lines(text * 500)
    assert lines["provider", 499, "kind"] == 499 * 3 + 3


@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.text(alphabet="ab.=[]{}\"'\\#\n 1,", max_size=14))
def test_whatever_tomllib_takes_is_scanned_to_its_end(text: str) -> None:
    """Whatever TOML it is, every key at the top has a line that the text has."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
    lines = key_lines(text)
    assert all(any(path[0] == key for path in lines) for key in document)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
