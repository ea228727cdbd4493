"""Loading a hosts file."""

from __future__ import annotations

import pytest

from nspd.providers.hosts import loading
from nspd.providers.hosts.lines import HostLine, parse_line
from nspd.providers.hosts.loading import EXAMPLES, SLICE, load


def no_pause() -> None:
    """Nobody else wants to run."""


@pytest.fixture
def read_alone(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The lines that were read one by one, with the care that takes time."""
    lines: list[bytes] = []

    def noted(line: bytes) -> HostLine | None:
        lines.append(line)
        return parse_line(line)

    monkeypatch.setattr(loading, "parse_line", noted)
    return lines


GOOD = [
    b"0.0.0.0 ads.example",
    b"10.0.0.1\thost host.example # note",
    b"",
    b"# comment \0 \xff",
    b"FE80::1%1 router.\r",
    b"::ffff:1.2.3.4 mapped",
    "10.0.0.2 Stra\u00dfe.example".encode(),
]


def test_good_lines_are_never_read_one_by_one(read_alone: list[bytes]) -> None:
    """That a million names load in seconds depends on it."""
    content = b"\n".join(GOOD * SLICE)
    loaded = load([content], no_pause)
    assert (loaded.table.lines, loaded.broken) == (5 * SLICE, 0)
    assert read_alone == []


def test_a_broken_line_slows_down_only_its_slice(read_alone: list[bytes]) -> None:
    """It is reported by its number, and the lines around it are served."""
    lines = [b"10.0.0.%d a" % (number % 256) for number in range(4 * SLICE)]
    lines[2 * SLICE + 7] = b"rubbish"
    table, broken, examples = load([b"\n".join(lines)], no_pause)
    assert (table.lines, broken) == (4 * SLICE - 1, 1)
    assert [line.number for line in examples] == [2 * SLICE + 8]
    assert read_alone == lines[2 * SLICE : 3 * SLICE]


def test_broken_lines_concern_nobody_else() -> None:
    """Each is reported by number and reason; the others are served."""
    table, broken, examples = load([b"10.0.0.1 a\r\nrubbish\r\n\r\n10.0.0.2\n10.0.0.3 b"], no_pause)
    assert broken == 2
    assert [line.number for line in examples] == [2, 4]
    assert "no name" in examples[0].reason
    assert [next(table.named(name)).address for name in "ab"] == ["10.0.0.1", "10.0.0.3"]


def test_a_file_full_of_rubbish_does_not_fill_the_memory() -> None:
    """All broken lines are counted, and some are kept as examples."""
    loaded = load([b"rubbish\n" * (EXAMPLES + 5)], no_pause)
    assert (loaded.broken, len(loaded.examples)) == (EXAMPLES + 5, EXAMPLES)


def test_loading_pauses_and_can_be_stopped_there() -> None:
    """Others get their turn after each slice, and what a pause raises ends the loading."""

    class StoppedError(Exception):
        pass

    pauses = 0

    def pause() -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        load([b"10.0.0.1 a\n" * SLICE * 3], pause)
    assert pauses == 2
