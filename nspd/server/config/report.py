"""What is said about a configuration: where something stands, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from msgspec import Struct

from nspd.server.config.toml_lines import KeyPath, line_of


class Origin(Struct, frozen=True):
    """Where a setting was given."""

    source: str
    """A file's name, "environment", "command line" or "default"."""
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


class Place(Struct, frozen=True):
    """A table of a file, which knows where its keys stand."""

    source: str
    lines: Mapping[KeyPath, int]
    path: KeyPath

    def origin(self, *keys: str) -> Origin:
        """Where a key of this table stands; without a key, the table itself."""
        return Origin(self.source, line_of(self.lines, self.path + keys))


class Problem(Struct, frozen=True):
    """One thing that is wrong with a configuration."""

    origin: Origin
    key: str
    """The setting, option or variable; empty where the whole source is meant."""
    message: str
    nearest: str | None = None
    """The known key that is most like an unknown one."""

    def __str__(self) -> str:
        subject = f"{self.origin}: {self.key}" if self.key else f"{self.origin}"
        hint = f"; the nearest known is {self.nearest!r}" if self.nearest else ""
        return f"{subject}: {self.message}{hint}"


class ConfigError(Exception):
    """A configuration cannot be used; `problems` says all that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


_WORDS = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number of seconds",
    "int": "an integer",
    "object": "a table",
    "str": "text",
}


def reason(error: ValueError) -> str:
    """What an error says to a person: msgspec's type names in words, its paths left out."""
    text = re.sub(r" - at `\$[^`]*`$", "", str(error))
    return re.sub(r"`(\w+)`", lambda match: _WORDS.get(match[1], match[0]), text)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one; empty where none is known."""
    return next(iter(get_close_matches(word, list(known), n=1, cutoff=0.0)), "")
