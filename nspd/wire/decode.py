"""The receiving half of a connection: bytes in, events out. No input makes it raise."""

from __future__ import annotations

from collections.abc import Sequence

from nspd.wire.events import Batch, Event, Invalid, Oversized, Request
from nspd.wire.lines import LineBuffer
from nspd.wire.messages import decode_line, decode_lines, parse_error
from nspd.wire.types import INVALID_REQUEST

__all__ = ["Batch", "Event", "Invalid", "Oversized", "Receiver", "Request"]

MAX_MESSAGE = 1024 * 1024
"""Bytes that a line may have unless the daemon is told otherwise."""

CHUNK = 65536
"""Bytes that whoever reads from a socket should take at once: so many are decoded the fast way."""


class Receiver:
    """Turns what one client sends into events, in order, however it is cut into pieces."""

    __slots__ = ("_finished", "_lines", "_max_message", "shares")

    def __init__(self, max_message: int = MAX_MESSAGE) -> None:
        """Make a receiver for lines of at most ``max_message`` bytes without their newline."""
        self._lines = LineBuffer(max_message)
        self._max_message = max_message
        self._finished = False
        self.shares = max_message >= CHUNK
        """Whether whole lines, of `CHUNK` bytes at most, may go to `decode_together` instead."""

    @property
    def buffered(self) -> int:
        """Bytes held of a message that is not complete; at most ``max_message``."""
        return self._lines.buffered

    def feed(self, data: bytes) -> Sequence[Event]:
        """Take what arrived, and tell what it completes.

        After an `Oversized`, which comes last and once, everything is discarded.
        """
        if self.shares and len(data) <= CHUNK and data.endswith(b"\n"):
            # Nearly always: whole lines. A newline is white space to the decoder.
            if data.find(b"\n") == len(data) - 1:
                event = decode_line(data)
                return [] if event is None else [event]
            requests = decode_lines(data)
            if requests is not None:
                return requests
        if self._finished:
            return []
        events: list[Event] = []
        for line in self._lines.split(data):
            if line:
                event = decode_line(line)
                if event is not None:
                    events.append(event)
        self.shares = self._max_message >= CHUNK and not self._lines.partial
        if self._lines.overflowed:
            self._finished, self.shares = True, False
            detail = f"A message may have at most {self._max_message} bytes."
            data_ = {"max_message": self._max_message}
            events.append(Oversized(Invalid(None, INVALID_REQUEST, detail, data_)))
        return events

    def finish(self) -> list[Event]:
        """Tell what the end of input means: nothing, unless it came within a line."""
        if self._finished:
            return []
        self._finished, self.shares = True, False
        if self._lines.take_rest():
            return [parse_error("The input ended within a line.")]
        return []


def decode_together(chunks: Sequence[bytes]) -> list[Request] | None:
    """The requests that arrived from several clients, one for each line, decoded in one call.

    None: one of the lines is something else than a request, or needs a closer look;
    then each client's are to be fed to his own `Receiver`.

    Args:
        chunks: whole lines; see `Receiver.shares`.
    """
    return decode_lines(b"".join(chunks))
