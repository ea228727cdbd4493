"""Scenario files: TOML with a table ``[[scenario]]`` for each scenario (docs/race.md)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from nspd.model.errors import InvalidArgument
from nspd.race.plan import MIXED
from nspd.race.scenario import Scenario
from nspd.race.scenarios import SCENARIOS
from nspd.race.scripted import Script, scripted


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    scenario: tuple[Script, ...]


def parse(text: str) -> dict[str, Scenario]:
    """The scenarios that a file defines, by name.

    Raises:
        InvalidArgument: it is no such file; the text says where and why.
    """
    try:
        scripts = msgspec.convert(tomllib.loads(text), _File).scenario
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InvalidArgument(str(error)) from error
    names = [script.name for script in scripts]
    for name in names:
        if name in SCENARIOS or name == MIXED or names.count(name) > 1:
            raise InvalidArgument(f"the name {name!r} is taken")
    return scripted(scripts)


def all_scenarios(texts: Iterable[str]) -> dict[str, Scenario]:
    """The built-in scenarios and those of these files, by name; a later file wins.

    Raises:
        InvalidArgument: a text is no scenario file.
    """
    found = dict(SCENARIOS)
    for text in texts:
        found |= parse(text)
    return found
