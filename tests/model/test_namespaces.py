"""Namespaces: numbers, names, GUIDs."""

from __future__ import annotations

import msgspec
import pytest

from nspd.model.namespaces import (
    Guid,
    Namespace,
    fixed_guid,
    is_guid,
    namespace_name,
    namespace_number,
)


@pytest.mark.parametrize(
    ("namespace", "guid"),
    [
        (Namespace.TCPIP_HOSTS, "5e1d0000-0000-4000-8000-00000000000b"),
        (Namespace.TEST, "5e1d0000-0000-4000-8000-000000010001"),
    ],
)
def test_fixed_guids_end_with_the_number(namespace: int, guid: str) -> None:
    """Twelve hexadecimal digits, and a GUID in all."""
    assert fixed_guid(namespace) == guid
    assert is_guid(guid)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5E1D0000-0000-4000-8000-00000000000B", True),
        ("5e1d0000-0000-4000-8000-00000000000b\n", False),
        ("{5e1d0000-0000-4000-8000-00000000000b}", False),
        ("5e1d0000-0000-4000-8000-00000000000g", False),
        ("5e1d000000004000800000000000000b", False),
        ("", False),
    ],
)
def test_guid_text(text: str, expected: bool) -> None:
    """Function and type agree on what is a GUID, in either case of letters."""
    assert is_guid(text) is expected
    encoded = msgspec.json.encode(text)
    if expected:
        assert msgspec.json.decode(encoded, type=Guid) == text
    else:
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(encoded, type=Guid)


@pytest.mark.parametrize("namespace", list(Namespace))
def test_names_and_numbers_lead_to_each_other(namespace: Namespace) -> None:
    """For every namespace that has a name."""
    name = namespace_name(namespace)
    assert not name.isdigit()
    assert namespace_number(name) == namespace_number(name.upper()) == namespace


def test_a_namespace_without_name_is_its_number() -> None:
    """Numbers may be given in any base that Python writes."""
    assert namespace_name(4711) == "4711"
    assert namespace_number("4711") == 4711
    assert namespace_number("0x10000") == Namespace.REGISTRY
    with pytest.raises(ValueError, match="nowhere"):
        namespace_number("nowhere")
