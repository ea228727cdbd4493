"""Histories are written, read and joined line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nspd.race.history import BadHistory, Entry, Writer, merge, read


def written(path: Path, *observations: tuple[float, int, Any, Any]) -> Path:
    """A history of these observations."""
    writer = Writer(path)
    for observation in observations:
        writer.observe(*observation)
    writer.close()
    return path


def test_round_trip(tmp_path: Path) -> None:
    """What was observed is read again; without a message there is no such member."""
    message = {"id": 1, "method": "nspd.Status"}
    path = written(tmp_path / "h", (1.5, 3, "sent", message), (2.5, 3, "hung_up", None))
    lines = path.read_bytes().splitlines()
    assert lines == [
        b'{"time":1.5,"client":3,"direction":"sent","message":{"id":1,"method":"nspd.Status"}}',
        b'{"time":2.5,"client":3,"direction":"hung_up"}',
    ]
    assert [entry.seen for entry in read(lines)] == [message, None]


def test_from_elsewhere() -> None:
    """Empty lines and members of others do not matter, nor the order of members."""
    lines = [b"\n", b'{"client":1,"host":"x","direction":"received","message":[],"time":2}\n']
    assert list(read(lines)) == [Entry(2.0, 1, "received", [])]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"rubbish", "malformed"),
        (b'{"time":1,"client":1,"direction":"sideways"}', "sideways"),
        (b'{"time":"now","client":1,"direction":"sent"}', "time"),
        (b'{"client":1,"direction":"sent"}', "time"),
        (b'{"time":1,"client":1,"direction":"sent","message":"\xff"}', ""),
    ],
)
def test_bad_line(line: bytes, reason: str) -> None:
    """A line that is no entry is named by its number, with the reason."""
    entries = read([b'{"time":1,"client":1,"direction":"left"}', line])
    assert next(entries).direction == "left"
    with pytest.raises(BadHistory, match=rf"line 2: .*{reason}"):
        next(entries)


def test_merged_by_time(tmp_path: Path) -> None:
    """The parts of drivers become one, in order of time, each part in its own order."""
    first = written(tmp_path / "a", (1.0, 1, "left", None), (3.0, 2, "left", None))
    second = written(tmp_path / "b", (2.0, 3, "left", None), (3.0, 4, "left", None))
    merge([first, second], tmp_path / "all")
    entries = read((tmp_path / "all").read_bytes().splitlines())
    assert [entry.client for entry in entries] == [1, 3, 2, 4]


def test_merge_nothing(tmp_path: Path) -> None:
    """A run without a driver's part has an empty history."""
    merge([], tmp_path / "all")
    assert (tmp_path / "all").read_bytes() == b""
