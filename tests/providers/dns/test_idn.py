"""Names from text: labels, IDNA 2008, and what no name can be."""

from __future__ import annotations

import dns.name
import pytest

from nspd.providers.dns.idn import ImpossibleName, is_host_label, name_text, parse_name


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("www.example.org", (b"www", b"example", b"org", b"")),
        ("WWW.Example.ORG", (b"WWW", b"Example", b"ORG", b"")),
        ("bücher.example", (b"xn--bcher-kva", b"example", b"")),
        ("BÜCHER.example", (b"xn--bcher-kva", b"example", b"")),
        ("bu\u0308cher.example", (b"xn--bcher-kva", b"example", b"")),  # composed by UTS 46
        ("faß.example", (b"xn--fa-hia", b"example", b"")),  # fass in IDNA 2003
        ("例え。テスト", (b"xn--r8jz45g", b"xn--zckzah", b"")),  # the ideographic full stop
        ("_dmarc.bücher.example", (b"_dmarc", b"xn--bcher-kva", b"example", b"")),
        ("xn--bcher-kva.example", (b"xn--bcher-kva", b"example", b"")),
        ("xn--a.example", (b"xn--a", b"example", b"")),  # no valid A-label, and not ours to judge
        (r"a\.b", (b"a\\", b"b", b"")),
        ("x" * 63, (b"x" * 63, b"")),
    ],
)
def test_a_text_becomes_labels(text: str, labels: tuple[bytes, ...]) -> None:
    """ASCII as it stands, other labels as A-labels after the mapping of UTS 46."""
    name, complete = parse_name(text)
    assert (name.labels, complete) == (labels, False)


def test_a_dot_at_the_end_makes_a_name_complete() -> None:
    """Any of the full stops that UTS 46 knows does, and the root is one."""
    assert parse_name("www.example.org.") == (dns.name.from_text("www.example.org."), True)
    assert parse_name("bücher。") == (dns.name.from_text("xn--bcher-kva."), True)
    assert parse_name(".") == (dns.name.root, True)


def test_encoding_can_be_switched_off() -> None:
    """LUP_DISABLE_IDN_ENCODING: labels are sent in UTF-8, unmapped."""
    name, _ = parse_name("Bücher.example", encode=False)
    assert name.labels == ("Bücher".encode(), b"example", b"")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        ".org",
        "a..b",
        "x" * 64,
        "ü" * 60,  # 64 octets and more as an A-label
        ".".join(["x" * 49] * 6),
        "i❤.example",  # IDNA 2008 has no symbols
        "a\u200db.example",
        "\ud800.example",
        "-ü.example",
    ],
)
def test_what_no_name_can_be_is_refused(text: str) -> None:
    """Empty and overlong labels, overlong names, and what IDNA 2008 forbids."""
    with pytest.raises(ImpossibleName):
        parse_name(text)


def test_a_lone_surrogate_is_refused_in_any_case() -> None:
    """It has no UTF-8."""
    with pytest.raises(ImpossibleName):
        parse_name("\ud800", encode=False)


def test_labels_of_hosts() -> None:
    """Letters, digits, hyphen, underscore, and what is not ASCII."""
    for label in (b"www-1", b"_service", b"b\xc3\xbccher", b"", b"WWW"):
        assert is_host_label(label)
    for label in (b"my printer", b"a\x00", b"a/b", b"a\\b", b"a.b", b"*", b"a\x7f"):
        assert not is_host_label(label)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ((b"www", b"example", b""), "www.example"),
        ((b"my printer", b""), "my printer"),
        (("bücher".encode(), b""), "bücher"),
        ((b"",), "."),
        ((b"a.b", b"example", b""), r"a\.b.example"),
        ((b"a\\b", b""), r"a\\b"),
        ((b"a\x00", b""), r"a\000"),
        ((b"b\xfc", b""), r"b\252"),
        ((b"a\xc2\x85", b""), r"a\194\133"),  # a control character
    ],
)
def test_names_are_written_without_the_last_dot(labels: tuple[bytes, ...], text: str) -> None:
    """What cannot be written is escaped, as in master files (RFC 1035, section 5.1)."""
    name = dns.name.Name(labels)
    assert name_text(name) == text
    if "\\" not in text:
        assert parse_name(text, encode=False)[0] == name
