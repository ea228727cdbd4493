"""From the bytes of a hosts file to its lines: what glibc reads from it is what counts.

One line holds an address, a canonical name and any number of aliases, parted by
blanks. ``#`` begins a comment anywhere. A line that is broken concerns nobody
but itself.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from nspd.model.wildcard import folded
from nspd.providers.hosts.addresses import InterfaceIndex, canonical, without_scope

MAX_LINE = 1024 * 1024
"""Bytes past which a line is taken for rubbish instead of being held in memory."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def key_of(name: str) -> str:
    """The form in which host names are compared: case and one trailing dot make no difference."""
    return folded(name).removesuffix(".")


class HostLine(NamedTuple):
    """What one line says."""

    address: str
    """In the canonical spelling."""
    names: tuple[str, ...]
    """The canonical name, then the aliases, as they are written; at least one."""

    def is_led_by(self, key: str) -> bool:
        """Whether the canonical name is this one (see `key_of`)."""
        return key_of(self.names[0]) == key

    def has(self, address: str) -> bool:
        """Whether it is the line's address; one without a scope stands for any scope."""
        return address in (self.address, without_scope(self.address))


class BrokenLine(NamedTuple):
    """A line that was passed over."""

    number: int
    """Counted from 1."""
    reason: str


def split_lines(chunks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines of a file read in pieces of any size, without a byte-order mark.

    They come in lists: those that end in the first piece, those that end in the
    second, and so on; last the rest. Of a line longer than `MAX_LINE` only so
    much is kept that `parse_line` sees that it is too long.
    """
    rest = b""
    mark = _BYTE_ORDER_MARK
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[: len(mark) + MAX_LINE + 1]
        if lines:
            lines[0] = lines[0].removeprefix(mark)
            mark = b""
        yield [line[: MAX_LINE + 1] for line in lines]
    if rest:
        yield [rest.removeprefix(mark)[: MAX_LINE + 1]]


def parse_line(
    line: bytes, interface_index: InterfaceIndex = socket.if_nametoindex
) -> HostLine | None:
    """What a line says; None if it is blank or a comment.

    Raises:
        ValueError: the line is broken; its text is the reason.
    """
    if len(line) > MAX_LINE:
        raise ValueError(f"it is longer than {MAX_LINE} bytes")
    # bytes.split() parts at the blanks of the C locale, as glibc does; that of
    # str would also part names at blanks that only Unicode knows.
    content = line.partition(b"#")[0]
    words = content.split()
    if not words:
        return None
    if len(words) == 1:
        raise ValueError("there is no name after the address")
    try:
        address, *names = [word.decode() for word in words]
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    if b"\0" in content:
        raise ValueError("it holds a NUL byte")
    return HostLine(canonical(address, interface_index), tuple(names))
