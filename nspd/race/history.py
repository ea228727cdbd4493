"""Histories: every message of a run as a line of JSON, in the order in which a client saw it.

A line has ``time`` (seconds of any monotonic clock), ``client`` (a number used for
no other connection), ``direction`` ("sent", "received", "shut" for the client closing
its sending side, "hung_up" for the daemon closing, "left" for the client closing) and
``message`` (the JSON that was sent or received; absent for the other three).

Of one client the order of lines is the order of events; lines of different clients
are in order of time, as far as is known.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec import UNSET, Struct, UnsetType

from nspd.race.judge import Direction

_BUFFER = 1 << 20


class Entry(Struct, frozen=True, gc=False):
    """One line of a history."""

    time: float
    client: int
    direction: Direction
    message: Any | UnsetType = UNSET

    @property
    def seen(self) -> Any:
        """The message, or None without one."""
        return None if self.message is UNSET else self.message


class BadHistory(ValueError):
    """A line that is no entry; the text says which, and why."""


class Writer:
    """Writes a history. `close` it."""

    def __init__(self, path: str | Path) -> None:
        """Begin a file anew.

        Raises:
            OSError: it cannot be written.
        """
        self._file = Path(path).open("wb", buffering=_BUFFER)  # noqa: SIM115 - close() closes it
        self._encode = msgspec.json.Encoder().encode

    def observe(self, time: float, client: int, direction: Direction, message: Any) -> None:
        """Write what `nspd.race.judge.Judge.observe` is told."""
        entry = Entry(time, client, direction, UNSET if message is None else message)
        self._file.write(self._encode(entry) + b"\n")

    def close(self) -> None:
        """Write what is left, and close the file."""
        self._file.close()


def read(lines: Iterable[bytes]) -> Iterator[Entry]:
    """The entries of a history, one at a time; empty lines are skipped.

    Raises:
        BadHistory: a line is no entry.
    """
    decode = msgspec.json.Decoder(Entry).decode
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            yield decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadHistory(f"line {number}: {error}") from error


def merge(parts: Sequence[Path], into: str | Path) -> None:
    """Join the histories of drivers, in order of time.

    Raises:
        OSError: a file cannot be read or written.
    """
    files: list[BinaryIO] = []
    try:
        files = [part.open("rb") for part in parts]
        with open(into, "wb", buffering=_BUFFER) as out:
            out.writelines(heapq.merge(*files, key=_time_of))
    finally:
        for file in files:
            file.close()


class _Time(Struct):
    time: float


_decode_time = msgspec.json.Decoder(_Time).decode


def _time_of(line: bytes) -> float:
    return _decode_time(line).time
