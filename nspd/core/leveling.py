"""Providers that are asked by level: NS_EMAIL has a primary, secondaries and wildcards.

The rule is `nspd.model.levels.by_level`; here it meets the catalog. The
providers of such a namespace are asked one after the other, the next one only
when the one before had no answer; LUP_NON_AUTHORITATIVE asks all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nspd.model.levels import AuthLevel, Claim, by_level

if TYPE_CHECKING:
    from nspd.core.catalog import Entry


def have_levels(entries: Iterable[Entry]) -> bool:
    """Whether levels make any difference among these providers.

    They do where a namespace has two that go by level, or one that may not be
    asked for every name.
    """
    leveled = [entry for entry in entries if entry.provider.leveled]
    several = any(count > 1 for count in Counter(entry.namespace for entry in leveled).values())
    return several or any(not entry.provider.supports_wildcard for entry in leveled)


def in_order(entries: Sequence[Entry], namespace: int, name: str | None) -> list[Entry]:
    """The providers to ask: those with levels by level, in the places of their namespace.

    A provider that may not be asked for the name is left out. So is one for
    which the name is none of its namespace's, unless that very namespace was
    asked for: then it says itself what is wrong with the name.

    Args:
        entries: the providers chosen so far, in catalog order.
        namespace: the namespace asked for; 0: NS_ALL.
        name: the name asked for; no name asks all of them, in catalog order.
    """
    groups: dict[int, list[Entry]] = {}
    for entry in entries:
        if entry.provider.leveled:
            groups.setdefault(entry.namespace, []).append(entry)
    ordered = {
        of: iter(members if not name else _by_level(members, name, named=of == namespace))
        for of, members in groups.items()
    }
    chosen = []
    for entry in entries:
        following = next(ordered[entry.namespace], None) if entry.provider.leveled else entry
        if following is not None:
            chosen.append(following)
    return chosen


def _by_level(members: list[Entry], name: str, *, named: bool) -> list[Entry]:
    levels = [entry.provider.level(name) for entry in members]
    if named and all(level is None for level in levels):
        return members
    claims = [
        Claim(AuthLevel.NONE, wildcard=False)
        if level is None
        else Claim(level, entry.provider.supports_wildcard)
        for entry, level in zip(members, levels, strict=True)
    ]
    return [members[place] for place in by_level(claims)]


def sequences(entries: Sequence[Entry]) -> list[list[int]]:
    """The positions of providers that are asked one after the other, for each namespace."""
    groups: dict[int, list[int]] = {}
    for place, entry in enumerate(entries):
        if entry.provider.leveled:
            groups.setdefault(entry.namespace, []).append(place)
    return [places for places in groups.values() if len(places) > 1]
