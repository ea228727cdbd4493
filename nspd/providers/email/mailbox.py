"""E-mail addresses: what is one, and which spellings are the same one.

Syntax: RFC 5321, section 4.1.2 (mailboxes) and 4.1.3 (address literals), with
the additions of RFC 6531, section 3.3 (non-ASCII local parts and domains).
Lengths: RFC 5321, section 4.5.3.1.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from nspd.providers.dns.idn import parse_name

LOCAL_PART_OCTETS = 64
DOMAIN_OCTETS = 255
MAILBOX_OCTETS = 254
"""A path has at most 256 octets, two of which are its angle brackets."""

WILDCARD = "*"
"""The local part that stands for every local part of its domain."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_DOTTED = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LOCAL_PART = re.compile(
    rf'(?:"(?P<quoted>(?:[^\x00-\x1f\x7f"\\]|\\[ -~])*)"|(?P<dotted>{_DOTTED.pattern}))@'
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Mailbox(Struct, frozen=True, kw_only=True):
    """An e-mail address, in the form in which it is compared."""

    local_part: str
    """Casefolded and without quoting."""
    wildcard: bool = False
    """Whether the local part stands for every one: an unquoted ``*``."""
    domain: str
    """In lower case and A-labels, without final dot; an address literal in its brackets."""
    written: str
    """The domain in lower case, but in the labels in which it was given."""
    address: str | None = None
    """The host of an address literal."""

    @property
    def key(self) -> str:
        """Equal for all spellings of this address, and for no other address."""
        return f"{self._written}@{self.domain}"

    @property
    def every(self) -> str:
        """The key of the wildcard of this domain."""
        return f"{WILDCARD}@{self.domain}"

    @property
    def _written(self) -> str:
        text = self.local_part
        if _DOTTED.fullmatch(text) and (self.wildcard or text != WILDCARD):
            return text
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'


def mailbox(text: str, *, encode_idn: bool = True) -> Mailbox:
    """Read an e-mail address.

    Two spellings are one address if the local parts are the same after quoting
    is undone and both are casefolded, and the domains are the same in the DNS.
    That the case of local parts is never significant is the rule of nspd's
    names; RFC 5321 would leave it to the host of the mailbox. Local parts are
    not normalised. A quoted ``"*"`` is that very local part, not the wildcard.

    Args:
        text: the address. One final dot is passed over.
        encode_idn: require that labels beyond ASCII have A-labels (RFC 5891);
            else those that have none stay as they are.

    Raises:
        ValueError: it is none; the message says why.
    """
    match = _LOCAL_PART.match(text)
    if match is None:
        raise ValueError("there is no local part before an @")
    given = match[0][:-1]
    _check_length("the local part", given, LOCAL_PART_OCTETS)
    quoted = match["quoted"]
    local_part = _QUOTED_PAIR.sub(r"\1", quoted) if quoted is not None else given
    host = text[match.end() :]
    if host.startswith("["):
        domain, address = _literal(host)
        written = domain
    else:
        domain, address = _domain(host, encode_idn=encode_idn), None
        written = _in_lower_case(host, encode=False)
    _check_length("the domain", domain, DOMAIN_OCTETS)
    _check_length("the address", f"{given}@{domain}", MAILBOX_OCTETS)
    return Mailbox(
        local_part=local_part.casefold(),
        wildcard=given == WILDCARD,
        domain=domain,
        written=written,
        address=address,
    )


def domain_key(text: str) -> str:
    """The form in which a domain of a configuration is compared.

    Raises:
        ValueError: it is no domain of mailboxes.
    """
    return _domain(text, encode_idn=True)


def _check_length(what: str, text: str, limit: int) -> None:
    try:
        octets = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{what} holds text that is no Unicode") from None
    if octets > limit:
        raise ValueError(f"{what} has {octets} octets, and may have {limit}")


def _domain(text: str, *, encode_idn: bool) -> str:
    try:
        domain = _in_lower_case(text, encode=True)
    except ValueError:
        if encode_idn:
            raise
        domain = _in_lower_case(text, encode=False)
    for label in domain.split("."):
        if label.isascii() and not _LABEL.fullmatch(label):
            raise ValueError(f"{label!r} is no label of a domain")
    return domain


def _in_lower_case(text: str, *, encode: bool) -> str:
    try:
        name, _ = parse_name(text, encode=encode)
    except ValueError as error:
        raise ValueError(f"{text!r} is no domain: {error}") from error
    return b".".join(name.labels[:-1]).decode().lower()


def _literal(text: str) -> tuple[str, str]:
    if not text.endswith("]"):
        raise ValueError("an address literal ends with a bracket")
    content = text[1:-1]
    tag, colon, rest = content.partition(":")
    try:
        # No other tag than this one is registered.
        address = IPv6Address(rest) if tag.casefold() == "ipv6" else IPv4Address(content)
    except ValueError as error:
        raise ValueError(f"{text!r} is no address literal: {error}") from error
    if "%" in content:
        raise ValueError(f"{text!r} is no address literal: it has a scope")
    return (f"[ipv6:{address}]" if colon else f"[{address}]"), str(address)
