"""Reading the hosts file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nspd.providers.hosts import source
from nspd.providers.hosts.source import MissingFile, Reading, Signature, UnusableFile, read_hosts

SECOND = 1_000_000_000


def no_pause() -> None:
    """Nobody else wants to run."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A hosts file that nobody has touched for long."""
    file = tmp_path / "hosts"
    write(file, "10.0.0.1 a\n")
    return file


def write(file: Path, text: str) -> None:
    """Write the file in place."""
    file.write_text(text)


def settled(reading: Reading) -> Reading:
    """The reading as if its file had not been touched for long before."""
    return reading._replace(settled=True)


def addresses(reading: Reading, name: str) -> list[str]:
    """What the reading says of a name."""
    return [line.address for line in reading.contents.table.named(name)]


def test_an_unchanged_file_is_not_read_again(path: Path) -> None:
    """The previous reading itself comes back."""
    first = settled(read_hosts(str(path), None, no_pause))
    assert addresses(first, "a") == ["10.0.0.1"]
    assert read_hosts(str(path), first, no_pause) is first


def test_an_edit_is_seen(path: Path) -> None:
    """Another size is enough."""
    first = settled(read_hosts(str(path), None, no_pause))
    write(path, "10.0.0.1 a\n10.0.0.2 a\n")
    second = read_hosts(str(path), first, no_pause)
    assert addresses(second, "a") == ["10.0.0.1", "10.0.0.2"]


def test_a_replaced_file_is_seen(path: Path) -> None:
    """Renaming another file over it, and switching a symbolic link, are changes."""
    link = path.with_name("link")
    link.symlink_to(path)
    first = settled(read_hosts(str(link), None, no_pause))
    other = path.with_name("other")
    write(other, "10.0.0.2 a\n")
    os.replace(other, path)
    second = settled(read_hosts(str(link), first, no_pause))
    assert addresses(second, "a") == ["10.0.0.2"]
    write(other, "10.0.0.3 a\n")
    new_link = path.with_name("new")
    new_link.symlink_to(other)
    os.replace(new_link, link)
    assert addresses(read_hosts(str(link), second, no_pause), "a") == ["10.0.0.3"]


def test_an_edit_in_the_same_tick_of_the_clock_is_seen(path: Path) -> None:
    """A file touched just before it was read is read again, even if stat() tells no change."""
    first = read_hosts(str(path), None, no_pause)
    assert not first.settled
    write(path, "10.0.0.9 a\n")
    disguised = first._replace(signature=Signature.of(path.stat()))
    assert addresses(read_hosts(str(path), disguised, no_pause), "a") == ["10.0.0.9"]


def test_the_same_bytes_keep_the_table(path: Path) -> None:
    """A touched file costs no new table."""
    first = read_hosts(str(path), None, no_pause)
    os.utime(path, ns=(0, 0))
    second = read_hosts(str(path), first, no_pause)
    assert second.contents is first.contents
    assert second.signature != first.signature


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, False), (1.9, False), (2, True), (3600, True), (-1, False), (-3600, True)],
)
def test_when_a_file_counts_as_settled(age: float, expected: bool) -> None:
    """Two seconds after the last touch; a clock far off cannot keep it unsettled for ever."""
    now = 1_700_000_000 * SECOND
    touched = now - int(age * SECOND)
    assert Signature(1, 2, 3, touched, touched - SECOND).is_settled(now) is expected
    assert Signature(1, 2, 3, touched - SECOND, touched).is_settled(now) is expected


def test_a_missing_file_is_told_from_an_unusable_one(tmp_path: Path) -> None:
    """Also where a directory on the way is missing or none."""
    write(tmp_path / "file", "")
    for missing in ("none", "none/hosts", "file/hosts"):
        with pytest.raises(MissingFile):
            read_hosts(str(tmp_path / missing), None, no_pause)


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    """A FIFO without a writer, an endless device and a directory are refused at once."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for unusable in (str(fifo), "/dev/zero", str(tmp_path)):
        with pytest.raises(UnusableFile, match="not a regular file"):
            read_hosts(unusable, None, no_pause)


def test_a_file_that_becomes_a_fifo_after_the_look_does_not_hang(path: Path) -> None:
    """What was opened is looked at again, and opening it does not wait for a writer."""
    fifo = path.with_name("fifo")
    os.mkfifo(fifo)
    with pytest.raises(UnusableFile, match="not a regular file"):
        source._read(str(fifo), None, no_pause)


def test_an_error_of_the_system_is_an_unusable_file(tmp_path: Path) -> None:
    """A link that leads to itself, as one that holds for every user."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(UnusableFile, match="symbolic links"):
        read_hosts(str(loop), None, no_pause)


def test_a_file_that_is_too_large_is_refused(path: Path) -> None:
    """Its size is enough to tell."""
    with path.open("ab") as file:
        file.truncate(source.MAX_BYTES + 1)
    with pytest.raises(UnusableFile, match="larger than"):
        read_hosts(str(path), None, no_pause)


def test_a_file_that_grows_too_large_while_it_is_read_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound holds for what is read, whatever size the file had at first."""
    monkeypatch.setattr(source, "MAX_BYTES", 1000)
    first = read_hosts(str(path), None, no_pause)

    def grow() -> None:
        with path.open("ab") as file:
            file.write(b"#" * 100)

    with pytest.raises(UnusableFile, match="larger than 1000 bytes"):
        read_hosts(str(path), first, grow)


def test_a_pause_can_end_the_reading(path: Path) -> None:
    """What it raises comes through, while comparing as well as while loading."""

    class StoppedError(Exception):
        pass

    def stop() -> None:
        raise StoppedError

    first = read_hosts(str(path), None, no_pause)
    write(path, "10.0.0.2 b\n" * 1000)
    for previous in (None, first):
        with pytest.raises(StoppedError):
            read_hosts(str(path), previous, stop)
