"""Suffixes of names: under which domain a name lies, however it is written.

Providers claim suffixes (the setting ``domains``), and a name that lies under
one goes to those who claim it and to nobody else. So every way to write a name
that a resolver would take for the same must lead to the same suffix: case, a
trailing dot, Unicode or "xn--" labels (RFC 5891), an e-mail address, or an
address literal, whose name is the one that a reverse lookup asks for.
"""

from __future__ import annotations

import ipaddress

from msgspec import Struct

from nspd.model.wildcard import folded, is_wildcard

_LONGEST_LITERAL = 64
_MOST_LABELS = 127  # of a name in the DNS


def suffix(text: str) -> str:
    """The form in which a claimed suffix is compared; "" is the root, under which all names lie.

    Raises:
        ValueError: no name could lie under it, so that it would claim nothing.
    """
    plain = folded(text).strip(".")
    reverse = _reverse_name(plain)
    if reverse is not None:
        raise ValueError(f"{text!r} is an address: claim a name such as {reverse}")
    if is_wildcard(plain):
        raise ValueError(f"{text!r} is a pattern: a suffix claims all that lies under it")
    if any(char.isspace() or char in "@/" for char in plain):
        raise ValueError(f"{text!r} is not the end of a name")
    if plain and not all(plain.split(".")):
        raise ValueError(f"{text!r} has an empty label")
    return _ascii_form(text) or plain


def routing_forms(name: str) -> tuple[str, ...]:
    """The forms of a name to look for under suffixes: one, or two if it is not ASCII.

    A name with an "@" counts by the domain behind the last one, an address
    literal by its name under in-addr.arpa or ip6.arpa (RFC 1035 section 3.5,
    RFC 3596 section 2.5).
    """
    domain = name.rpartition("@")[2]
    plain = folded(domain).strip(".")
    reverse = _reverse_name(plain)
    if reverse is not None:
        return (reverse,)
    encoded = _ascii_form(domain)
    return (plain,) if encoded in (None, plain) else (encoded, plain)


def longest_over(name: str, suffixes: frozenset[str], labels: int = _MOST_LABELS) -> str | None:
    """The longest of some suffixes that a name lies under; None: it lies under none.

    Args:
        name: the name, as it is given.
        suffixes: each in its `suffix` form, without the root.
        labels: how many labels the longest of them has at most.
    """
    for form in routing_forms(name):
        parts = form.split(".")[-labels:]
        for place in range(len(parts)):
            rest = ".".join(parts[place:])
            if rest in suffixes:
                return rest
    return None


class Foreign(Struct, frozen=True):
    """Which names belong to others, as one provider is told: plain data that can be asked."""

    own: frozenset[str]
    """The suffixes that the provider claims itself."""
    others: frozenset[str]
    """Those that others claim and it does not."""

    def __call__(self, name: str) -> bool:
        """Whether the longest suffix over a name is one of the others'."""
        return longest_over(name, self.own | self.others) in self.others


def fixed_tail(pattern: str) -> str | None:
    """The labels behind the last wildcard: every name that matches lies under them.

    None: it is no pattern, or has its wildcards only before an "@".
    """
    if not is_wildcard(pattern.rpartition("@")[2]):
        return None
    labels = pattern.rstrip(".").split(".")
    for place in range(len(labels) - 1, -1, -1):
        if is_wildcard(labels[place]):
            return ".".join(labels[place + 1 :])
    return None


def _ascii_form(name: str) -> str | None:
    """The name in "xn--" labels, if it is not ASCII and has such a form.

    Not of the folded name: folding makes two letters of one that IDNA 2008 keeps.
    """
    if name.isascii():
        return None
    import idna  # late: most daemons never see a name that needs it

    try:
        return idna.encode(name.strip("."), uts46=True).decode("ascii").strip(".")
    except (idna.IDNAError, UnicodeError):
        return None


def _reverse_name(text: str) -> str | None:
    if not text or len(text) > _LONGEST_LITERAL or not (text[-1].isdigit() or ":" in text):
        return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.reverse_pointer
