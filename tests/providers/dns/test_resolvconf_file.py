"""A resolv.conf on disk, and its changes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
import structlog
from structlog.testing import CapturingLogger

from nspd.providers.dns import resolvconf_file
from nspd.providers.dns.resolvconf import ResolvConf
from nspd.providers.dns.resolvconf_file import ResolvConfFile
from nspd.providers.dns.servers import Server

pytestmark = pytest.mark.anyio

LONG_AGO = 1_000_000_000
DEADLINE = 20


class Watched:
    """A resolv.conf, and what was logged of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = CapturingLogger()
        log = structlog.wrap_logger(self._lines, processors=[])
        self.file = ResolvConfFile(str(path), log=log, hostname="host.corp.example")

    def write(self, text: str, *, modified: float | None = None) -> None:
        """Replace the file; `modified` sets its time."""
        self.path.write_text(text)
        if modified is not None:
            os.utime(self.path, (modified, modified))

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """The facts of each warning."""
        return [dict(call.kwargs) for call in self._lines.calls if call.method_name == "warning"]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """A resolv.conf that is not there yet."""
    return Watched(tmp_path / "resolv.conf")


def server(conf: ResolvConf) -> str:
    return conf.servers[0].address


async def test_the_file_is_read(watched: Watched) -> None:
    """What it says is in force after `reload`."""
    watched.write("nameserver 192.0.2.1\n")
    assert await watched.file.reload()
    assert watched.file.contents.servers == (Server("192.0.2.1"),)
    assert watched.file.contents.search == ("corp.example",)


async def test_an_unchanged_file_is_nothing_new(watched: Watched) -> None:
    """Neither looking twice nor touching the file makes new contents."""
    watched.write("nameserver 192.0.2.1\n", modified=LONG_AGO)
    assert await watched.file.reload()
    assert not await watched.file.reload()
    watched.write("nameserver 192.0.2.1\n")
    assert not await watched.file.reload()


async def test_a_comment_is_nothing_new(watched: Watched) -> None:
    """Text that means the same does not count as a change."""
    watched.write("nameserver 192.0.2.1\n")
    await watched.file.reload()
    watched.write("nameserver 192.0.2.1\n# a comment\n")
    assert not await watched.file.reload()


async def test_a_change_within_the_clock_is_seen(watched: Watched) -> None:
    """An edit of the same length right after the last reading is not missed."""
    for number in range(1, 6):
        watched.write(f"nameserver 192.0.2.{number}\n")
        assert await watched.file.reload()
        assert server(watched.file.contents) == f"192.0.2.{number}"


async def test_an_old_file_is_not_read_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file whose state is as it was costs one look at its status."""
    watched.write("nameserver 192.0.2.1\n")
    monkeypatch.setattr(time, "time_ns", lambda: 4 * 10**18)
    assert await watched.file.reload()
    watched.path.chmod(0o600)
    opened: list[object] = []
    await watched.file.reload()
    monkeypatch.setattr(os, "open", lambda *given: opened.append(given))
    assert not await watched.file.reload()
    assert opened == []


async def test_a_missing_file_means_the_defaults(watched: Watched) -> None:
    """No file is an empty file; it is said once, and again if it was there meanwhile."""
    watched.write("nameserver 192.0.2.1\n")
    await watched.file.reload()
    for _ in range(2):
        watched.path.unlink()
        assert await watched.file.reload()
        assert not await watched.file.reload()
        assert server(watched.file.contents) == "127.0.0.1"
        watched.write("nameserver 192.0.2.1\n")
        assert await watched.file.reload()
        assert server(watched.file.contents) == "192.0.2.1"
    assert len(watched.warnings) == 2


async def test_a_file_that_cannot_be_read_changes_nothing(watched: Watched) -> None:
    """The last contents stay in force, and it is said once."""
    watched.write("nameserver 192.0.2.1\n")
    await watched.file.reload()
    watched.path.unlink()
    watched.path.mkdir()
    assert not await watched.file.reload()
    assert not await watched.file.reload()
    assert server(watched.file.contents) == "192.0.2.1"
    assert len(watched.warnings) == 1


async def test_a_fifo_holds_nobody_up(watched: Watched) -> None:
    """Something that is no file is refused at once."""
    os.mkfifo(watched.path)
    with anyio.fail_after(DEADLINE):
        assert not await watched.file.reload()
    assert len(watched.warnings) == 1


async def test_broken_lines_are_logged(watched: Watched) -> None:
    """Each names its line; of many, the first ten."""
    watched.write("".join(f"nameserver bad{number}\n" for number in range(50)))
    await watched.file.reload()
    assert [each["line"] for each in watched.warnings] == list(range(1, 11))


async def test_bytes_that_are_no_text_are_passed_over(watched: Watched) -> None:
    """Other lines count."""
    watched.path.write_bytes(b"\xff\xfe\0\nnameserver 192.0.2.1\n")
    assert await watched.file.reload()
    assert server(watched.file.contents) == "192.0.2.1"


async def test_a_line_beyond_the_limit_is_not_read_in_part(watched: Watched) -> None:
    """An address that the limit cuts off is not taken for another one."""
    line = "nameserver 192.0.2.123"
    watched.write("#" * (resolvconf_file.MAX_BYTES - len(line)) + "\n" + line)
    await watched.file.reload()
    assert watched.file.contents == ResolvConf(search=("corp.example",))
    watched.write("#" * (resolvconf_file.MAX_BYTES - len(line) - 1) + "\n" + line)
    await watched.file.reload()
    assert server(watched.file.contents) == "192.0.2.123"


async def test_a_watcher_is_told_of_changes(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`watch` calls with the new contents, and with nothing else."""
    monkeypatch.setattr(resolvconf_file, "POLL_INTERVAL", 0.001)
    watched.write("nameserver 192.0.2.1\n")
    await watched.file.reload()
    told: list[str] = []
    came = anyio.Event()

    def changed(conf: ResolvConf) -> None:
        told.append(server(conf))
        came.set()

    with anyio.fail_after(DEADLINE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watched.file.watch, changed)
            watched.write("nameserver 192.0.2.2\n")
            await came.wait()
            tasks.cancel_scope.cancel()
    assert told == ["192.0.2.2"]
