"""Namespace numbers: those of Windows (winsock2.h) and nspd's own."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Annotated

from msgspec import Meta


class Namespace(IntEnum):
    """The namespaces that nspd names; any other integer is a namespace too."""

    ALL = 0
    TCPIP_HOSTS = 11
    DNS = 12
    EMAIL = 37
    REGISTRY = 65536
    TEST = 65537
    MDNS = 65538


GUID_PATTERN = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
Guid = Annotated[str, Meta(pattern=GUID_PATTERN, max_length=36)]
"""GUID text. It is written in lower case and read in any; compare ``lower()`` forms."""

_GUID = re.compile(GUID_PATTERN.removesuffix("$") + r"\Z")


def is_guid(text: str) -> bool:
    """Whether the text is a GUID in its 8-4-4-4-12 form."""
    return _GUID.match(text) is not None


def fixed_guid(namespace: int) -> str:
    """The GUID that nspd's own provider of this namespace has unless configured otherwise."""
    return f"5e1d0000-0000-4000-8000-{namespace:012x}"


def namespace_name(namespace: int) -> str:
    """A short name for people: ``hosts``, ``dns``, ...; the number where there is none."""
    return _SHORT.get(namespace) or str(namespace)


_SHORT = {
    0: "all",
    11: "hosts",
    12: "dns",
    37: "email",
    65536: "registry",
    65537: "test",
    65538: "mdns",
}


def namespace_number(text: str) -> int:
    """The number of a namespace given by short name or number.

    Raises:
        ValueError: it is neither.
    """
    for number, name in _SHORT.items():
        if text.casefold() == name:
            return number
    return int(text, 0)
