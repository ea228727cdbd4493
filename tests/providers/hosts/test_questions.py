"""Questions to a hosts table."""

from __future__ import annotations

import pytest

from nspd.providers.hosts.loading import load
from nspd.providers.hosts.questions import (
    AddressQuestion,
    Host,
    NameQuestion,
    PatternQuestion,
    Question,
    question,
)
from nspd.providers.hosts.table import MAX_OF_A_HOST, HostTable

FILE = b"""\
127.0.0.1 localhost myhost
::1 localhost ip6-loopback
192.0.2.5 MyHost myhost.lan
192.0.2.6 web1 www
192.0.2.6 web1 www
fe80::1%3 router
192.0.2.5 other
"""


def table_of(content: bytes) -> HostTable:
    """The table of a file."""
    return load([content], lambda: None).table


def hosts(asked: Question, table: HostTable) -> list[Host | None]:
    """All hosts that answer."""
    return [asked.host(table, key) for key in asked.keys(table) if key is not None]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("localhost", NameQuestion),
        ("host-1", NameQuestion),
        ("host:1", NameQuestion),
        ("10.0.0.256", NameQuestion),
        ("10.0.0.1", AddressQuestion),
        ("10.0.0.1.", AddressQuestion),
        ("::1", AddressQuestion),
        ("fe80::1%lo", AddressQuestion),
        ("*", PatternQuestion),
        ("10.0.0.?", PatternQuestion),
    ],
)
def test_what_a_name_asks(name: str, kind: type) -> None:
    """A pattern, an address literal, or a name, even one that looks like an address."""
    assert type(question(name)) is kind


def test_a_name_merges_its_lines() -> None:
    """All addresses of both families in file order, and the other names of these lines."""
    assert hosts(question("LOCALHOST."), table_of(FILE)) == [
        Host("localhost", ("127.0.0.1", "::1"), ("myhost", "ip6-loopback"))
    ]
    assert hosts(question("web1"), table_of(FILE)) == [Host("web1", ("192.0.2.6",), ("www",))]


def test_an_alias_has_the_canonical_name_of_its_first_line() -> None:
    """As gethostbyname() of glibc says it, with the later canonical name among the aliases."""
    assert hosts(question("myhost.lan"), table_of(FILE)) == [
        Host("MyHost", ("192.0.2.5",), ("myhost.lan",))
    ]
    assert hosts(question("myhost"), table_of(FILE)) == [
        Host("localhost", ("127.0.0.1", "192.0.2.5"), ("myhost", "myhost.lan"))
    ]


def test_a_pattern_finds_each_canonical_name_once() -> None:
    """A name that is also an alias elsewhere is found under its own name, with all it has."""
    found = hosts(question("*"), table_of(FILE))
    assert [host.name for host in found if host] == [
        "localhost",
        "MyHost",
        "web1",
        "router",
        "other",
    ]
    assert found[1] == Host("MyHost", ("127.0.0.1", "192.0.2.5"), ("localhost", "myhost.lan"))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("WEB?", ["web1"]),
        ("web?.", ["web1"]),
        ("ww*", ["web1"]),
        ("*.lan", ["MyHost"]),
        ("*o?*", ["localhost", "MyHost", "router", "other"]),
        ("x*", []),
    ],
)
def test_a_pattern_matches_any_name_of_a_host(pattern: str, names: list[str]) -> None:
    """Aliases count; case and a trailing dot do not."""
    assert [host.name for host in hosts(question(pattern), table_of(FILE)) if host] == names


def test_an_address_finds_every_canonical_name_that_has_it() -> None:
    """With that address alone, and the aliases of the lines that have it."""
    table = table_of(FILE)
    assert hosts(question("192.0.2.5"), table) == [
        Host("MyHost", ("192.0.2.5",), ("myhost.lan",)),
        Host("other", ("192.0.2.5",), ()),
    ]
    assert hosts(question("0:0::1"), table) == [Host("localhost", ("::1",), ("ip6-loopback",))]
    assert hosts(question("fe80::1"), table) == [Host("router", ("fe80::1%3",), ())]
    assert hosts(question("fe80::1%4"), table) == []


def test_a_host_of_countless_lines_is_cut() -> None:
    """Neither addresses nor aliases go past what one record may hold."""
    lines = [f"10.0.{n >> 8}.{n & 255} crowd alias-{n}\n" for n in range(MAX_OF_A_HOST + 10)]
    (host,) = hosts(question("crowd"), table_of("".join(lines).encode()))
    assert host is not None
    assert len(host.addresses) == len(host.aliases) == MAX_OF_A_HOST


@pytest.mark.parametrize(
    ("name", "limit", "expected"),
    [("web1", 0, False), ("*", 6, True), ("*", 7, False), ("::1", 0, True), ("::1", 1, False)],
)
def test_how_long_a_question_is(name: str, limit: int, expected: bool) -> None:
    """A name is short whatever the file; a pattern reads all of it, an address its own lines."""
    assert question(name).is_long(table_of(FILE), limit) is expected
