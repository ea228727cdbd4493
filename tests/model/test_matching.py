"""Restrictions of a query against what was registered."""

from __future__ import annotations

import pytest

from nspd.model.matching import context_key, matches
from nspd.model.queryset import AfProtocol, CsAddr, Family, QuerySet, SocketAddress, Version

TCP4 = CsAddr(remote=SocketAddress.inet("192.0.2.1", 80), socket_type=1, protocol=6)
UDP6 = CsAddr(local=SocketAddress.inet("2001:db8::1", 53), socket_type=2, protocol=17)
PACKETS = CsAddr(remote=SocketAddress.inet("192.0.2.1", 9), socket_type=5, protocol=0)
BARE = CsAddr(socket_type=1, protocol=6)


@pytest.mark.parametrize("context", [None, "", "\\"])
def test_the_default_context_is_the_root(context: str | None) -> None:
    """Absent, empty and a backslash are one context."""
    assert context_key(context) == context_key("")


def test_other_contexts_are_their_own() -> None:
    """Any other context equals itself alone, letter by letter."""
    keys = {context_key(text) for text in ("", "lab", "LAB", "\\lab", "lab\\")}
    assert len(keys) == 5


def test_nothing_asked_for_matches_everything() -> None:
    """Restrictions that ask for nothing let every object through, members for results ignored."""
    asked = QuerySet(comment="x", addresses=(TCP4,), output_flags=7, protocols=(), query_string="")
    assert matches(QuerySet(service_instance_name="a"), asked)


@pytest.mark.parametrize(
    ("wanted", "matching"), [(Version(2, "equal"), [2]), (Version(2, "not_less"), [2, 3, 4])]
)
def test_version(wanted: Version, matching: list[int]) -> None:
    """Equal takes that version alone, not_less those from it on; without one nothing does."""
    asked = QuerySet(version=wanted)
    assert [
        n for n in range(5) if matches(QuerySet(version=Version(n, "equal")), asked)
    ] == matching
    assert not matches(QuerySet(), asked)


@pytest.mark.parametrize(
    ("pairs", "matching"),
    [
        ([(0, 0)], True),
        ([("inet", 6)], True),
        ([("inet", 0)], True),
        ([(0, 17)], True),
        ([("inet6", 17)], True),
        ([("inet", 17)], False),
        ([("inet6", 6)], False),
        ([("unix", 0)], False),
        ([(0, 132)], False),
        ([("unix", 0), (0, 6)], True),
    ],
)
def test_protocols(pairs: list[tuple[Family, int]], matching: bool) -> None:
    """One pair must fit one address in both family and protocol; 0 fits any."""
    asked = QuerySet(protocols=tuple(AfProtocol(*pair) for pair in pairs))
    assert matches(QuerySet(addresses=(TCP4, UDP6)), asked) is matching


def test_protocol_of_an_address_that_takes_any() -> None:
    """An address whose socket type has no usual protocol fits whichever is asked for."""
    assert matches(QuerySet(addresses=(PACKETS,)), QuerySet(protocols=(AfProtocol("inet", 132),)))
    assert not matches(
        QuerySet(addresses=(PACKETS,)), QuerySet(protocols=(AfProtocol("inet6", 132),))
    )


def test_objects_without_addresses() -> None:
    """Without an address only the pair that takes anything fits; without a family, no family."""
    anything, tcp = AfProtocol(0, 0), AfProtocol(0, 6)
    assert matches(QuerySet(), QuerySet(protocols=(anything,)))
    assert not matches(QuerySet(), QuerySet(protocols=(tcp,)))
    assert matches(QuerySet(addresses=(BARE,)), QuerySet(protocols=(tcp,)))
    assert not matches(QuerySet(addresses=(BARE,)), QuerySet(protocols=(AfProtocol("inet", 6),)))


def test_query_string() -> None:
    """A query string asked for must be the registered one to the letter."""
    stored = QuerySet(query_string="ftp/tcp")
    assert matches(stored, QuerySet(query_string="ftp/tcp"))
    assert matches(stored, QuerySet())
    assert not matches(stored, QuerySet(query_string="FTP/tcp"))
    assert not matches(QuerySet(), QuerySet(query_string="ftp/tcp"))
