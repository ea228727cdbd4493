"""Cutting a stream of bytes into lines, within a bound."""

from __future__ import annotations


class LineBuffer:
    """Cuts what arrives into lines; holds at most one unfinished line.

    Once a line is longer than the limit the buffer is `overflowed`: that line
    and whatever follows it are discarded.
    """

    __slots__ = ("_limit", "overflowed", "partial")

    def __init__(self, limit: int) -> None:
        """Make an empty buffer for lines of at most ``limit`` bytes without their newline."""
        self._limit = limit
        self.partial = bytearray()
        """The line whose end has not arrived."""
        self.overflowed = False

    @property
    def buffered(self) -> int:
        """Bytes held of a line whose end has not arrived."""
        return len(self.partial)

    def split(self, data: bytes) -> list[bytes]:
        """The lines that this data completes, without their newlines."""
        if self.overflowed:
            return []
        longest = len(self.partial) + len(data)
        lines = data.split(b"\n")
        tail = lines.pop()
        if lines and self.partial:
            lines[0] = bytes(self.partial) + lines[0]
            self.partial.clear()
        if tail:
            self.partial += tail
        if longest > self._limit:
            self._enforce(lines)
        return lines

    def take_rest(self) -> bytes:
        """The unfinished line, which is thereby gone from the buffer."""
        rest = bytes(self.partial)
        self.partial.clear()
        return rest

    def _enforce(self, lines: list[bytes]) -> None:
        for index, line in enumerate(lines):
            if len(line) > self._limit:
                del lines[index:]
                self.overflowed = True
                break
        if len(self.partial) > self._limit:
            self.overflowed = True
        if self.overflowed:
            self.partial = bytearray()
