"""What can be asked of a hosts table: a name, a pattern of names, or an address.

Each question gives keys of hosts one by one, and for a key the host as this
question sees it. That is enough to answer, to enumerate, and to tell what has
changed between two tables without holding the records of either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from nspd.model.wildcard import is_wildcard, matcher
from nspd.providers.hosts.addresses import canonical, may_be_literal
from nspd.providers.hosts.lines import HostLine, key_of
from nspd.providers.hosts.table import MAX_OF_A_HOST, HostTable


class Host(NamedTuple):
    """A host as a question sees it."""

    name: str
    """The canonical name, as it is written."""
    addresses: tuple[str, ...]
    """In file order, each once, in the canonical spelling."""
    aliases: tuple[str, ...]
    """Its other names, each as it is written where it comes first."""


class Question(Protocol):
    """A question to a hosts table."""

    def is_long(self, table: HostTable, limit: int) -> bool:
        """Whether more than so many lines must be read to answer in full."""

    def keys(self, table: HostTable) -> Iterator[str | None]:
        """The hosts that may answer, by key, each once; None for a line that gives none."""

    def host(self, table: HostTable, key: str) -> Host | None:
        """One of them; None if it is no answer to this question."""


def question(name: str) -> Question:
    """What the name of a query asks: a pattern, an address literal, or just that name."""
    name = name.removesuffix(".")
    if is_wildcard(name):
        return PatternQuestion(name)
    if may_be_literal(name):
        try:
            return AddressQuestion(canonical(name))
        except ValueError:
            pass  # a name that only looked like an address
    return NameQuestion(key_of(name))


class NameQuestion:
    """Which host has this name?

    As with gethostbyname() of glibc, the canonical name is that of the first
    line that has the name, and all lines that have it are merged.
    """

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key

    def is_long(self, table: HostTable, limit: int) -> bool:
        """Never: one host is all there is."""
        return False

    def keys(self, table: HostTable) -> Iterator[str | None]:
        """The key of that name."""
        yield self._key

    def host(self, table: HostTable, key: str) -> Host | None:
        """The host, if any line has the name."""
        lines = list(islice(table.named(key), MAX_OF_A_HOST))
        return _merged(lines[0].names[0], lines) if lines else None


class PatternQuestion:
    """Which hosts have a name that matches?

    Hosts are told apart by their canonical names. An alias that matches counts,
    since its host would be found by it as well.
    """

    __slots__ = ("_matches",)

    def __init__(self, pattern: str) -> None:
        self._matches = matcher(pattern)

    def is_long(self, table: HostTable, limit: int) -> bool:
        """Whether the table has more lines."""
        return table.lines > limit

    def keys(self, table: HostTable) -> Iterator[str | None]:
        """The hosts that match, in file order."""
        for key in table.leading():
            yield key if key is not None and self.host(table, key) is not None else None

    def host(self, table: HostTable, key: str) -> Host | None:
        """The host of that canonical name, if one of its names matches."""
        lines = list(islice(table.named(key), MAX_OF_A_HOST))
        name = next((line.names[0] for line in lines if line.is_led_by(key)), None)
        if name is None:
            return None
        host = _merged(name, lines)
        matches = self._matches(key) or any(self._matches(key_of(alias)) for alias in host.aliases)
        return host if matches else None


class AddressQuestion:
    """Which hosts have this address?

    A host is given with that address alone, and with the aliases of the lines
    that have it, as with gethostbyaddr().
    """

    __slots__ = ("_address",)

    def __init__(self, address: str) -> None:
        self._address = address

    def is_long(self, table: HostTable, limit: int) -> bool:
        """Whether more lines have the address."""
        return table.more_addressed(self._address, limit)

    def keys(self, table: HostTable) -> Iterator[str | None]:
        """The hosts that have the address, in file order."""
        return table.leading(self._address)

    def host(self, table: HostTable, key: str) -> Host | None:
        """The host of that canonical name, if it has the address."""
        lines = [
            line
            for line in islice(table.named(key), MAX_OF_A_HOST)
            if line.is_led_by(key) and line.has(self._address)
        ]
        return _merged(lines[0].names[0], lines) if lines else None


def _merged(name: str, lines: Sequence[HostLine]) -> Host:
    addresses = dict.fromkeys(line.address for line in lines)
    written: dict[str, str] = {}
    for line in lines:
        for other in line.names:
            written.setdefault(key_of(other), other)
    for no_alias in (key_of(name), ""):
        written.pop(no_alias, None)
    return Host(name, tuple(addresses), tuple(islice(written.values(), MAX_OF_A_HOST)))
