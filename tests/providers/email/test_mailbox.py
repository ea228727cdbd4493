"""E-mail addresses: what is one, and which spellings are the same (RFC 5321, RFC 6531)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.providers.email.mailbox import domain_key, mailbox


@pytest.mark.parametrize(
    "text",
    [
        "user@example.org",
        "user@example.org.",
        "a.b.c@example.org",
        "!#$%&'*+-/=?^_`{|}~@example.org",
        '""@example.org',
        '"a b"@example.org',
        '"a@b"@example.org',
        r'"a\"b\\c"@example.org',
        '"..a.."@example.org',
        "пример@example.org",
        "用户@例え.jp",
        "user@localhost",
        "user@[192.0.2.1]",
        "user@[IPv6:2001:db8::1]",
        "*@example.org",
        "u@" + "a" * 63 + ".org",
        "u" * 64 + "@example.org",
        "u@" + ".".join(["a" * 61] * 4),
    ],
)
def test_addresses(text: str) -> None:
    """What RFC 5321 and RFC 6531 allow is an address."""
    assert "@" in mailbox(text).key


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no local part"),
        ("printer", "no local part"),
        ("@example.org", "no local part"),
        (".user@example.org", "no local part"),
        ("user.@example.org", "no local part"),
        ("us..er@example.org", "no local part"),
        ("us er@example.org", "no local part"),
        ("us@er@example.org", "no label"),
        ('"user@example.org', "no local part"),
        ('"us"er@example.org', "no local part"),
        ('"us\x00er"@example.org', "no local part"),
        ("user@", "no domain"),
        ("user@.", "no label"),
        ("user@example..org", "no domain"),
        ("user@-example.org", "no label"),
        ("user@example-.org", "no label"),
        ("user@exam_ple.org", "no label"),
        ("user@exam ple.org", "no label"),
        ("user@*.org", "no label"),
        ("user@" + "a" * 64 + ".org", "no domain"),
        ("user@\u2028.org", "no domain"),
        ("user@[192.0.2.256]", "no address literal"),
        ("user@[192.0.2.1", "ends with a bracket"),
        ("user@[IPv6:192.0.2.1]", "no address literal"),
        ("user@[IPv6:fe80::1%eth0]", "it has a scope"),
        ("user@[2001:db8::1]", "no address literal"),
        ("user@[x400:c=de]", "no address literal"),
        ("user\ud800@example.org", "no Unicode"),
    ],
)
def test_no_addresses(text: str, why: str) -> None:
    """What is no address is refused, and the message says why."""
    with pytest.raises(ValueError, match=why):
        mailbox(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("u" * 65 + "@example.org", "the local part has 65 octets, and may have 64"),
        ("я" * 33 + "@example.org", "the local part has 66 octets, and may have 64"),
        ("u" * 12 + "@" + ".".join(["a" * 60] * 4), "the address has 256 octets, and may have 254"),
        ("u@" + ".".join(["a" * 63] * 4), "no domain"),
    ],
)
def test_too_long(text: str, why: str) -> None:
    """Local part, domain and address have the limits of RFC 5321, 4.5.3.1, in octets."""
    with pytest.raises(ValueError, match=why):
        mailbox(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("user@example.org", "USER@Example.ORG"),
        ("user@example.org", "user@example.org."),
        ("user@example.org", '"user"@example.org'),
        ("user@example.org", r'"\u\s\e\r"@example.org'),
        ('"a b"@example.org', r'"A\ B"@example.org'),
        ("straße@example.org", "STRASSE@example.org"),
        ("user@bücher.example", "user@xn--bcher-kva.example"),
        ("user@bücher.example", "user@BÜCHER.example"),
        ("user@[IPv6:2001:db8::1]", "user@[ipv6:2001:DB8:0:0::1]"),
    ],
)
def test_the_same_address(one: str, other: str) -> None:
    """Case, quoting, A-labels and a final dot make no difference."""
    assert mailbox(one).key == mailbox(other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("user@example.org", "user@www.example.org"),
        ("us.er@example.org", "user@example.org"),
        ("user+tag@example.org", "user@example.org"),
        ("fu\u0308r@example.org", "f\u00fcr@example.org"),
        ("*@example.org", '"*"@example.org'),
        ("user@straße.example", "user@strasse.example"),
        ("user@[192.0.2.1]", "user@[192.0.2.2]"),
    ],
)
def test_other_addresses(one: str, other: str) -> None:
    """Local parts are not normalised (Case 145), and a quoted * is no wildcard."""
    assert mailbox(one).key != mailbox(other).key


def test_the_wildcard_of_a_domain() -> None:
    """An unquoted * stands for every local part of its domain."""
    assert mailbox("*@Example.org").wildcard
    assert not mailbox('"*"@example.org').wildcard
    assert mailbox("user@example.org").every == mailbox("*@example.org").key


def test_a_domain_without_a_labels() -> None:
    """With IDN encoding off, a label that IDNA 2008 forbids stays as it is."""
    with pytest.raises(ValueError, match="no domain"):
        mailbox("user@\U0001f4a9.example")
    raw = mailbox("user@\U0001f4a9.example", encode_idn=False)
    assert raw.domain == raw.written == "\U0001f4a9.example"
    other = mailbox("user@Bücher.example", encode_idn=False)
    assert (other.domain, other.written) == ("xn--bcher-kva.example", "bücher.example")


def test_the_address_of_a_literal() -> None:
    """A literal has an address, a domain has none."""
    assert mailbox("u@[192.0.2.1]").address == "192.0.2.1"
    assert mailbox("u@[IPv6:2001:DB8::1]").address == "2001:db8::1"
    assert mailbox("u@example.org").address is None


@given(st.text(max_size=20))
def test_reading_a_key_again(local_part: str) -> None:
    """A key is an address itself, and its own key: nothing is lost or taken apart twice."""
    escaped = local_part.replace("\\", "\\\\").replace('"', '\\"')
    try:
        once = mailbox(f'"{escaped}"@example.org')
    except ValueError:
        return
    again = mailbox(once.key)
    assert again.key == once.key
    assert again.local_part == once.local_part == local_part.casefold()


@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    """Whatever the text, it is an address or a ValueError."""
    try:
        found = mailbox(text)
    except ValueError:
        return
    assert mailbox(found.key).key == found.key


def test_domains_of_a_configuration() -> None:
    """Domains compare like those of addresses."""
    assert domain_key("Bücher.Example.") == "xn--bcher-kva.example"
    with pytest.raises(ValueError, match="no label"):
        domain_key("*.example")
