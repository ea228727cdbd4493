"""On which line of a TOML text each key stands.

tomllib gives values without their places, and an error message must name the
line. The scanner is for text that tomllib has accepted: it finds its way by
keys, brackets and quotes, and judges nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

KeyPath = tuple[str | int, ...]
"""Keys from the top of the document; a number picks one table of an array of tables."""

_KEY_PART = re.compile(r"""[ \t]*([A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|'
    r"'''.*?'{3,5}|"
    r'"(?:[^"\\\n]|\\.)*"|'
    r"'[^'\n]*'",
    re.DOTALL,
)
_BETWEEN = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of every key and every table header of a valid TOML text.

    Keys inside inline tables and arrays are not listed: they belong to the
    statement that they stand in; `line_of` knows.
    """
    lines: dict[KeyPath, int] = {}
    sizes: dict[KeyPath, int] = {}
    table: KeyPath = ()
    position = _past(_BETWEEN, text, 0)
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        brackets = 2 if text.startswith("[[", position) else int(text[position] == "[")
        parts, position = _key(text, position + brackets)
        if brackets == 0:
            lines.setdefault(table + parts, line)
            position = _past_value(text, position)
        else:
            *parents, last = parts
            table = (*_inside(tuple(parents), sizes), last)
            if brackets == 2:
                sizes[table] = sizes.get(table, 0) + 1
            table = _inside((last,), sizes, table[:-1])
            lines.setdefault(table, line)
            position += brackets
        position = _past(_BETWEEN, text, position)
    return lines


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int | None:
    """The line of a key, or of the nearest thing around it that has one."""
    for length in range(len(path), 0, -1):
        line = lines.get(path[:length])
        if line is not None:
            return line
    return None


def _inside(parts: tuple[str, ...], sizes: Mapping[KeyPath, int], start: KeyPath = ()) -> KeyPath:
    """The path that header parts mean: of an array of tables, always the last one."""
    path = start
    for part in parts:
        path = (*path, part)
        if path in sizes:
            path = (*path, sizes[path] - 1)
    return path


def _past(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return position if match is None else match.end()


def _key(text: str, position: int) -> tuple[tuple[str, ...], int]:
    """A dotted key, and the position after it."""
    parts: list[str] = []
    while (match := _KEY_PART.match(text, position)) is not None:
        written = match[1]
        quoted = written[0] in "\"'"
        parts.append(tomllib.loads(f"key = {written}")["key"] if quoted else written)
        position = match.end()
        if text[position : position + 1] != ".":
            break
        position += 1
    return tuple(parts), position


def _past_value(text: str, position: int) -> int:
    """The end of the statement whose value begins here: a line's end outside all brackets."""
    depth = 0
    while position < len(text):
        character = text[position]
        if character in "\"'":
            # Always onwards, so that text which is no TOML after all cannot hold us up.
            position = max(position + 1, _past(_STRING, text, position))
            continue
        if character == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
            continue
        if character == "\n" and depth == 0:
            break
        depth += (character in "[{") - (character in "]}")
        position += 1
    return position
