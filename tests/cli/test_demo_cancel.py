"""The demo's cancellations, against a daemon that keeps the promises and one that does not."""

from __future__ import annotations

from typing import Any

from nspd.cli._demo_cancel import cancel_in_flight
from nspd.model.errors import WSA_INVALID_HANDLE, WSASYSCALLFAILURE
from tests.cli.fake_daemon import FakeDaemon, Refusal

COUNT = 5


def _hanging(daemon: FakeDaemon) -> None:
    daemon.records, daemon.end = [], None

    def status(_params: Any) -> dict[str, Any]:
        waiting = sum(map(len, daemon.held.values()))
        return {"census": {"lookups": len(daemon.held), "waiting_calls": waiting}}

    daemon.answers["nspd.Status"] = status


def test_every_promise_kept_is_seen(daemon: FakeDaemon) -> None:
    """C2 and C4: all are cancelled, before their End, and gone afterwards; all are timed."""
    _hanging(daemon)
    seen = cancel_in_flight(daemon.path, COUNT)
    assert seen.held == {"lookups": COUNT, "waiting_calls": COUNT}
    assert (seen.cancelled, seen.before_end, seen.otherwise) == (COUNT, COUNT, [])
    assert seen.afterwards == WSA_INVALID_HANDLE
    assert seen.release.count == seen.round_trip.count == COUNT
    assert seen.round_trip.max > 0


def test_an_end_that_overtakes_its_next_is_seen(daemon: FakeDaemon) -> None:
    """C2 broken: End's reply first. The demo must not call that in order."""
    _hanging(daemon)
    daemon.end_overtakes = True
    seen = cancel_in_flight(daemon.path, COUNT)
    assert (seen.cancelled, seen.before_end) == (COUNT, 0)


def test_an_end_that_fails_is_seen(daemon: FakeDaemon) -> None:
    """C3 broken: End answers an error."""
    _hanging(daemon)
    daemon.answers["NSPv2LookupServiceEnd"] = Refusal(WSASYSCALLFAILURE)
    seen = cancel_in_flight(daemon.path, COUNT)
    assert len(seen.otherwise) == COUNT
