"""A resolv.conf on disk: read at the start, and again whenever it has changed."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Callable
from typing import Any, NoReturn

import anyio
import anyio.to_thread

from nspd.providers.dns.resolvconf import ResolvConf, parse
from nspd.providers.hosts.source import Signature

PATH = "/etc/resolv.conf"

POLL_INTERVAL = 1.0
"""Seconds between two looks at the file."""

MAX_BYTES = 64 * 1024
"""Lines that go beyond it are passed over."""

_EXAMPLES = 10


class ResolvConfFile:
    """The contents of one resolv.conf, kept up to date by `watch`.

    A file that is not there says nothing, so the defaults hold. From one that
    cannot be read, the last contents stay in force. Both are logged once.
    """

    def __init__(self, path: str = PATH, *, log: Any, hostname: str | None = None) -> None:
        """Make it; nothing is read before `reload`.

        Args:
            path: the file; symbolic links are followed.
            log: a structlog logger.
            hostname: as for `parse`; by default this machine's.
        """
        self._path = path
        self._log = log
        self._hostname = socket.gethostname() if hostname is None else hostname
        self._signature: Signature | None = None
        self._text: str | None = None
        self._complaint: str | None = None
        self._limiter: anyio.CapacityLimiter | None = None
        self.contents = ResolvConf()
        """What the file says."""

    async def watch(self, changed: Callable[[ResolvConf], None]) -> NoReturn:
        """Look at the file every `POLL_INTERVAL`, and call with each new contents."""
        while True:
            await anyio.sleep(POLL_INTERVAL)
            if await self.reload():
                changed(self.contents)

    async def reload(self) -> bool:
        """Look at the file now.

        Returns:
            Whether `contents` is new.
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(1)
        try:
            # A thread that may be left behind: a file system that hangs must not
            # hold up the shutdown.
            text = await anyio.to_thread.run_sync(
                self._read, abandon_on_cancel=True, limiter=self._limiter
            )
        except OSError as error:
            missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
            event = "resolv.conf is missing" if missing else "resolv.conf cannot be read"
            if event != self._complaint:
                self._complaint = event
                self._log.warning(event, path=self._path, error=str(error))
            self._signature = None
            if not missing:
                return False
            text = ""
        else:
            self._complaint = None
        if text is None or text == self._text:
            return False
        self._text = text
        return self._take(parse(text, hostname=self._hostname))

    def _take(self, contents: ResolvConf) -> bool:
        for problem in contents.problems[:_EXAMPLES]:
            self._log.warning(
                "resolv.conf line passed over",
                path=self._path,
                line=problem.line,
                reason=problem.reason,
            )
        before, self.contents = self.contents, contents
        return before != contents

    def _read(self) -> str | None:
        """The text, or None if the file is as it was; runs in a thread.

        Raises:
            OSError: it is not there, or cannot be read.
        """
        if self._signature is not None and Signature.of(os.stat(self._path)) == self._signature:
            return None
        # Without O_NONBLOCK, opening a FIFO would wait for a writer.
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(f"{self._path} is not a regular file")
            signature = Signature.of(status)
            settled = signature.is_settled(time.time_ns())
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            # Half of an address may be an address, too.
            data = data[:MAX_BYTES].rpartition(b"\n")[0]
        self._signature = signature if settled else None
        return data.decode("utf-8", "replace")
