"""Tables for people: aligned columns that fit the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nspd.cli._text import pad, shorten, width_of

_GAP = 2
_NARROWEST = 4


def column_widths(natural: Sequence[int], room: int | None) -> list[int]:
    """The widths of columns that naturally need ``natural``, within ``room`` columns in all.

    The widest give way first; none is cut below four columns, even if the
    table then does not fit. Without ``room`` nothing is cut.
    """
    gaps = _GAP * (len(natural) - 1)
    if room is None or sum(natural) + gaps <= room:
        return list(natural)
    cap = max(natural)
    while cap > _NARROWEST and sum(min(width, cap) for width in natural) + gaps > room:
        cap -= 1
    return [min(width, cap) for width in natural]


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], room: int | None = None
) -> Iterator[str]:
    """Yield the head and the rows as lines; cells must be printable text."""
    natural = [max(map(width_of, column)) for column in zip(heads, *rows, strict=True)]
    widths = column_widths(natural, room)
    for row in (heads, *rows):
        cells = (pad(shorten(cell, width), width) for cell, width in zip(row, widths, strict=True))
        yield (" " * _GAP).join(cells).rstrip()
