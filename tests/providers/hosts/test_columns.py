"""Many lines of a hosts file at once."""

from __future__ import annotations

import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nspd.model.wildcard import folded
from nspd.providers.hosts.columns import HostLines, keys_of, parse_lines
from nspd.providers.hosts.lines import MAX_LINE, key_of, parse_line

WORDS = st.sampled_from(
    [
        b"0.0.0.0",
        b"10.0.0.1",
        b"010.0.0.1",
        b"10.0.0.1%1",
        b"::",
        b"2001:DB8::0:1",
        b"fe80::1%7",
        b"fe80::1%0",
        b"fe80::1%none",
        b"a",
        b"A.",
        b".",
        b"..",
        "Stra\u00dfe a\u00a0b\u2028c\x85d\x1ce".encode(),
        b"\xff",
        b"\0",
        b"#",
    ]
)
BLANKS = st.sampled_from([b"", b" ", b"\t", b" \v\f\r "])
LINES = st.one_of(
    st.builds(
        b"".join,
        st.lists(st.tuples(BLANKS, WORDS).map(b"".join), max_size=5),
    ),
    st.builds(b"%b %b".__mod__, st.tuples(WORDS, WORDS)),
    st.builds("{} {}".format, st.ip_addresses(), st.text()).map(
        lambda text: text.replace("\n", "").encode(errors="replace")
    ),
    st.binary().map(lambda line: line.replace(b"\n", b"")),
)


def one_by_one(lines: list[bytes]) -> HostLines | None:
    """What `parse_line` reads."""
    try:
        parsed = [parse_line(line) for line in lines]
    except ValueError:
        return None
    return HostLines.of([line for line in parsed if line is not None])


@given(st.lists(LINES, max_size=4))
@example([b"10.0.0.1 a", b"10.0.0.1"])
@example([b"10.0.0.1 a", b"a 10.0.0.1"])
@example([b"10.0.0.1 a", b"10.0.0.1 b\0c"])
@example([b"10.0.0.1 a", b"fe80::1%\0 b"])
@example([b"10.0.0.1 a", b"10.0.0.1 b \xff"])
@example([b"10.0.0.1 a", b"\xff b"])
@example([b"10.0.0.1 a#\0", b"", b"::1 b #\xff", b"#"])
def test_lines_say_together_what_they_say_alone(lines: list[bytes]) -> None:
    """Whatever the bytes; and one that is broken makes all of them so."""
    together, alone = parse_lines(lines), one_by_one(lines)
    if alone is None or together is None:
        assert together is alone
    else:
        assert list(together.addresses) == list(alone.addresses)
        assert list(together.names) == list(alone.names)


@pytest.mark.parametrize(
    ("line", "good"),
    [(b"10.0.0.1 " + b"a" * (MAX_LINE - 9), True), (b"10.0.0.1 " + b"a" * (MAX_LINE - 8), False)],
)
def test_the_longest_line(line: bytes, good: bool) -> None:
    """The limit is the same for both ways to read."""
    assert (parse_lines([b"::1 a", line]) is not None) is good
    assert (one_by_one([line]) is not None) is good


NAME = st.text(st.characters(exclude_characters=" \n", exclude_categories=["Cs"]), min_size=1)


@given(st.lists(st.lists(st.one_of(NAME, st.sampled_from([".", "A..", "\u0130."])), min_size=1)))
def test_keys_together_are_those_of_each_name(lines: list[list[str]]) -> None:
    """In the order of the names, one for each."""
    assert keys_of([" ".join(names) for names in lines]) == [
        key_of(name) for names in lines for name in names
    ]


def test_no_character_is_folded_to_what_parts_names() -> None:
    """Of all that Unicode has, so that folding many names at once keeps them apart."""
    parting = {" ", "\n"}
    others = (chr(code) for code in range(sys.maxunicode + 1) if chr(code) not in parting)
    assert [other for other in others if parting & set(folded(other))] == []
