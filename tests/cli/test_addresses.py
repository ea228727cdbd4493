"""Addresses as people write them."""

from __future__ import annotations

import re

import click
import pytest

from nspd.cli._addresses import address_text, entries, parse_address
from nspd.model.queryset import CsAddr, SocketAddress


@pytest.mark.parametrize(
    "text",
    [
        "tcp:127.0.0.1:8080",
        "udp:[::1]:53",
        "tcp:[fe80::1%2]:80",
        "unix:/run/service",
        "unix-dgram:/run/log",
        "stream:192.0.2.1:1",
        "dgram:192.0.2.1:1",
        "5/132:192.0.2.1:9",
        "any:192.0.2.1:9",
        "tcp:192.0.2.1:0",
    ],
)
def test_what_is_shown_can_be_typed(text: str) -> None:
    """The text of an address reads as the same address."""
    address, socket_type, protocol = parse_address(text)
    entry = CsAddr(remote=address, socket_type=socket_type, protocol=protocol)
    assert address_text(entry) == text


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("127.0.0.1:80", "tcp:HOST:PORT"),
        ("tcp", "tcp:HOST:PORT"),
        ("tcp:127.0.0.1", "no port"),
        ("tcp:localhost:80", "names are not looked up"),
        ("tcp:::1:80", "in brackets: [::1]:80"),
        ("tcp:[::1]80", "[HOST]:PORT"),
        ("tcp:127.0.0.1:65536", "port from 0 to 65535"),
        ("tcp:127.0.0.1:http", "port from 0 to 65535"),
        ("tcp:[127.0.0.1]:80", "not an IPv6 address"),
        ("unix:", "needs a path"),
        ("x/y:127.0.0.1:80", "no socket type"),
        ("tcp:[fe80::1%no-such-interface]:80", "no network interface"),
    ],
)
def test_a_wrong_address_is_explained(text: str, hint: str) -> None:
    """Each way to get an address wrong is answered with how to get it right."""
    with pytest.raises(ValueError, match=re.escape(hint)):
        parse_address(text)


def test_an_address_of_a_host_alone_is_shown_bare() -> None:
    """A record of the hosts namespace has neither port nor protocol: only the host is shown."""
    remote = SocketAddress.inet("2001:db8::1")
    assert address_text(CsAddr(remote=remote, socket_type=0, protocol=0)) == "2001:db8::1"


def test_what_a_service_binds_is_shown_as_such() -> None:
    """A local address stands beside the remote one, or alone, always marked."""
    local = SocketAddress.inet("0.0.0.0", 80)
    remote = SocketAddress.inet("192.0.2.1", 80)
    both = CsAddr(local=local, remote=remote, socket_type=1, protocol=6)
    assert address_text(both) == "tcp:192.0.2.1:80 (bind tcp:0.0.0.0:80)"
    alone = CsAddr(local=local, socket_type=1, protocol=6)
    assert address_text(alone) == "tcp:0.0.0.0:80 (bind)"


def test_an_unknown_family_is_shown_in_hexadecimal() -> None:
    """An address that nspd has no words for is shown as its bytes."""
    other = SocketAddress(family=40, data=b"\x01\x02")
    text = address_text(CsAddr(remote=other, socket_type=1, protocol=0))
    assert text == "family 40 1/0: 0102"


def test_addresses_and_binds_are_paired_in_order() -> None:
    """The n-th --bind belongs to the n-th --address; the rest have none."""
    first, second = parse_address("tcp:192.0.2.1:80"), parse_address("udp:192.0.2.1:53")
    bind = parse_address("tcp:0.0.0.0:80")
    paired = entries((first, second), (bind,))
    assert [(entry.remote, entry.local) for entry in paired] == [
        (first[0], bind[0]),
        (second[0], None),
    ]


def test_a_pair_of_two_kinds_is_refused() -> None:
    """One entry has one socket type, so both of its addresses must be of it."""
    with pytest.raises(click.UsageError):
        entries((parse_address("tcp:192.0.2.1:80"),), (parse_address("udp:0.0.0.0:80"),))
