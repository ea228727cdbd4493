"""The catalog: which providers there are, in which order, and which of them a lookup asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from nspd.core.choice import Claims, claims_on
from nspd.core.leveling import have_levels, in_order
from nspd.core.provider import Provider
from nspd.model.errors import InvalidArgument, ServiceNotFound
from nspd.model.queryset import QuerySet
from nspd.model.suffix import suffix
from nspd.model.verdict import Outcome


class Entry:
    """One provider in the catalog, and what the router keeps about it."""

    __slots__ = (
        "active",
        "budget",
        "detached",
        "detached_of",
        "domains",
        "elapsed",
        "identifier",
        "namespace",
        "outcomes",
        "provider",
        "provider_id",
        "records",
        "running",
    )

    def __init__(
        self,
        provider: Provider,
        *,
        active: bool = True,
        budget: float | None = None,
        domains: Iterable[str] = (),
    ) -> None:
        self.provider = provider
        self.provider_id = provider.provider_id
        self.namespace = provider.namespace
        self.identifier = provider.identifier
        self.active = active
        self.budget = budget
        """Seconds for this provider's part of one lookup; None: no limit of its own."""
        self.domains = tuple(map(suffix, domains))
        """Suffixes that it claims; empty, or with "": whatever no other claims."""
        self.detached = 0
        """Its work that was cancelled and still runs after ``end_grace``."""
        self.detached_of: dict[int, int] = {}
        """The same by uid."""
        self.running = 0
        """Tasks of the provider that have not ended."""
        self.outcomes: dict[Outcome, int] = {}
        """Parts of lookups that are over, by how they ended; with `records` and `elapsed`."""
        self.records = 0
        self.elapsed = 0.0

    def note(self, outcome: Outcome, records: int, elapsed: float) -> None:
        """Count one part that is over."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.records += records
        self.elapsed += elapsed

    def stamped(self, record: QuerySet) -> QuerySet:
        """The record with the members that every record has, whoever made it."""
        if (
            record.provider_id == self.provider_id
            and record.namespace is not None
            and record.context is not None
            and record.output_flags is not None
        ):
            return record
        return msgspec.structs.replace(
            record,
            namespace=self.namespace if record.namespace is None else record.namespace,
            provider_id=self.provider_id,
            context=record.context or "",
            output_flags=record.output_flags or 0,
        )


class Catalog:
    """The entries in order. Changes are told to those who wait for one, once each."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = list(entries)
        self._by_id = {entry.provider_id: entry for entry in self._entries}
        if len(self._by_id) != len(self._entries):
            raise ValueError("two providers have the same GUID")
        self.leveled = have_levels(self._entries)
        """Whether some are asked one after the other, by level."""
        self._by_namespace: dict[int, tuple[list[Entry], Claims | None]] = {}
        self._watchers: dict[int, Callable[[], None]] = {}
        self._tickets = 0
        self._tell_claims()

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def find(self, provider_id: str) -> Entry:
        """The entry with this GUID.

        Raises:
            InvalidArgument: there is none.
        """
        entry = self._by_id.get(provider_id.lower())
        if entry is None:
            raise InvalidArgument(f"no provider has the GUID {provider_id}")
        return entry

    def choose(self, provider_id: str | None, namespace: int, name: str | None) -> list[Entry]:
        """The active providers that a lookup asks, in catalog order; those with levels by level.

        Args:
            provider_id: ask just this one (the namespace is then ignored).
            namespace: ask all of this namespace; 0 (NS_ALL) all that take part in it.
            name: the name asked for, for the suffixes that providers claim.

        Raises:
            ServiceNotFound: there is none.
        """
        if provider_id is not None:
            entry = self._by_id.get(provider_id.lower())
            chosen = [entry] if entry is not None and entry.active else []
        else:
            chosen, claims = self._serving(namespace)
            if claims is not None:
                route = claims.route(name)
                chosen = [entry for entry in chosen if route.leads_to(entry.domains) is not None]
                if not chosen and route.suffix is not None:
                    raise ServiceNotFound(
                        f"names under {route.suffix} go only to the providers that claim it "
                        "(domains), and none of them is active here"
                    )
            if self.leveled:
                chosen = in_order(chosen, namespace, name)
        if not chosen:
            where = f"GUID {provider_id}" if provider_id is not None else f"namespace {namespace}"
            raise ServiceNotFound(f"no active provider for {where}")
        return chosen

    def _serving(self, namespace: int) -> tuple[list[Entry], Claims | None]:
        """The active providers of a namespace, and the suffixes claimed there, if any are.

        Worked out once for each state of the catalog.
        """
        known = self._by_namespace.get(namespace)
        if known is None:
            serving = [
                entry
                for entry in self._entries
                if entry.active
                and (entry.namespace == namespace or (namespace == 0 and entry.provider.in_all))
            ]
            known = serving, claims_on(namespace, self._entries) or None
            if serving:
                self._by_namespace[namespace] = known
        return known

    def configure(self, entry: Entry, *, budget: float | None, domains: Iterable[str]) -> None:
        """Give a provider another budget and other suffixes, for the lookups to come."""
        entry.budget = budget
        entry.domains = tuple(map(suffix, domains))
        self._by_namespace.clear()
        self._tell_claims()

    def _tell_claims(self) -> None:
        for entry in self._entries:
            claims = claims_on(entry.namespace, self._entries)
            entry.provider.foreign = claims.foreign_to(entry.domains)

    def enable(self, entry: Entry, active: bool) -> bool:
        """Switch a provider on or off; whether that changed anything."""
        if entry.active == active:
            return False
        entry.active = active
        self._changed()
        return True

    def reorder(self, provider_ids: Sequence[str]) -> None:
        """Set the order.

        Raises:
            InvalidArgument: not every provider is named exactly once.
        """
        wanted = [provider_id.lower() for provider_id in provider_ids]
        if sorted(wanted) != sorted(self._by_id):
            raise InvalidArgument("the order must name every provider exactly once")
        entries = [self._by_id[provider_id] for provider_id in wanted]
        if entries != self._entries:
            self._entries = entries
            self._changed()

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` once, at the next change; returns what takes that back."""
        self._tickets += 1
        ticket = self._tickets
        self._watchers[ticket] = changed
        return lambda: self._watchers.pop(ticket, None) and None

    def _changed(self) -> None:
        self._by_namespace.clear()
        watchers, self._watchers = self._watchers, {}
        for changed in watchers.values():
            changed()
