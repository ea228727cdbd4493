"""A hash index in a few flat arrays, from texts to positions.

A dictionary of a million names takes ten times the memory, and grows and dies
in single steps that hold every thread up for a quarter of a second. Here a text
costs 20 to 28 bytes, growing is a loop that other threads can interrupt, and
freeing costs nothing.

Only the hash of a text is kept. So what `find` gives may belong to another text
of the same hash: the caller, who can read the text at the position, checks.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

_HASH_BITS = 0xFFFFFFFF


class Index:
    """Texts and the positions added under each, in the order in which they were added."""

    __slots__ = ("_hashes", "_mask", "_next", "_positions", "_slots", "_used")

    def __init__(self) -> None:
        # Entry 0 is nobody's, so that 0 marks a free slot. A slot holds the last
        # entry of a ring; the one after it is the first.
        self._positions = array("I", [0])
        self._hashes = array("I", [0])
        self._next = array("I", [0])
        self._mask = 63
        self._slots = array("I", bytes(4 * (self._mask + 1)))
        self._used = 0

    def __len__(self) -> int:
        """How many positions were added."""
        return len(self._positions) - 1

    def add(self, text: str, position: int) -> None:
        """Add a position (below 2^32) under the text."""
        digest = hash(text) & _HASH_BITS
        entry = len(self._positions)
        self._positions.append(position)
        self._hashes.append(digest)
        slots, hashes, mask = self._slots, self._hashes, self._mask
        slot = digest & mask
        while last := slots[slot]:
            if hashes[last] == digest:
                self._next.append(self._next[last])
                self._next[last] = slots[slot] = entry
                return
            slot = (slot + 1) & mask
        self._next.append(entry)
        slots[slot] = entry
        self._used += 1
        if self._used * 2 > mask:
            self._grow()

    def find(self, text: str) -> Iterator[int]:
        """The positions added under the text, and maybe under others of the same hash."""
        digest = hash(text) & _HASH_BITS
        slot = digest & self._mask
        while last := self._slots[slot]:
            if self._hashes[last] == digest:
                entry = last
                while True:
                    entry = self._next[entry]
                    yield self._positions[entry]
                    if entry == last:
                        return
            slot = (slot + 1) & self._mask

    def _grow(self) -> None:
        mask = self._mask * 2 + 1
        slots = array("I", bytes(4 * (mask + 1)))
        hashes = self._hashes
        for last in self._slots:
            if last:
                slot = hashes[last] & mask
                while slots[slot]:
                    slot = (slot + 1) & mask
                slots[slot] = last
        self._slots, self._mask = slots, mask
