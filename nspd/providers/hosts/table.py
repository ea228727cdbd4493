"""The contents of a hosts file, indexed by name and by address; never changed once loaded.

The lines are kept as text and read when they are asked for: that is the leanest
form, and few of a million names ever are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from nspd.providers.hosts.addresses import without_scope
from nspd.providers.hosts.index import Index
from nspd.providers.hosts.lines import BrokenLine, HostLine, key_of, parse_line, split_lines

MAX_OF_A_HOST = 1024
"""Lines that are looked at for one host; also the most addresses and aliases it is given."""

EXAMPLES = 20
"""Broken lines that are told of one by one."""

SLICE = 128
"""Lines that are taken in between two pauses."""


class HostTable:
    """Lines of a hosts file, found by name, by address, or one after the other."""

    __slots__ = ("_by_address", "_by_name", "_text", "lines")

    def __init__(self) -> None:
        self._text = bytearray()
        self._by_name = Index()
        self._by_address = Index()
        self.lines = 0
        """How many lines the table holds."""

    def add(self, line: HostLine) -> None:
        """Append a line; only while the table is being filled."""
        position = len(self._text)
        self._text += f"{line.address} {' '.join(line.names)}\n".encode()
        self._by_address.add(without_scope(line.address), position)
        for name in line.names:
            if key := key_of(name):
                self._by_name.add(key, position)
        self.lines += 1

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


class Loaded(NamedTuple):
    """What was made of a file."""

    table: HostTable
    broken: int
    """Lines that were passed over."""
    examples: list[BrokenLine]
    """The first of them, no more than `EXAMPLES`."""


def load(chunks: Iterable[bytes], pause: Callable[[], None]) -> Loaded:
    """Fill a table from the pieces of a file.

    Args:
        chunks: the file's bytes, cut anywhere.
        pause: called after every `SLICE` lines, so that a thread that loads a
            large file can let others run, or stop by an exception of its own.
    """
    table = HostTable()
    broken = 0
    examples: list[BrokenLine] = []
    for number, line in enumerate(split_lines(chunks), start=1):
        try:
            parsed = parse_line(line)
        except ValueError as error:
            broken += 1
            if broken <= EXAMPLES:
                examples.append(BrokenLine(number, str(error)))
        else:
            if parsed is not None:
                table.add(parsed)
        if number % SLICE == 0:
            pause()
    return Loaded(table, broken, examples)
