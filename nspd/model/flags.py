"""Flag bits of lookups, results and registrations, and the rules by which they combine.

Values and meanings: LPNSPV2LOOKUPSERVICEBEGIN, LPNSPV2LOOKUPSERVICENEXTEX,
LPNSPV2SETSERVICEEX; where a page and the header differ, the header counts.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from functools import lru_cache


class LookupFlags(IntFlag):
    """LUP_*: what a lookup covers (scope bits) and what its records carry (field bits)."""

    DEEP = 0x1
    CONTAINERS = 0x2
    NOCONTAINERS = 0x4
    NEAREST = 0x8
    RETURN_NAME = 0x10
    RETURN_TYPE = 0x20
    RETURN_VERSION = 0x40
    RETURN_COMMENT = 0x80
    RETURN_ADDR = 0x100
    RETURN_BLOB = 0x200
    RETURN_ALIASES = 0x400
    RETURN_QUERY_STRING = 0x800
    RETURN_ALL = 0xFF0
    FLUSHCACHE = 0x1000
    FLUSHPREVIOUS = 0x2000
    NON_AUTHORITATIVE = 0x4000
    RES_SERVICE = 0x8000
    SECURE = 0x8000
    RETURN_PREFERRED_NAMES = 0x10000
    ADDRCONFIG = 0x100000
    DUAL_ADDR = 0x200000
    DISABLE_IDN_ENCODING = 0x800000


class ResultFlags(IntFlag):
    """RESULT_IS_*: marks in a record's ``output_flags``."""

    ALIAS = 0x1
    ADDED = 0x10
    CHANGED = 0x20
    DELETED = 0x40


class ServiceOperation(IntEnum):
    """WSAESETSERVICEOP: the operations of SetServiceEx."""

    REGISTER = 0
    DEREGISTER = 1
    DELETE = 2


SERVICE_MULTIPLE = 0x1
"""SetServiceEx acts on the given addresses only, instead of on the whole group."""

FIELD_BITS = int(LookupFlags.RETURN_ALL)
"""The bits that say which members a record carries."""

BEHAVIOUR_BITS = int(LookupFlags.FLUSHPREVIOUS)
"""Bits that act at NextEx alone and are no part of what a lookup asks."""


def fields_of_begin(control_flags: int) -> int:
    """The field bits in force for a lookup: none given means RETURN_NAME."""
    return control_flags & FIELD_BITS or int(LookupFlags.RETURN_NAME)


@lru_cache(maxsize=256)
def flags_of_query(control_flags: int) -> int:
    """What a provider is told of Begin's flags: which records are wanted, and what they carry."""
    return scope_of(control_flags) | fields_of_begin(control_flags)


def fields_of_call(begin_fields: int, control_flags: int) -> int:
    """The field bits in force for one NextEx.

    They are intersected with those of Begin for that call only; none given
    restricts nothing. A NextEx can never widen a lookup.
    """
    asked = control_flags & FIELD_BITS
    return begin_fields & asked if asked else begin_fields


def scope_of(control_flags: int) -> int:
    """The bits that change which records a provider finds (not what they carry)."""
    return control_flags & ~(FIELD_BITS | BEHAVIOUR_BITS)
