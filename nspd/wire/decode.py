"""The receiving half of a connection: bytes in, events out. No input makes it raise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from nspd.wire.events import Batch, Event, Invalid, Oversized, Request
from nspd.wire.lines import LineBuffer
from nspd.wire.messages import decode_line, decode_lines, parse_error
from nspd.wire.types import INVALID_REQUEST

__all__ = ["Batch", "Event", "Invalid", "Oversized", "Receiver", "Request"]

MAX_MESSAGE = 1024 * 1024
"""Bytes that a line may have unless the daemon is told otherwise."""


class Receiver:
    """Turns what one client sends into events, in order, however it is cut into pieces."""

    __slots__ = ("_finished", "_lines", "_max_message")

    def __init__(self, max_message: int = MAX_MESSAGE) -> None:
        """Make a receiver for lines of at most ``max_message`` bytes without their newline."""
        self._lines = LineBuffer(max_message)
        self._max_message = max_message
        self._finished = False

    @property
    def buffered(self) -> int:
        """Bytes held of a message that is not complete; at most ``max_message``."""
        return self._lines.buffered

    def may_share(self, data: bytes) -> bool:
        """Whether what arrived may be decoded by `decode_together`, instead of fed in here."""
        return (
            data[-1:] == b"\n"
            and not self._lines.partial
            and len(data) <= self._max_message
            and not self._finished
        )

    def feed(self, data: bytes) -> Sequence[Event]:
        """Take what arrived, and tell what it completes.

        After an `Oversized`, which comes last and once, everything is discarded.
        """
        if self._finished:
            return []
        last = len(data) - 1
        if not self._lines.partial and data[last:] == b"\n" and last < self._max_message:
            # Nearly always: whole lines. A newline is white space to the decoder.
            if data.find(b"\n") == last:
                event = decode_line(data)
                return [] if event is None else [event]
            requests = decode_lines(data)
            if requests is not None:
                return requests
        events: list[Event] = []
        for line in self._lines.split(data):
            if line:
                event = decode_line(line)
                if event is not None:
                    events.append(event)
        if self._lines.overflowed:
            self._finished = True
            detail = f"A message may have at most {self._max_message} bytes."
            data_ = {"max_message": self._max_message}
            events.append(Oversized(Invalid(None, INVALID_REQUEST, detail, data_)))
        return events

    def finish(self) -> list[Event]:
        """Tell what the end of input means: nothing, unless it came within a line."""
        if self._finished:
            return []
        self._finished = True
        if self._lines.take_rest():
            return [parse_error("The input ended within a line.")]
        return []


def decode_together(chunks: Sequence[bytes]) -> list[list[Request]] | None:
    """The requests that arrived from several clients, those of each, decoded in one call.

    None: one of the lines is something else than a request, or needs a closer look;
    then each client's are to be fed to his own `Receiver`.

    Args:
        chunks: whole lines; see `Receiver.may_share`.
    """
    requests = decode_lines(b"".join(chunks))
    if requests is None:
        return None
    if len(requests) == len(chunks):
        return [[request] for request in requests]
    following = iter(requests)
    return [list(islice(following, chunk.count(b"\n"))) for chunk in chunks]
