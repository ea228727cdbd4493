"""The installation blob of NS_EMAIL (section 8 of the contract, nsemail.h)."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.model.levels import AuthLevel
from nspd.providers.email.installation import Installation, decode, encode

TWO = Installation(
    version=7,
    wildcard=True,
    domains=(("example.org", AuthLevel.PRIMARY), ("b\u00fccher.example", AuthLevel.SECONDARY)),
)


def test_the_layout() -> None:
    """Header, descriptions, names: each where its offset says, the names with terminators."""
    blob = encode(TWO)
    assert struct.unpack_from("<5I", blob) == (7, 1, 1, 2, 20)
    assert struct.unpack_from("<4I", blob, 20) == (2, 11, 36, 52)
    assert struct.unpack_from("<4I", blob, 36) == (1, 14, 0, 76)
    assert blob[52:76] == "example.org\0".encode("utf-16-le")
    assert blob[76:] == "b\u00fccher.example\0".encode("utf-16-le")
    assert decode(blob) == TWO


def test_a_layout_of_another_kind() -> None:
    """Names may come before their descriptions, in any order, and without terminators."""
    name = "ab".encode("utf-16-le")
    blob = struct.pack("<5I", 1, 2, 0, 1, 24) + name + struct.pack("<4I", 1, 2, 999, 20)
    assert decode(blob) == Installation(
        version=1, provider_type=2, domains=(("ab", AuthLevel.SECONDARY),)
    )


@given(
    st.builds(
        Installation,
        version=st.integers(0, 2**32 - 1),
        provider_type=st.sampled_from([1, 2]),
        wildcard=st.booleans(),
        domains=st.lists(
            st.tuples(st.text(max_size=20), st.sampled_from(AuthLevel)), max_size=5
        ).map(tuple),
    )
)
def test_there_and_back(installation: Installation) -> None:
    """What was encoded is decoded."""
    assert decode(encode(installation)) == installation


@given(st.binary(max_size=120))
def test_any_bytes(blob: bytes) -> None:
    """Whatever the bytes, they are a blob or a ValueError."""
    try:
        found = decode(blob)
    except ValueError:
        return
    assert len(found.domains) <= len(blob) // 16


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (12, 1_000_000, "no room"),
        (16, 22, "no description"),
        (16, 16, "no description"),
        (16, 100_000, "no description"),
        (20, 3, "AuthLevel"),
        (24, 1000, "no name"),
        (28, 21, "no description"),
        (32, 53, "no name"),
    ],
)
def test_blobs_that_are_damaged(at: int, value: int, why: str) -> None:
    """Offsets that lead astray and levels that are none are found out."""
    blob = bytearray(encode(TWO))
    struct.pack_into("<I", blob, at, value)
    with pytest.raises(ValueError, match=why):
        decode(bytes(blob))
