"""Parameters that several verbs share: namespaces, providers, flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nspd.cli._report import NoSuchProvider
from nspd.model.flags import LookupFlags
from nspd.model.namespaces import Namespace, is_guid, namespace_name, namespace_number

if TYPE_CHECKING:
    from nspd import Client


def namespace_param(text: str) -> int:
    """A click parameter: a namespace by short name (``hosts``) or number (``11``)."""
    try:
        return namespace_number(text)
    except ValueError:
        names = ", ".join(map(namespace_name, Namespace))
        raise click.BadParameter(
            f"{text!r} is no namespace: use a number or one of {names}."
        ) from None


def complete_namespace(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The short names of namespaces that go on from what was typed."""
    return [name for name in map(namespace_name, Namespace) if name.startswith(incomplete)]


def flags_param(text: str) -> int:
    """A click parameter: LUP_* names with commas between them, or a number."""
    flags = 0
    for word in text.split(","):
        flags |= _flag(word.strip())
    both = LookupFlags.CONTAINERS | LookupFlags.NOCONTAINERS
    if flags & both == both:
        raise click.BadParameter("containers and nocontainers exclude each other.")
    return flags


def _flag(word: str) -> int:
    name = word.upper().replace("-", "_").removeprefix("LUP_")
    if name in LookupFlags.__members__:
        return int(LookupFlags[name])
    try:
        number = int(word, 0)
    except ValueError:
        raise click.BadParameter(
            f"{word!r} is no flag: use a number or LUP_* names such as return_addr,flushcache."
        ) from None
    if not 0 <= number <= 0xFFFFFFFF:
        raise click.BadParameter(f"{word!r} does not fit into 32 bits.")
    return number


def complete_flags(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The flag names that go on from the last word of what was typed."""
    done, comma, word = incomplete.rpartition(",")
    names = (name.lower() for name in LookupFlags.__members__)
    return [done + comma + name for name in names if name.startswith(word.lower())]


def provider_guid(client: Client, text: str | None) -> str | None:
    """The GUID of a provider given by GUID or by its identifier in the catalog.

    Raises:
        NoSuchProvider: the catalog has no such provider, or several of that identifier.
    """
    if text is None or is_guid(text):
        return text
    found = [entry for entry in client.providers() if entry.identifier == text]
    if len(found) == 1:
        return str(found[0].provider_id)
    many = "several providers have the identifier" if found else "no provider has the identifier"
    raise NoSuchProvider(f'{many} "{text}"; "nspctl providers" lists them')
