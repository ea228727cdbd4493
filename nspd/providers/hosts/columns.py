"""Many lines of a hosts file at once.

What `parse_line` and `key_of` do for one line and one name costs more in calls
and small objects than in work. Here all lines go through each step together,
which takes a third of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nspd.model.wildcard import folded
from nspd.providers.hosts.addresses import canonical_all
from nspd.providers.hosts.lines import MAX_LINE, HostLine


class HostLines(NamedTuple):
    """What lines say, in columns."""

    addresses: Sequence[str]
    """Of each line, in the canonical spelling."""
    names: Sequence[str]
    """Of each line, the canonical name and the aliases, parted by single spaces."""

    @classmethod
    def of(cls, lines: Sequence[HostLine]) -> HostLines:
        """The columns of lines that were read one by one."""
        return cls([line.address for line in lines], [" ".join(line.names) for line in lines])


def parse_lines(lines: Sequence[bytes]) -> HostLines | None:
    """What lines say, but for the blank ones and the comments; None if any is broken.

    Which one, and why, is for `parse_line` to find out.
    """
    if max(map(len, lines), default=0) > MAX_LINE:
        return None
    if b"#" in b"".join(lines):
        lines = [line.partition(b"#")[0] for line in lines]
    parted = list(filter(None, map(bytes.split, lines)))
    if not parted:
        return HostLines((), ())
    if min(map(len, parted)) == 1:
        return None
    # No line feed is in any word, nor in what a character is decoded to.
    addresses = b"\n".join([words.pop(0) for words in parted])
    names = b"\n".join(map(b" ".join, parted))
    if b"\0" in names:
        return None
    try:
        return HostLines(canonical_all(addresses.decode().split("\n")), names.decode().split("\n"))
    except ValueError:  # as is what decode() raises
        return None


def keys_of(names: Iterable[str]) -> list[str]:
    """The keys (see `key_of`) of all names in texts of names parted by single spaces."""
    # No character is folded to one that has a space or a line feed in it.
    text = folded("\n".join([*names, ""])).replace(" ", "\n")
    return text.replace(".\n", "\n").split("\n")[:-1]
