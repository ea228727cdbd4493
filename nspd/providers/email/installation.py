"""The installation blob of NS_EMAIL: what Windows keeps of a provider's levels, as bytes.

Layout: NAPI_PROVIDER_INSTALLATION_BLOB and NAPI_DOMAIN_DESCRIPTION_BLOB of
nsemail.h. All integers are little-endian and 32 bits wide; offsets count from
the beginning of the blob. Descriptions are aligned at 4 bytes, names at 2.
"""

from __future__ import annotations

import struct

from msgspec import Struct

from nspd.model.levels import AuthLevel

APPLICATION = 1
"""ProviderType_Application, the only type that Windows supports."""

_HEADER = struct.Struct("<5I")
_DOMAIN = struct.Struct("<4I")


class Installation(Struct, frozen=True, kw_only=True):
    """What a blob says."""

    version: int = 1
    provider_type: int = APPLICATION
    wildcard: bool = False
    """Whether the provider may be asked for any name (fSupportsWildCard)."""
    domains: tuple[tuple[str, AuthLevel], ...] = ()
    """Domains with the provider's level there, in the order of the blob."""


def encode(installation: Installation) -> bytes:
    """The blob: the header, all descriptions, then the names, each with a terminator."""
    names = [name.encode("utf-16-le") for name, _ in installation.domains]
    first = _HEADER.size if names else 0
    at = _HEADER.size + _DOMAIN.size * len(names)
    parts = [
        _HEADER.pack(
            installation.version,
            installation.provider_type,
            installation.wildcard,
            len(names),
            first,
        )
    ]
    for number, (name, (_, level)) in enumerate(zip(names, installation.domains, strict=True), 1):
        following = _HEADER.size + _DOMAIN.size * number if number < len(names) else 0
        parts.append(_DOMAIN.pack(level, len(name) // 2, following, at))
        at += len(name) + 2
    return b"".join([*parts, *(name + b"\0\0" for name in names)])


def decode(blob: bytes) -> Installation:
    """Read a blob.

    Raises:
        ValueError: an offset leads out of it or is not aligned, a level is
            none, or a name is not UTF-16.
    """
    if len(blob) < _HEADER.size:
        raise ValueError(f"the blob has {len(blob)} bytes, its header alone {_HEADER.size}")
    version, provider_type, wildcard, count, at = _HEADER.unpack_from(blob)
    if count * _DOMAIN.size > len(blob):
        raise ValueError(f"there is no room for {count} domains in {len(blob)} bytes")
    domains = []
    for _ in range(count):
        if at % 4 or not _HEADER.size <= at <= len(blob) - _DOMAIN.size:
            raise ValueError(f"no description of a domain can be at byte {at}")
        level, units, following, name_at = _DOMAIN.unpack_from(blob, at)
        if name_at % 2 or name_at + 2 * units > len(blob):
            raise ValueError(f"no name of {units} characters can be at byte {name_at}")
        name = blob[name_at : name_at + 2 * units].decode("utf-16-le")
        domains.append((name, AuthLevel(level)))
        at = following
    return Installation(
        version=version,
        provider_type=provider_type,
        wildcard=bool(wildcard),
        domains=tuple(domains),
    )
