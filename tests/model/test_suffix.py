"""Under which suffix a name lies, however it is written."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.model.suffix import fixed_tail, routing_forms, suffix


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("corp.example", "corp.example"),
        (".Corp.EXAMPLE.", "corp.example"),
        (".", ""),
        ("", ""),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("xn--BCHER-kva.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("_räk_.example", "_räk_.example"),
    ],
)
def test_the_form_of_a_suffix(text: str, form: str) -> None:
    """Case, outer dots and Unicode do not matter; what IDNA cannot encode stays as it is."""
    assert suffix(text) == form


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("*.corp.example", "pattern"),
        ("corp.?", "pattern"),
        ("10.1.2.3", "3.2.1.10.in-addr.arpa"),
        ("2001:db8::1", "ip6.arpa"),
        ("10.0.0.0/8", "not the end"),
        ("@corp.example", "not the end"),
        ("corp example", "not the end"),
        ("corp..example", "empty label"),
    ],
)
def test_what_would_claim_nothing(text: str, why: str) -> None:
    """A suffix under which no name can lie is refused: it would protect nothing."""
    with pytest.raises(ValueError, match=why):
        suffix(text)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Host.Corp.Example.", "host.corp.example"),
        ("alice@corp.example", "corp.example"),
        ('"a@b"@Corp.example', "corp.example"),
        ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
        ("1.2.0.192.in-addr.arpa", "1.2.0.192.in-addr.arpa"),
        ("::ffff:192.0.2.1", "1.2.0.192.in-addr.arpa"),
        ("2001:DB8::1", "1" + ".0" * 23 + ".8.b.d.0.1.0.0.2.ip6.arpa"),
        ("fe80::1%eth0", "1" + ".0" * 28 + ".8.e.f.ip6.arpa"),
        ("1.2.3", "1.2.3"),
        ("999.0.2.1", "999.0.2.1"),
        ("a:b", "a:b"),
        ("", ""),
    ],
)
def test_the_form_of_a_name(name: str, form: str) -> None:
    """Mail addresses count by their domain, address literals by their reverse name."""
    assert routing_forms(name) == (form,)


@pytest.mark.parametrize("dot", [".", "\u3002", "\uff0e", "\uff61"])
def test_a_unicode_name_has_the_form_that_dns_would_ask_for(dot: str) -> None:
    """The full stops of other scripts part labels, as in UTS 46; the name as given counts, too."""
    name = f"db{dot}BÜCHER{dot}example"
    assert routing_forms(name) == ("db.xn--bcher-kva.example", name.casefold())


def test_a_name_that_idna_refuses_keeps_its_own_form() -> None:
    """An underscore beside an umlaut has no "xn--" form, and is no error."""
    assert routing_forms("_ü.Example") == ("_ü.example",)


@pytest.mark.parametrize(
    ("pattern", "tail"),
    [
        ("*", ""),
        ("*.corp.example", "corp.example"),
        ("*.corp.example.", "corp.example"),
        ("db?.corp.example", "corp.example"),
        ("*corp.example", "example"),
        ("a.*.b.?x.example", "example"),
        ("corp.*", ""),
        ("db.corp.example", None),
        ("*@corp.example", None),
        ("*@*.example", "example"),
        ("a@b@*", ""),
        ("", None),
    ],
)
def test_what_is_fixed_in_a_pattern(pattern: str, tail: str | None) -> None:
    """The labels behind the last wildcard; None for what has no wildcard in its domain."""
    assert fixed_tail(pattern) == tail


@given(st.text(max_size=80))
def test_no_text_is_too_strange(text: str) -> None:
    """Any text has a form, and a suffix covers itself."""
    forms = routing_forms(text)
    assert 1 <= len(forms) <= 2
    with contextlib.suppress(ValueError):
        assert suffix(text) in forms
    tail = fixed_tail(text)
    assert tail is None or "*" not in tail
