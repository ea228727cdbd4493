"""Latencies are taken from what was sent and received, whoever sent it."""

from __future__ import annotations

from typing import Any

import pytest

from nspd.race.stopwatch import Latencies, Stopwatch
from tests.race.histories import BEGIN, END, NEXT


class Timed:
    """A stopwatch on one connection, and what it has found."""

    def __init__(self) -> None:
        self.stopwatch = Stopwatch()
        self.latencies = Latencies()

    def sent(self, time: float, id: Any, method: str, /, **params: Any) -> None:
        message = {"id": id, "method": method, "params": params}
        self.stopwatch.observe(time, 1, "sent", message, self.latencies)

    def received(self, time: float, id: Any, code: int | None = None, late: float = 0.0) -> None:
        message = {"id": id, "result": {}} if code is None else {"id": id, "error": {"code": code}}
        self.stopwatch.observe(time, 1, "received", message, self.latencies, late)

    @property
    def found(self) -> dict[str, tuple[int, float]]:
        """By kind: how many there are, and the longest to the tenth of a millisecond."""
        return {
            kind: (histogram.count, round(histogram.max, 4))
            for kind, histogram in self.latencies.by_kind().items()
            if histogram.count
        }


def test_end() -> None:
    """End to each 10111, and End to its reply."""
    timed = Timed()
    timed.sent(1.0, 1, NEXT, lookup=7)
    timed.sent(1.0, 2, NEXT, lookup=7)
    timed.sent(2.0, 3, END, lookup=7)
    timed.received(2.1, 1, 10111)
    timed.received(2.2, 2, 10111)
    timed.received(2.3, 3)
    assert timed.found == {"to_cancelled": (2, 0.2), "to_end_reply": (1, 0.3)}


def test_cancel_request() -> None:
    """A withdrawn call is timed from its cancel request, and not from a later End."""
    timed = Timed()
    timed.sent(1.0, "a", NEXT, lookup=7)
    timed.sent(2.0, 2, "$/cancelRequest", id="a")
    timed.sent(2.5, 3, END, lookup=7)
    timed.received(2.6, "a", 10111)
    assert timed.found == {"to_cancelled": (1, 0.6)}


@pytest.mark.parametrize("code", [None, 10110, 10060])
def test_next(code: int | None) -> None:
    """A NextEx that is answered otherwise than by 10111 is timed from its sending."""
    timed = Timed()
    timed.sent(1.0, 1, NEXT, lookup=7)
    timed.received(1.4, 1, code)
    assert timed.found == {"next": (1, 0.4)}


def test_cancelled_for_nobody() -> None:
    """A 10111 that nobody asked for is no latency (the judge tells of it)."""
    timed = Timed()
    timed.sent(1.0, 1, NEXT, lookup=7)
    timed.received(1.4, 1, 10111)
    assert timed.found == {}


def test_late() -> None:
    """A lookup that began after its time waited that much longer."""
    timed = Timed()
    timed.sent(1.0, 1, END, lookup=7)
    timed.received(1.1, 1, late=0.5)
    assert timed.found == {"to_end_reply": (1, 0.6)}


def test_batch() -> None:
    """The members of a batch are timed like others."""
    timed = Timed()
    batch = [{"id": 1, "method": END, "params": {"lookup": 7}}, 5]
    timed.stopwatch.observe(1.0, 1, "sent", batch, timed.latencies)
    timed.stopwatch.observe(1.5, 1, "received", [{"id": 1, "result": {}}, 6], timed.latencies)
    assert timed.found == {"to_end_reply": (1, 0.5)}


@pytest.mark.parametrize(
    "message",
    [None, 5, "rubbish", {}, {"id": [1], "method": NEXT}, {"id": 1, "method": NEXT, "params": [7]}],
)
def test_rubbish(message: Any) -> None:
    """Messages of no form are passed over, either way."""
    timed = Timed()
    timed.stopwatch.observe(1.0, 1, "sent", message, timed.latencies)
    timed.stopwatch.observe(1.0, 1, "received", message, timed.latencies)
    assert timed.found == {}


def test_new_connection() -> None:
    """What waited on a connection that is over is not answered on the next of that number."""
    timed = Timed()
    timed.sent(1.0, 1, NEXT, lookup=7)
    timed.stopwatch.observe(1.1, 1, "hung_up", None, timed.latencies)
    timed.received(1.2, 1)
    assert timed.found == {}


def test_shut() -> None:
    """A connection whose sending side is shut still gets what it is owed."""
    timed = Timed()
    timed.sent(1.0, 1, NEXT, lookup=7)
    timed.stopwatch.observe(1.1, 1, "shut", None, timed.latencies)
    timed.received(1.5, 1)
    assert timed.found == {"next": (1, 0.5)}


def test_others_are_not_timed() -> None:
    """Begin and the like leave no latency."""
    timed = Timed()
    timed.sent(1.0, 1, BEGIN, restrictions={})
    timed.received(1.1, 1)
    assert timed.found == {}
