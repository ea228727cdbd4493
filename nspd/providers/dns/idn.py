"""From the text of a name to its labels: IDNA 2008 with the mapping of UTS 46."""

from __future__ import annotations

import re
import string

import dns.exception
import dns.name
import idna

MAX_LABEL = 63
"""Octets of one label (RFC 1035, section 2.3.4)."""


class ImpossibleName(ValueError):
    """No name in the DNS can be written so."""


def parse_name(text: str, *, encode: bool = True) -> tuple[dns.name.Name, bool]:
    """The name that a text means, always absolute.

    Backslashes have no meaning here. ASCII labels stay as they are, also those
    that begin with ``xn--``.

    Args:
        text: the name, with a dot at the end if it is complete as it stands.
        encode: make labels that are not ASCII A-labels (RFC 5891) after the
            mapping of UTS 46 (case, width, full stops); else they are UTF-8.

    Returns:
        The name, and whether it was written with a dot at the end.

    Raises:
        ImpossibleName: a label is empty, too long or not valid, or the name too long.
    """
    if encode and not text.isascii():
        text = _mapped(text)
    complete = text.endswith(".")
    written = text[:-1] if complete else text
    if not written:
        if complete:
            return dns.name.root, True
        raise ImpossibleName("there is no name")
    labels = [_label(label, encode=encode) for label in written.split(".")]
    try:
        return dns.name.Name([*labels, b""]), complete
    except dns.exception.DNSException as error:
        raise ImpossibleName(str(error)) from None


def _mapped(text: str) -> str:
    try:
        return idna.uts46_remap(text, std3_rules=False, transitional=False)
    except (idna.IDNAError, UnicodeError) as error:
        raise ImpossibleName(str(error)) from None


def _label(label: str, *, encode: bool) -> bytes:
    try:
        octets = label.encode() if label.isascii() or not encode else idna.alabel(label)
    except UnicodeError as error:  # as IDNAError is
        raise ImpossibleName(str(error)) from None
    if not 0 < len(octets) <= MAX_LABEL:
        raise ImpossibleName(f"a label has 1 to {MAX_LABEL} octets")
    return octets


def is_host_label(octets: bytes) -> bool:
    """Whether a label may be part of a host's name: no blank, control or other odd character.

    The underscore is let through, as resolvers do, and so is what is not ASCII.
    """
    return not octets.translate(None, _HOST_OCTETS)


_HOST_OCTETS = (string.ascii_letters + string.digits + "-_").encode() + bytes(range(0x80, 0x100))


def name_text(name: dns.name.Name) -> str:
    """A name as it stands in records: without the dot at the end, but for the root.

    `parse_name` without encoding makes the same name of it, unless a label has
    octets that cannot be written: those are escaped as in master files (RFC
    1035, section 5.1).
    """
    labels = name.labels[:-1]
    octets = b".".join(labels)
    if _WRITABLE.fullmatch(octets) and octets.count(b".") == len(labels) - 1:
        try:
            text = octets.decode()
        except UnicodeDecodeError:
            text = ""
        if text.isprintable() and text:
            return text
    return name.to_text(omit_final_dot=True)


_WRITABLE = re.compile(rb"[ -\[\]-~\x80-\xff]+")  # all of ASCII that has a shape, but no backslash
