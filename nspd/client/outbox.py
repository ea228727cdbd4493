"""Sending lines on a socket, from any thread, also where nothing may block."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque


class Outbox:
    """What is to be sent on one socket, in order, never a line cut in two by another.

    `offer` may be called where blocking is forbidden: in a finalizer, which may
    run in a thread that is sending at this very moment, or on an event loop.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._backlog: deque[bytes] = deque()
        self.sending = threading.Lock()
        """Held while sending; whoever must keep requests in order holds it around `send`."""

    @property
    def waiting(self) -> bool:
        """Whether something is left to send."""
        return bool(self._backlog)

    def send(self, data: bytes) -> None:
        """Send, waiting for room; the caller holds `sending`.

        If it is interrupted, the rest goes ahead of what is sent next.
        """
        self._backlog.append(data)
        self._drain(0)

    def offer(self, data: bytes) -> None:
        """Send as much as goes without waiting; the rest goes ahead of what is sent next."""
        self._backlog.append(data)
        self.flush()

    def flush(self) -> None:
        """Send as much of the rest as goes without waiting."""
        if not self.sending.acquire(blocking=False):
            return
        try:
            self._drain(socket.MSG_DONTWAIT)
        finally:
            self.sending.release()

    def _drain(self, flags: int) -> None:
        while self._backlog:
            line = self._backlog[0]
            sent: list[int] = []
            try:
                # One step for the interpreter: a signal handler that raises runs
                # before it or after it, so that what was sent is always known.
                sent.extend(map(self._sock.send, (line,), (flags,)))
            except BlockingIOError:
                return
            except OSError:
                self._backlog.clear()
                self.shut_down()  # whoever reads the socket learns of the loss
                return
            finally:
                if sent:
                    if sent[0] == len(line):
                        self._backlog.popleft()
                    else:
                        self._backlog[0] = line[sent[0] :]

    def shut_down(self) -> None:
        """Have whoever reads the socket find its end."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
