"""The kinds of provider that are installed, and what each can be told.

Kinds are found through the entry points of the group ``nspd.providers``, ours
and third parties' alike. The options of a kind are the keyword parameters of
its constructor beside those that every provider has; their annotations are
the types that the configuration checks; a parameter that no text can give, such
as a function, is no option. A constructor does no I/O: it is also called to
find out whether its options make sense.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial, reduce
from importlib.metadata import EntryPoint, entry_points
from operator import or_
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from nspd.core.provider import Provider
from nspd.server.settings import ProviderSettings

GROUP = "nspd.providers"


class KindError(Exception):
    """A kind of provider is installed but cannot be used."""


class Kind(Struct, frozen=True):
    """One kind of provider, as far as the configuration needs to know it."""

    provider: type[Provider]
    options: Mapping[str, Any]
    """The type of each option."""
    defaults: Mapping[str, Any]
    """The values of options that are left out; one whose default is None has none."""
    required: frozenset[str]
    """The options that cannot be left out."""

    @property
    def namespace(self) -> int:
        """The namespace served unless the configuration says otherwise."""
        return int(self.provider.namespace)

    def make(self, settings: ProviderSettings) -> Provider:
        """The provider of one catalog entry, not yet running.

        Raises:
            ValueError: its options have an impossible value.
        """
        return self.provider(
            provider_id=settings.provider_id,
            identifier=settings.identifier,
            namespace=settings.namespace,
            **settings.options,
        )


Kinds = Mapping[str, Callable[[], Kind]]
"""Every kind by its name; calling one imports its provider."""


def kind_of(provider: type[Provider]) -> Kind:
    """What a provider class can be told, read from its constructor."""
    hints = get_type_hints(provider.__init__)
    common = inspect.signature(Provider.__init__).parameters
    own = {
        name: parameter
        for name, parameter in inspect.signature(provider.__init__).parameters.items()
        if name not in common and parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    types = {name: _plain(hints.get(name, Any)) for name in own}
    options = {name: kind for name, kind in types.items() if kind is not None}
    defaults = {name: own[name].default for name in options}
    return Kind(
        provider=provider,
        options=options,
        defaults={
            name: value
            for name, value in defaults.items()
            if value is not inspect.Parameter.empty and value is not None
        },
        required=frozenset(
            name for name, value in defaults.items() if value is inspect.Parameter.empty
        ),
    )


def _plain(annotation: Any) -> Any:
    """What of a parameter's type a configuration can say; None: nothing."""
    if get_origin(annotation) in (Union, UnionType):
        members = [_plain(member) for member in get_args(annotation)]
        plain = [member for member in members if member is not None]
        return reduce(or_, plain) if set(plain) - {type(None)} else None
    is_custom = isinstance(msgspec.inspect.type_info(annotation), msgspec.inspect.CustomType)
    return None if is_custom else annotation


def installed_kinds() -> Kinds:
    """The kinds that are installed, found without importing any of them."""
    return {entry.name: partial(_load, entry) for entry in entry_points(group=GROUP)}


def make_provider(settings: ProviderSettings) -> Provider:
    """The provider that a checked catalog entry describes, not yet running.

    Raises:
        KindError: its kind is not installed, or cannot be used.
    """
    load = installed_kinds().get(settings.kind)
    if load is None:
        raise KindError(f"no provider of the kind {settings.kind!r} is installed")
    return load().make(settings)


def _load(entry: EntryPoint) -> Kind:
    try:
        provider = entry.load()
    except (ImportError, AttributeError) as error:
        raise KindError(f"{entry.value} cannot be imported: {error}") from error
    if not (isinstance(provider, type) and issubclass(provider, Provider)):
        raise KindError(f"{entry.value} is no nspd.core.provider.Provider")
    try:
        return kind_of(provider)
    except (NameError, TypeError) as error:
        raise KindError(f"the options of {entry.value} cannot be read: {error}") from error
