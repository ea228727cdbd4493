"""RFC 6724: the rules one by one, and the examples of its section 10.2."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from nspd.providers.dns.nearness import common_prefix, nearest_first, policy_of, scope_of


@pytest.mark.parametrize(
    ("address", "precedence", "label"),
    [
        ("::1", 50, 0),
        ("2001:db8::1", 40, 1),
        ("192.0.2.1", 35, 4),
        ("2002:c000:201::1", 30, 2),
        ("2001::1", 5, 5),
        ("fd00::1", 3, 13),
        ("::192.0.2.1", 1, 3),
        ("fec0::1", 1, 11),
        ("3ffe::1", 1, 12),
    ],
)
def test_the_policy_table(address: str, precedence: int, label: int) -> None:
    """Section 2.1; the longest prefix counts."""
    row = policy_of(ip_address(address))
    assert (row.precedence, row.label) == (precedence, label)


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("::1", 2),
        ("fe80::1", 2),
        ("fec0::1", 5),
        ("2001:db8::1", 14),
        ("fd00::1", 14),
        ("127.0.0.1", 2),
        ("169.254.1.1", 2),
        ("10.0.0.1", 14),
        ("::ffff:169.254.1.1", 2),
        ("ff02::1", 2),
        ("ff0e::1", 14),
    ],
)
def test_scopes(address: str, scope: int) -> None:
    """Sections 3.1 and 3.2."""
    assert scope_of(ip_address(address)) == scope


def test_common_prefixes_end_with_the_subnet() -> None:
    """Bits after the 64th say nothing of distance (section 2.2)."""
    first, second = ip_address("2001:db8::1"), ip_address("2001:db8::2")
    other = ip_address("2001:db9::1")
    assert first.version == second.version == other.version == 6
    assert common_prefix(first, second) == 64
    assert common_prefix(first, other) == 31
    assert common_prefix(first, first) == 64


# Destination and source, in the order that the RFC gives for them.
EXAMPLES = [
    [("2001:db8:1::1", "2001:db8:1::2"), ("198.51.100.121", "169.254.13.78")],
    [("198.51.100.121", "198.51.100.117"), ("2001:db8:1::1", "fe80::1")],
    [("2001:db8:1::1", "2001:db8:1::2"), ("10.1.2.3", "10.1.2.4")],
    [("fe80::1", "fe80::2"), ("2001:db8:1::1", "2001:db8:1::2")],
    [("2001:db8:1::1", "2001:db8:3f44::2"), ("2001:db8:3ffe::1", "2001:db8:3f44::2")],
    [("2002:c633:6401::1", "2002:c633:6401::2"), ("2001:db8:1::1", "fe80::2")],
    [("2001:db8:1::1", "2001:db8:1::2"), ("2002:c633:6401::1", "2002:c633:6401::2")],
]


@pytest.mark.parametrize("number", [0, 1, 2, 3, 5, 6])
def test_the_examples_of_the_rfc(number: int) -> None:
    """Section 10.2, in whichever order the servers gave them."""
    sources = dict(EXAMPLES[number])
    wanted = list(sources)
    assert nearest_first(wanted, sources.get) == wanted
    assert nearest_first(reversed(wanted), sources.get) == wanted


def test_a_destination_without_a_way_comes_last() -> None:
    """Rule 1."""
    sources = {"192.0.2.1": "192.0.2.2"}
    assert nearest_first(["2001:db8::1", "192.0.2.1"], sources.get) == [
        "192.0.2.1",
        "2001:db8::1",
    ]


def test_the_longest_matching_prefix_counts_for_ipv6_alone() -> None:
    """Rule 9; addresses of IPv4 stay in the order given, so that round robin works."""
    source = "2001:db8:1::1"
    near, far = "2001:db8:1::9", "2001:db8:8000::9"
    assert nearest_first([far, near], {near: source, far: source}.get) == [near, far]
    ipv4 = ["198.51.100.1", "192.0.2.9"]
    assert nearest_first(ipv4, dict.fromkeys(ipv4, "192.0.2.1").get) == ipv4


def test_otherwise_the_order_given_stays() -> None:
    """Rule 10."""
    hosts = [f"2001:db8::{number}" for number in (3, 1, 2)]
    assert nearest_first(hosts, dict.fromkeys(hosts, "2001:db8::ff").get) == hosts
