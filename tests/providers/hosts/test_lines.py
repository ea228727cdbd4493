"""Lines of a hosts file."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.providers.hosts.lines import MAX_LINE, HostLine, key_of, parse_line, split_lines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"127.0.0.1 localhost", HostLine("127.0.0.1", ("localhost",))),
        (b" \t127.0.0.1\t\t localhost  loop \r", HostLine("127.0.0.1", ("localhost", "loop"))),
        (b"127.0.0.1\va\fb", HostLine("127.0.0.1", ("a", "b"))),
        (b"::1 a#b c", HostLine("::1", ("a",))),
        (b"::1 a # caf\xe9 \0", HostLine("::1", ("a",))),
        (b"2001:DB8::0:1 Host.", HostLine("2001:db8::1", ("Host.",))),
        ("10.0.0.1 bücher a\u00a0b".encode(), HostLine("10.0.0.1", ("bücher", "a\u00a0b"))),
        (b"fe80::1%7 router", HostLine("fe80::1%7", ("router",))),
        (b"", None),
        (b"  \t\r", None),
        (b"# 127.0.0.1 localhost", None),
        (b"   # a", None),
    ],
)
def test_what_a_line_says(line: bytes, expected: HostLine | None) -> None:
    """Blanks, carriage returns and comments part or end what counts, as in glibc."""
    assert parse_line(line) == expected


def test_the_scope_may_name_an_interface_that_exists() -> None:
    """The loopback interface of this machine becomes its number."""
    number = socket.if_nametoindex("lo")
    assert parse_line(b"fe80::1%lo router") == HostLine(f"fe80::1%{number}", ("router",))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"127.0.0.1", "no name"),
        (b"127.0.0.1 # localhost", "no name"),
        (b"localhost 127.0.0.1", "'localhost' is not an address"),
        (b"10.0.0.1 caf\xe9", "not UTF-8"),
        (b"10.0.0.1 a\0b", "NUL"),
        (b"10.0.0.1 " + b"a" * MAX_LINE, "longer than"),
    ],
)
def test_broken_lines_are_refused_with_a_reason(line: bytes, reason: str) -> None:
    """The reason is fit for the log."""
    with pytest.raises(ValueError, match=reason):
        parse_line(line)


@given(st.binary())
def test_no_line_raises_anything_else(line: bytes) -> None:
    """Whatever the bytes, a line says something, nothing, or is broken."""
    try:
        parsed = parse_line(line)
    except ValueError:
        return
    assert parsed is None or parsed.names


NAMES = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters=" \t\n\r\v\f#\0"), min_size=1
)


@given(st.ip_addresses(), st.lists(NAMES, min_size=1), st.sampled_from([" ", "\t", " \t "]))
def test_every_printed_line_parses_back(address: object, names: list[str], blank: str) -> None:
    """An address and names come out as they went in, whatever parts them."""
    text = blank.join([str(address), *names])
    parsed = parse_line(f"{blank}{text}{blank}# note\r".encode())
    assert parsed is not None
    assert parsed.names == tuple(names)
    assert parse_line(f"{parsed.address} {' '.join(parsed.names)}".encode()) == parsed


def lines_of(chunks: Iterable[bytes]) -> list[bytes]:
    """All lines, whichever piece they end in."""
    return list(chain.from_iterable(split_lines(chunks)))


@given(st.binary(), st.lists(st.integers(min_value=1, max_value=8)))
def test_the_cuts_of_the_chunks_make_no_difference(content: bytes, sizes: list[int]) -> None:
    """Case 120, for a file: any cutting gives the same lines."""
    chunks, rest = [], content
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]
    assert lines_of([*chunks, rest]) == lines_of([content])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\n\nb", [b"a", b"", b"b"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb", [b"a", b"\xef\xbb\xbfb"]),
        (b"\xef\xbb\xbfa", [b"a"]),
    ],
)
def test_lines_and_the_byte_order_mark(content: bytes, expected: list[bytes]) -> None:
    """Only the mark at the very beginning is no part of a name."""
    assert lines_of([content]) == expected


def test_an_endless_line_is_not_held_in_memory() -> None:
    """A line past the limit is cut to what shows that it is too long; the next one is whole."""
    longest = b"x" * MAX_LINE
    chunks = [b"a\n" + longest, b"\n", *[longest] * 3, b"\nb"]
    lines = lines_of(chunks)
    assert [len(line) for line in lines] == [1, MAX_LINE, MAX_LINE + 1, 1]
    assert lines[-1] == b"b"


def test_names_compare_without_case_and_final_dot() -> None:
    """Case 18: an upper-case name with a trailing dot is the same name."""
    assert key_of("WWW.Example.") == key_of("www.example")
    assert key_of("a..") == "a."
