"""The ``[[provider]]`` tables of all files, as one list of catalog entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from nspd.model.namespaces import fixed_guid
from nspd.model.suffix import suffix
from nspd.server.config.report import Origin, Place, Problem, nearest, reason
from nspd.server.config.values import PROVIDER_KEYS, PROVIDER_SECTION, convert_key, convert_option
from nspd.server.kinds import Kind, KindError, Kinds
from nspd.server.settings import ProviderSettings

DEFAULT_KINDS = ("hosts", "registry", "email", "dns")
"""The catalog when no file has a ``[[provider]]``."""


class _Entry(Struct, frozen=True):
    """One ``[[provider]]`` whose own values are all right."""

    place: Place
    kind: Kind
    settings: ProviderSettings


class ProviderList:
    """Gathers providers and what is wrong with them, file by file.

    The first table in any file replaces the default list; those of further
    files come after it.
    """

    def __init__(self, kinds: Kinds, problems: list[Problem]) -> None:
        """Make the list.

        Args:
            kinds: the kinds that are installed.
            problems: where to add what is wrong.
        """
        self._kinds = kinds
        self._problems = problems
        self._entries: list[_Entry] | None = None

    def add(self, top: Place, tables: Any) -> None:
        """Take what a file has under ``provider``."""
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            origin = top.origin(PROVIDER_SECTION)
            self._report(origin, "", "write each provider as a table of its own, [[provider]]")
            return
        if self._entries is None:
            self._entries = []
        for index, table in enumerate(tables):
            place = Place(top.source, top.lines, (PROVIDER_SECTION, index))
            entry = self._entry(place, table)
            if entry is not None:
                self._entries.append(entry)

    def finish(self, state_dir: str) -> tuple[ProviderSettings, ...]:
        """The catalog entries in order, checked against each other."""
        if self._entries is None:
            nowhere = Place("default", {}, ())
            self.add(nowhere, [{"kind": kind} for kind in DEFAULT_KINDS])
        entries = self._entries or []
        self._check_distinct(entries)
        return tuple(self._finished(entry, state_dir) for entry in entries)

    def _report(self, origin: Origin, key: str, message: str, near: str | None = None) -> None:
        name = f"{PROVIDER_SECTION}.{key}" if key else PROVIDER_SECTION
        self._problems.append(Problem(origin, name, message, near))

    def _entry(self, place: Place, table: Mapping[str, Any]) -> _Entry | None:
        """One ``[[provider]]`` with its defaults; None after reporting what is wrong."""
        before = len(self._problems)
        kind = self._kind(place, table.get("kind"))
        if kind is None:
            return None
        common: dict[str, Any] = {}
        options: dict[str, Any] = {}
        for key, value in table.items():
            try:
                if key in PROVIDER_KEYS:
                    common[key] = convert_key(ProviderSettings, key, value)
                    if key == "domains":
                        for domain in common[key]:
                            suffix(domain)
                elif key in kind.options:
                    options[key] = convert_option(value, kind.options[key])
                else:
                    near = nearest(key, [*PROVIDER_KEYS, *kind.options])
                    message = f"the kind {table['kind']!r} has no such setting"
                    self._report(place.origin(key), key, message, near)
            except ValueError as error:
                self._report(place.origin(key), key, reason(error))
        for key in sorted(kind.required - set(table)):
            message = f"the kind {table['kind']!r} needs this setting"
            self._report(place.origin(), key, message)
        if len(self._problems) > before:
            return None
        namespace = common.setdefault("namespace", kind.namespace)
        common["provider_id"] = common.get("provider_id", fixed_guid(namespace)).lower()
        common.setdefault("identifier", common["kind"])
        return _Entry(place, kind, ProviderSettings(options=options, **common))

    def _kind(self, place: Place, name: Any) -> Kind | None:
        origin = place.origin("kind")
        if not isinstance(name, str):
            self._report(origin, "kind", "every provider needs a kind, as text")
            return None
        load = self._kinds.get(name)
        if load is None:
            message = f"no provider of the kind {name!r} is installed"
            self._report(origin, "kind", message, nearest(name, self._kinds))
            return None
        try:
            return load()
        except KindError as error:
            self._report(origin, "kind", str(error))
            return None

    def _finished(self, entry: _Entry, state_dir: str) -> ProviderSettings:
        """The entry's settings with the defaults of its options; all of them tried."""
        defaults = dict(entry.kind.defaults)
        if entry.settings.kind == "registry":
            defaults["store"] = f"sqlite:{state_dir}/registry.db"
        if entry.settings.kind == "email":
            # A database is one daemon's and one provider's: each is locked.
            guid = entry.settings.provider_id
            whose = "" if guid == fixed_guid(entry.kind.namespace) else f"-{guid}"
            defaults["store"] = f"sqlite:{state_dir}/email{whose}.db"
        options = {**defaults, **entry.settings.options}
        settings = msgspec.structs.replace(entry.settings, options=options)
        try:
            entry.kind.make(settings)
        except ValueError as error:
            self._report(entry.place.origin(), "", reason(error))
        return settings

    def _check_distinct(self, entries: list[_Entry]) -> None:
        taken: dict[str, _Entry] = {}
        for entry in entries:
            guid = entry.settings.provider_id
            other = taken.setdefault(guid, entry)
            if other is not entry:
                message = (
                    f"{guid} is already that of {other.settings.identifier!r} "
                    f"({other.place.origin()}); give one of them another"
                )
                self._report(entry.place.origin("provider_id"), "provider_id", message)
