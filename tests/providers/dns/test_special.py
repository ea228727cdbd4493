"""Names that are never sent to a server."""

from __future__ import annotations

import dns.name
import dns.rdatatype
import pytest

from nspd.providers.dns.special import special_answer


def asked(name: str, rdtype: str) -> tuple[str, list[str]] | None:
    """The kind and records of the answer."""
    answer = special_answer(dns.name.from_text(name), dns.rdatatype.from_text(rdtype))
    if answer is None:
        return None
    return answer.kind, [rdata.to_text() for rdata in answer.rrset or ()]


@pytest.mark.parametrize("name", ["localhost", "LocalHost", "a.localhost", "a.b.localhost"])
def test_localhost_is_the_loopback_address(name: str) -> None:
    """RFC 6761, section 6.3: addresses, and nothing else."""
    assert asked(name, "A") == ("answer", ["127.0.0.1"])
    assert asked(name, "AAAA") == ("answer", ["::1"])
    assert asked(name, "MX") == ("nodata", [])


@pytest.mark.parametrize(
    "name",
    ["invalid", "a.invalid", "printer.local", "LOCAL", "a.b.onion"],
)
def test_names_that_cannot_be_in_the_dns(name: str) -> None:
    """RFC 6761 (invalid), RFC 6762 (local), RFC 7686 (onion)."""
    assert asked(name, "A") == ("nxdomain", [])


@pytest.mark.parametrize(
    "name",
    [
        "1.0.0.127.in-addr.arpa",
        "3.2.1.127.in-addr.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
    ],
)
def test_loopback_addresses_are_localhost(name: str) -> None:
    """Reversed; other types have nothing there."""
    assert asked(name, "PTR") == ("answer", ["localhost."])
    assert asked(name, "A") == ("nodata", [])


def test_link_local_addresses_have_no_name() -> None:
    """Only multicast DNS knows who has them (RFC 6762, section 4)."""
    assert asked("1." + "0." * 27 + "0.8.e.f.ip6.arpa", "PTR") == ("nxdomain", [])
    assert asked("1." + "0." * 27 + "0.b.e.f.ip6.arpa", "PTR") == ("nxdomain", [])


@pytest.mark.parametrize(
    "name",
    [
        "www.example.org",
        "localhost.example.org",
        "local.example",
        "invalid2",
        ".",
        "1.2.0.192.in-addr.arpa",
        "arpa",
        "home.arpa",
    ],
)
def test_all_others_are_asked_for(name: str) -> None:
    """The last label alone makes a name special."""
    assert asked(name, "A") is None
