"""A provider's levels, as its settings say them."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable

from msgspec import Struct

from nspd.model.levels import AuthLevel
from nspd.providers.email import installation
from nspd.providers.email.mailbox import domain_key, mailbox


class Levels(Struct, frozen=True):
    """What a provider is to each mail domain."""

    of_domain: dict[str, AuthLevel]
    """By domain, as domains are compared."""
    wildcard: bool
    """Whether it may be asked for any other domain."""

    def of(self, name: str) -> AuthLevel | None:
        """Its level for the domain of an address; None: the name is no address."""
        try:
            domain = mailbox(name, encode_idn=False).domain
        except ValueError:
            return None
        return self.of_domain.get(domain, AuthLevel.NONE)


def levels_of(
    primary: Iterable[str], secondary: Iterable[str], wildcard: bool, blob: str
) -> Levels:
    """The levels that settings give.

    Args:
        primary: domains of which it is the primary provider.
        secondary: domains of which it is a secondary one, unless they are among the others.
        wildcard: whether it may be asked for any other domain.
        blob: an installation blob in base64, which says all that instead; "" for none.

    Raises:
        ValueError: a domain is none, or the blob cannot be read; the message
            begins with the setting's name.
    """
    if not blob:
        of_domain = _by_domain("secondary", secondary, AuthLevel.SECONDARY)
        return Levels(of_domain | _by_domain("primary", primary, AuthLevel.PRIMARY), wildcard)
    if primary or secondary:
        raise ValueError("installation: it says the levels, so primary and secondary must not")
    try:
        installed = installation.decode(b64decode(blob, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"installation: {error}") from error
    of_domain = {}
    for name, level in sorted(installed.domains, key=lambda domain: domain[1]):
        of_domain |= _by_domain("installation", [name], level)
    return Levels(of_domain, installed.wildcard)


def _by_domain(setting: str, domains: Iterable[str], level: AuthLevel) -> dict[str, AuthLevel]:
    try:
        return {domain_key(domain): level for domain in domains}
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from error
