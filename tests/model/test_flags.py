"""Flag bits: their values, and how those of Begin and NextEx combine."""

from __future__ import annotations

import pytest

from nspd.model.flags import (
    LookupFlags,
    ResultFlags,
    ServiceOperation,
    fields_of_begin,
    fields_of_call,
    scope_of,
)

NAME = LookupFlags.RETURN_NAME
ADDR = LookupFlags.RETURN_ADDR
BLOB = LookupFlags.RETURN_BLOB
ALL = LookupFlags.RETURN_ALL


def test_return_all_is_every_field_bit() -> None:
    """The bits LUP_RETURN_* up to QUERY_STRING, and only they."""
    fields = [flag for flag in LookupFlags if flag.name and flag.name.startswith("RETURN_")]
    fields.remove(LookupFlags.RETURN_PREFERRED_NAMES)
    together = 0
    for flag in fields:
        together |= flag
    assert together == ALL == 0xFF0


def test_values_that_the_protocol_names() -> None:
    """The numbers are those of the wire."""
    assert int(LookupFlags.FLUSHPREVIOUS) == 0x2000
    assert int(LookupFlags.RES_SERVICE) == int(LookupFlags.SECURE) == 0x8000
    assert [int(flag) for flag in ResultFlags] == [0x1, 0x10, 0x20, 0x40]
    assert [int(operation) for operation in ServiceOperation] == [0, 1, 2]


@pytest.mark.parametrize(
    ("control_flags", "fields"),
    [
        (0, NAME),
        (LookupFlags.DEEP | LookupFlags.FLUSHCACHE, NAME),
        (ADDR, ADDR),
        (ALL | LookupFlags.DEEP, ALL),
    ],
)
def test_begin_without_field_bit_means_the_name(control_flags: int, fields: int) -> None:
    """Other bits are no field bits."""
    assert fields_of_begin(control_flags) == fields


@pytest.mark.parametrize(
    ("begin", "call", "fields"),
    [
        (ALL, 0, ALL),
        (ALL, NAME, NAME),
        (ALL, LookupFlags.FLUSHPREVIOUS, ALL),
        (ALL & ~BLOB, ALL, ALL & ~BLOB),
        (NAME | ADDR, ADDR | BLOB, ADDR),
        (NAME, BLOB, 0),
    ],
)
def test_a_call_narrows_and_never_widens(begin: int, call: int, fields: int) -> None:
    """Cases 33 and 34: fields are intersected for the one call."""
    assert fields_of_call(begin, call) == fields


def test_scope_bits_are_the_rest() -> None:
    """Neither what records carry nor what one NextEx does is part of what is asked (C11)."""
    scope = LookupFlags.DEEP | LookupFlags.FLUSHCACHE | LookupFlags.RETURN_PREFERRED_NAMES
    assert scope_of(scope | ALL | LookupFlags.FLUSHPREVIOUS) == scope
