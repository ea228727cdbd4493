"""From the bytes of a hosts file to its table, and to what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from nspd.providers.hosts.columns import HostLines, parse_lines
from nspd.providers.hosts.lines import BrokenLine, HostLine, parse_line, split_lines
from nspd.providers.hosts.table import HostTable, TableBuilder

EXAMPLES = 20
"""Broken lines that are told of one by one."""

SLICE = 512
"""Lines that are taken in between two pauses: one or two milliseconds."""


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
        pause: called after every `SLICE` lines or sooner, so that a thread that
            loads a large file can let others run, or stop by an exception of
            its own.
    """
    builder = TableBuilder(pause)
    broken = 0
    examples: list[BrokenLine] = []
    number = 1
    for lines in split_lines(chunks):
        for start in range(0, len(lines), SLICE):
            part = lines[start : start + SLICE]
            good = parse_lines(part)
            if good is None:
                good, bad = _parse_each(part, number)
                broken += len(bad)
                examples += bad[: EXAMPLES - len(examples)]
            builder.add(good)
            number += len(part)
            pause()
    return Loaded(builder.build(), broken, examples)


def _parse_each(lines: Sequence[bytes], first: int) -> tuple[HostLines, list[BrokenLine]]:
    good: list[HostLine] = []
    bad: list[BrokenLine] = []
    for number, line in enumerate(lines, start=first):
        try:
            parsed = parse_line(line)
        except ValueError as error:
            bad.append(BrokenLine(number, str(error)))
        else:
            if parsed is not None:
                good.append(parsed)
    return HostLines.of(good), bad
