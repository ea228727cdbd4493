"""The contents of a hosts file, indexed by name and by address; never changed.

The lines are kept as text and read when they are asked for: that is the leanest
form, and few of a million names ever are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate, chain, islice, repeat

from nspd.providers.hosts.addresses import without_scope, without_scopes
from nspd.providers.hosts.columns import HostLines, keys_of
from nspd.providers.hosts.index import Index, IndexBuilder
from nspd.providers.hosts.lines import HostLine, key_of

MAX_OF_A_HOST = 1024
"""Lines that are looked at for one host; also the most addresses and aliases it is given."""


class HostTable:
    """Lines of a hosts file, found by name, by address, or one after the other."""

    __slots__ = ("_by_address", "_by_name", "_text", "lines")

    def __init__(self) -> None:
        """A table without lines; one with lines is made by a `TableBuilder`."""
        self._text = bytearray()
        self._by_name = Index()
        self._by_address = Index()
        self.lines = 0
        """How many lines the table holds."""

    @classmethod
    def of(cls, text: bytearray, by_name: Index, by_address: Index) -> HostTable:
        """A table of lines as a `TableBuilder` writes them."""
        table = cls()
        table._text, table._by_name, table._by_address = text, by_name, by_address
        table.lines = len(by_address)
        return table

    def named(self, key: str) -> Iterator[HostLine]:
        """The lines that have the name (see `key_of`), in file order, each once."""
        previous = -1
        for position in self._by_name.find(key):
            if position != previous:
                previous = position
                line = self._line(position)
                if any(key_of(name) == key for name in line.names):
                    yield line

    def more_addressed(self, address: str, limit: int) -> bool:
        """Whether more lines than the limit have the address."""
        positions = self._by_address.find(without_scope(address))
        return next(islice(positions, limit, None), None) is not None

    def leading(self, address: str | None = None) -> Iterator[str | None]:
        """The keys of all canonical names, or of those that have the address.

        They come in file order, each once; None stands for a line that gives
        no further one, so that whoever iterates can stop for breath.
        """
        positions = (
            self._positions() if address is None else self._by_address.find(without_scope(address))
        )
        for position in positions:
            key = key_of(self._line(position).names[0])
            yield key if self._first_led(key, address) == position else None

    def _first_led(self, key: str, address: str | None) -> int | None:
        for position in islice(self._by_name.find(key), MAX_OF_A_HOST):
            line = self._line(position)
            if line.is_led_by(key) and (address is None or line.has(address)):
                return position
        return None

    def _positions(self) -> Iterator[int]:
        position, end = 0, len(self._text)
        while position < end:
            yield position
            position = self._text.index(b"\n", position) + 1

    def _line(self, position: int) -> HostLine:
        end = self._text.index(b"\n", position)
        address, *names = self._text[position:end].decode().split(" ")
        return HostLine(address, tuple(names))


class TableBuilder:
    """Collects the lines of a table."""

    __slots__ = ("_by_address", "_by_name", "_text")

    def __init__(self, pause: Callable[[], None]) -> None:
        """A table in the making; for the pause see `IndexBuilder`."""
        self._text = bytearray()
        self._by_name = IndexBuilder(pause)
        self._by_address = IndexBuilder(pause)

    def add(self, lines: HostLines) -> None:
        """Append lines."""
        texts = [
            f"{address} {names}\n".encode()
            for address, names in zip(lines.addresses, lines.names, strict=True)
        ]
        *starts, _end = accumulate(map(len, texts), initial=len(self._text))
        self._text += b"".join(texts)
        self._by_address.add(without_scopes(lines.addresses), starts)
        keys = keys_of(lines.names)
        if len(keys) > len(starts):
            counts = [names.count(" ") + 1 for names in lines.names]
            starts = list(chain.from_iterable(map(repeat, starts, counts)))
        if "" in keys:  # of a name that is only a dot, which nobody can ask for
            starts = [start for key, start in zip(keys, starts, strict=True) if key]
            keys = [key for key in keys if key]
        self._by_name.add(keys, starts)

    def build(self) -> HostTable:
        """The table of all lines that were added."""
        return HostTable.of(self._text, self._by_name.build(), self._by_address.build())
