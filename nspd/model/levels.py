"""Provider levels: which of several providers of a namespace are asked for a name, and when.

NS_EMAIL has them (NAPI_PROVIDER_LEVEL, NAPI_PROVIDER_INSTALLATION_BLOB and
NAPI_DOMAIN_DESCRIPTION_BLOB in the Windows documents). A provider is primary or
secondary for the domains that it lists; one that supports wildcards may be
asked for any other, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from msgspec import Struct


class AuthLevel(IntEnum):
    """How much a provider has to say about a domain, by the numbers of NAPI_PROVIDER_LEVEL."""

    NONE = 0
    SECONDARY = 1
    PRIMARY = 2


class Claim(Struct, frozen=True):
    """What one provider claims for one name."""

    level: AuthLevel = AuthLevel.NONE
    """Its level for the name's domain."""
    wildcard: bool = True
    """Whether it may be asked for any name (fSupportsWildCard)."""


def by_level(claims: Sequence[Claim]) -> list[int]:
    """Whom to ask: positions in `claims`, the first to be asked first.

    The primary comes first, then the secondaries, then those that support
    wildcards, each group in the order given. Of several primaries the first
    counts and the claims of the others are ignored: they are asked only as
    wildcards. A provider with neither a level nor wildcards is not asked.

    Args:
        claims: one of each provider, in catalog order.
    """
    primaries = [at for at, claim in enumerate(claims) if claim.level is AuthLevel.PRIMARY]
    secondaries = [at for at, claim in enumerate(claims) if claim.level is AuthLevel.SECONDARY]
    chosen = [*primaries[:1], *secondaries]
    return [
        *chosen,
        *(at for at, claim in enumerate(claims) if claim.wildcard and at not in chosen),
    ]
