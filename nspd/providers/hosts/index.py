"""An index from texts to positions: one flat array, sorted by the hashes of the texts.

A dictionary of a million names takes ten times the memory, and grows and dies
in single steps that hold every thread up for a quarter of a second. Here a text
costs 8 bytes, or 16 while the index is built; it is built by a few thousand
calls into C, each short enough for other threads to wait for; and freeing it
costs nothing.

Only the hash of a text is kept. So what `Index.find` gives may belong to another
text of the same hash: the caller, who can read the text at the position, checks.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

_RUN = 8192  # entries that are sorted at once: one or two milliseconds
_SAMPLE = 512  # entries of a run, of which one is looked at to divide all runs alike

# An entry is 01, 29 bits of the hash, and 32 bits of the position, in 63 bits:
# the bits of a normal, positive float.
_ONE = 0x4000_0000
_HASH = 0x1FFF_FFFF
_POSITION = 0xFFFF_FFFF


class Index:
    """Texts and the positions added under each."""

    __slots__ = ("_entries",)

    def __init__(self, entries: array[int] | None = None) -> None:
        """An empty index; one with entries is made by an `IndexBuilder`."""
        self._entries = array("Q") if entries is None else entries

    def __len__(self) -> int:
        """How many positions were added."""
        return len(self._entries)

    def find(self, text: str) -> Iterator[int]:
        """The positions added under the text, and maybe under others, in ascending order."""
        entries = self._entries
        digest = hash(text) & _HASH | _ONE
        for number in range(bisect_left(entries, digest << 32), len(entries)):
            entry = entries[number]
            if entry >> 32 != digest:
                return
            yield entry & _POSITION


class IndexBuilder:
    """Collects texts and their positions."""

    __slots__ = ("_pause", "_rest", "_runs")

    def __init__(self, pause: Callable[[], None]) -> None:
        """An index in the making.

        Args:
            pause: called every millisecond or two of work, so that a thread
                that builds a large index can let others run.
        """
        self._pause = pause
        self._runs: list[array[int]] = []
        self._rest = array("Q")

    def add(self, texts: Iterable[str], positions: Iterable[int]) -> None:
        """Add each text with its position (below 2^32)."""
        self._rest.extend(
            [
                (digest & _HASH | _ONE) << 32 | position
                for digest, position in zip(map(hash, texts), positions, strict=True)
            ]
        )
        while len(self._rest) >= _RUN:
            self._runs.append(_sorted(self._rest[:_RUN]))
            del self._rest[:_RUN]
            self._pause()

    def build(self) -> Index:
        """The index of all that was added."""
        runs = [*self._runs, _sorted(self._rest)]
        # Bounds between which the runs together have about as many entries as
        # one of them. Entries of one text are told apart by their positions, so
        # this holds also for the one address of a whole block list.
        samples = sorted(chain.from_iterable(run[::_SAMPLE] for run in runs))
        bounds = samples[_RUN // _SAMPLE :: _RUN // _SAMPLE]
        merged = array("Q")
        ends = [0] * len(runs)
        for bound in (*bounds, 1 << 64):
            between = array("Q")
            for number, run in enumerate(runs):
                start, ends[number] = ends[number], bisect_left(run, bound, ends[number])
                between += run[start : ends[number]]
            merged += _sorted(between)
            self._pause()
        return Index(merged)


def _sorted(entries: array[int]) -> array[int]:
    # Positive floats are in the order of their bits, and list.sort() takes half
    # the time for floats that it takes for integers of this size.
    floats = array("d", entries.tobytes()).tolist()
    floats.sort()
    return array("Q", array("d", floats).tobytes())
