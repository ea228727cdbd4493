"""Which providers a lookup asks, and by which rule. No state, no tasks.

A provider may claim suffixes of names (the setting ``domains``). Of all the
suffixes claimed under which a name lies, the longest decides: the providers
that list it are asked, and nobody else learns the name. A provider that claims
none takes the names that nobody claims; one that lists "." takes those as well.

A claim holds for lookups in every namespace, and also while its provider is
switched off: a name that is meant for one network must not be told to another
because something failed. Only a GUID given by the caller overrules it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from nspd.core.leveling import have_levels, in_order, sequences
from nspd.model.suffix import Foreign, fixed_tail, longest_over, routing_forms

if TYPE_CHECKING:
    from nspd.core.catalog import Entry

Rule = Literal[
    "provider_id",
    "namespace",
    "all",
    "domains",
    "inactive",
    "other_provider",
    "other_namespace",
    "not_in_all",
    "claimed",
    "outside_domains",
    "no_level",
]
"""Why a provider is asked (the first four), or is not."""


_REMEMBERED = 1024
"""Names whose way is remembered: it takes a while to find for one that is not ASCII."""


class Choice(Struct, frozen=True):
    """What was decided about one provider of the catalog."""

    entry: Entry
    asked: bool
    rule: Rule
    domain: str | None = None
    """The suffix that decided, if one did."""
    turn: int | None = None
    """Of providers that are asked by level, one after the other: its turn, from 1 on."""


class Route(Struct, frozen=True):
    """Where a name belongs."""

    suffix: str | None
    """The most specific claimed suffix that it lies under; None: nobody claims it."""
    below: frozenset[str] = frozenset()
    """For a pattern, the suffixes under which names that match may lie."""

    def leads_to(self, domains: Sequence[str]) -> str | None:
        """The suffix for which a provider with these domains is asked; None: it is not.

        "" if it is asked because nobody claims the name.
        """
        if self.suffix is not None and self.suffix in domains:
            return self.suffix
        for domain in domains:
            if domain in self.below:
                return domain
        return "" if self.suffix is None and (not domains or "" in domains) else None


class Claims:
    """The suffixes that the providers of a catalog claim."""

    def __init__(self, domains: Iterable[str]) -> None:
        """Take the suffixes as `nspd.model.suffix.suffix` gives them; "" claims nothing."""
        self._suffixes = frozenset(domains) - {""}
        self._most_labels = max((len(each.split(".")) for each in self._suffixes), default=0)
        self.route = lru_cache(maxsize=_REMEMBERED)(self._route)
        """Where a name belongs; a pattern belongs wherever names that match it may."""

    def __bool__(self) -> bool:
        return bool(self._suffixes)

    def foreign_to(self, domains: Iterable[str]) -> Foreign | None:
        """The names that belong to others, for who claims these domains; None: no name does."""
        own = frozenset(domains) - {""}
        others = self._suffixes - own
        return Foreign(own, others) if others else None

    def _route(self, name: str | None) -> Route:
        tail = fixed_tail(name) if name else ""
        if tail is None:
            assert name is not None
            return Route(longest_over(name, self._suffixes, self._most_labels))
        ends = tuple(f".{form}" if form else "" for form in routing_forms(tail))
        below = frozenset(suffix for suffix in self._suffixes if suffix.endswith(ends))
        return Route(longest_over(tail, self._suffixes, self._most_labels), below)


def claims_on(namespace: int, entries: Iterable[Entry]) -> Claims:
    """The claims that hold for lookups in a namespace (0: NS_ALL).

    A provider that keeps out of NS_ALL claims names in its own namespace only.
    """
    return Claims(
        domain
        for entry in entries
        if entry.provider.in_all or entry.namespace == namespace
        for domain in entry.domains
    )


def decide(
    entries: Sequence[Entry], provider_id: str | None, namespace: int, name: str | None
) -> list[Choice]:
    """What becomes of each provider of the catalog, in its order, for one lookup.

    Args:
        entries: the catalog.
        provider_id: ask just this one, whatever its namespace and whoever claims the name.
        namespace: ask all of this namespace; 0 (NS_ALL) all that take part in it.
        name: the name asked for; None or "" asks for all names.
    """
    if provider_id is not None:
        wanted = provider_id.lower()
        return [
            Choice(entry, False, "other_provider")
            if entry.provider_id != wanted
            else Choice(entry, entry.active, "provider_id" if entry.active else "inactive")
            for entry in entries
        ]
    route = claims_on(namespace, entries).route(name)
    choices = [_decide(entry, namespace, route) for entry in entries]
    return _with_turns(choices, namespace, name) if have_levels(entries) else choices


def _with_turns(choices: list[Choice], namespace: int, name: str | None) -> list[Choice]:
    ordered = in_order([choice.entry for choice in choices if choice.asked], namespace, name)
    turns = {
        ordered[place]: turn
        for places in sequences(ordered)
        for turn, place in enumerate(places, start=1)
    }
    return [
        msgspec.structs.replace(choice, turn=turns.get(choice.entry))
        if not choice.asked or choice.entry in ordered
        else Choice(choice.entry, False, "no_level")
        for choice in choices
    ]


def _decide(entry: Entry, namespace: int, route: Route) -> Choice:
    if namespace == 0 and not entry.provider.in_all:
        return Choice(entry, False, "not_in_all")
    if namespace not in (0, entry.namespace):
        return Choice(entry, False, "other_namespace")
    domain = route.leads_to(entry.domains)
    if domain is None:
        if route.suffix is not None:
            return Choice(entry, False, "claimed", route.suffix)
        return Choice(entry, False, "outside_domains")
    if not entry.active:
        return Choice(entry, False, "inactive")
    if domain:
        return Choice(entry, True, "domains", domain)
    return Choice(entry, True, "namespace" if namespace else "all")
