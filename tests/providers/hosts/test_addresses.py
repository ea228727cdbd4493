"""Address literals and their one spelling."""

from __future__ import annotations

import pytest

from nspd.model.queryset import CsAddr, SocketAddress
from nspd.providers.hosts.addresses import (
    canonical,
    canonical_all,
    family,
    may_be_literal,
    transport_address,
    without_scope,
    without_scopes,
)

INTERFACES = {"eth0": 2, "wlan0": 7}


def interface_index(name: str) -> int:
    """The interfaces of an imaginary machine."""
    try:
        return INTERFACES[name]
    except KeyError:
        raise OSError("no such interface") from None


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::FFFF:192.0.2.1", "::ffff:192.0.2.1"),
        ("fe80::1%3", "fe80::1%3"),
        ("fe80::1%0003", "fe80::1%3"),
        ("fe80::1%0", "fe80::1"),
        ("fe80::1%eth0", "fe80::1%2"),
        ("fe80::1%4294967295", "fe80::1%4294967295"),
    ],
)
def test_equal_addresses_have_one_spelling(literal: str, expected: str) -> None:
    """Case, zeros and the name of an interface make no difference."""
    assert canonical(literal, interface_index) == expected


@pytest.mark.parametrize(
    ("literal", "reason"),
    [
        ("localhost", "is not an address"),
        ("", "is not an address"),
        ("127.1", "is not an address"),
        ("256.0.0.1", "is not an address"),
        ("010.0.0.1", "is not an address"),
        ("1.2.3.4:80", "is not an address"),
        ("[::1]", "is not an address"),
        ("::1\0", "is not an address"),
        ("1.2.3.4\u0661", "is not an address"),
        ("x" * 1000 + "1", r"\.\.\.' is not an address"),
        ("127.0.0.1%eth0", "only an IPv6 address has a scope"),
        ("fe80::1%eth9", "no network interface 'eth9'"),
        ("fe80::1%", "no network interface ''"),
        ("fe80::1%4294967296", "too large"),
        ("fe80::1%" + "9" * 10_000, "too large"),
    ],
)
def test_what_is_no_address_is_refused(literal: str, reason: str) -> None:
    """The reason says what is wrong, and stays short whatever the text."""
    with pytest.raises(ValueError, match=reason) as caught:
        canonical(literal, interface_index)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("name", "expected"), [("localhost", False), ("::1", True), ("10.0.0.1", True), ("", False)]
)
def test_ordinary_names_are_not_tried_as_literals(name: str, expected: bool) -> None:
    """A literal has a colon or ends in a digit."""
    assert may_be_literal(name) is expected


def test_parts_of_an_address() -> None:
    """Family and scope are read from the spelling."""
    assert family("192.0.2.1") == "inet"
    assert family("fe80::1%2") == "inet6"
    assert without_scope("fe80::1%2") == "fe80::1"


def test_a_record_says_where_to_reach_the_host() -> None:
    """The address is remote, with port, socket type and protocol left open."""
    assert transport_address("192.0.2.1") == CsAddr(
        remote=SocketAddress(family="inet", host="192.0.2.1", port=0), socket_type=0, protocol=0
    )
    assert transport_address("fe80::1%2") == CsAddr(
        remote=SocketAddress(family="inet6", host="fe80::1", port=0, scope_id=2),
        socket_type=0,
        protocol=0,
    )


@pytest.mark.parametrize(
    "literals",
    [
        [],
        ["0.0.0.0", "0.0.0.0", "10.0.0.1"],
        ["::1", "2001:DB8::0:1", "10.0.0.1", "::1", "fe80::1%7", "fe80::1%0"],
    ],
)
def test_many_literals_are_spelled_as_each_of_them(literals: list[str]) -> None:
    """In their order, however often they come."""
    assert canonical_all(literals) == [canonical(literal) for literal in literals]


@pytest.mark.parametrize("wrong", ["", "1.2.3", "010.0.0.1", "10.0.0.1%1", "a", "\0", "fe80::1%\0"])
def test_one_wrong_literal_spoils_many(wrong: str) -> None:
    """No more is accepted of many than of one."""
    for others in (["10.0.0.1"], ["::1"]):
        with pytest.raises(ValueError, match=r"is not|no network|only an"):
            canonical_all([*others, wrong])


def test_many_addresses_lose_their_scopes_like_one() -> None:
    """Whether there are any or not."""
    for addresses in ([], ["10.0.0.1", "::1"], ["10.0.0.1", "fe80::1%7"]):
        assert list(without_scopes(addresses)) == list(map(without_scope, addresses))
