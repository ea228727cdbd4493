"""Reading the hosts file: whether it has changed, and what it holds now.

All of it blocks, and runs in a worker thread.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from nspd.providers.hosts.loading import Loaded, load

MAX_BYTES = 1024**3
"""Size past which a file is refused."""

_CHUNK = 64 * 1024

_UNSETTLED_NS = 2_000_000_000
# A file system may keep times no finer than two seconds (FAT), so an edit that
# follows another that closely can leave everything that stat() tells as it was.


class UnusableFile(Exception):
    """The file cannot be read, or is nothing that could be a hosts file."""


class MissingFile(UnusableFile):
    """There is no such file."""


class Signature(NamedTuple):
    """What tells one state of a file from another without reading it."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """The signature in what stat() tells."""
        return cls(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )

    def is_settled(self, now_ns: int) -> bool:
        """Whether a later edit is bound to give another signature.

        Args:
            now_ns: the time when reading began, in nanoseconds since the epoch.
        """
        return abs(now_ns - max(self.modified_ns, self.changed_ns)) >= _UNSETTLED_NS


class Reading(NamedTuple):
    """One state of the file, as it was read."""

    signature: Signature
    settled: bool
    digest: bytes
    contents: Loaded


def read_hosts(path: str, previous: Reading | None, pause: Callable[[], None]) -> Reading:
    """Read the file, unless it is as it was at the previous reading.

    Args:
        path: the file; symbolic links are followed.
        previous: the reading that is in use.
        pause: called every millisecond or so; see `load`.

    Returns:
        The new reading, which has the contents of the previous one if the
        bytes are the same.

    Raises:
        MissingFile: there is no such file.
        UnusableFile: it cannot be read, is not a regular file, or is too large.
    """
    try:
        status = os.stat(path)
        _check(path, status)
        if previous and previous.settled and Signature.of(status) == previous.signature:
            return previous
        return _read(path, previous, pause)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFile(str(error)) from error
    except OSError as error:
        raise UnusableFile(str(error)) from error


def _check(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnusableFile(f"{path} is not a regular file")
    if status.st_size > MAX_BYTES:
        raise UnusableFile(f"{path} is larger than {MAX_BYTES} bytes")


def _read(path: str, previous: Reading | None, pause: Callable[[], None]) -> Reading:
    # What is there now may be another file than the one just looked at, and
    # opening a FIFO would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with open(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        _check(path, status)
        signature = Signature.of(status)
        settled = signature.is_settled(time.time_ns())
        if previous is not None:
            digest = hashlib.blake2b()
            for _ in _chunks(file, path, digest.update):
                pause()
            if digest.digest() == previous.digest:
                return previous._replace(signature=signature, settled=settled)
            file.seek(0)
        digest = hashlib.blake2b()
        contents = load(_chunks(file, path, digest.update), pause)
        return Reading(signature, settled, digest.digest(), contents)


def _chunks(file: io.FileIO, path: str, seen: Callable[[bytes], None]) -> Iterator[bytes]:
    total = 0
    while chunk := file.read(_CHUNK):
        total += len(chunk)
        if total > MAX_BYTES:
            raise UnusableFile(f"{path} is larger than {MAX_BYTES} bytes")
        seen(chunk)
        yield chunk
