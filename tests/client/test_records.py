"""C7 on the client's side, without any socket."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from nspd.client import calls
from nspd.client.records import NextCall, Records
from nspd.model.errors import BufferTooSmall, LookupCancelled, NoMoreResults, ServiceNotFound
from nspd.model.flags import LookupFlags
from nspd.model.native import native_size
from tests.client.fake import record


def raw(name: str) -> Raw:
    return Raw(json.dumps(record(name)).encode())


class Reader:
    """Makes NextEx calls on one lookup, and says what each one got."""

    def __init__(self, *, watch: bool = False) -> None:
        self.records = Records(watch=watch)
        self.woken = 0

    def call(self, control_flags: int = 0, room: int | None = None) -> NextCall:
        """A new call: served from what is kept, or waiting."""
        request = calls.next_ex(7, control_flags, room, None)
        call = NextCall(self._wake, request, self.records)
        if not self.records.serve(call):
            self.records.wait(call)
        return call

    def _wake(self) -> None:
        self.woken += 1


def got(call: NextCall) -> str | None:
    """The name of the record that a settled call has."""
    assert call.settled
    assert call.result is not None
    return call.call.convert(call.result).service_instance_name


def test_a_record_for_a_call_given_up_is_kept_for_the_next() -> None:
    """C7, client-side-drop: the late record serves the next call without asking the daemon."""
    reader = Reader()
    first = reader.call()
    first.abandon()
    first.arrive(raw("a"), None)
    assert not first.settled
    assert got(reader.call()) == "a"


def test_a_late_record_goes_to_the_oldest_waiting_call() -> None:
    """C7: each record moves up one call, in order, and the last call stays waiting."""
    reader = Reader()
    first, second, third = reader.call(), reader.call(), reader.call()
    first.abandon()
    first.arrive(raw("a"), None)
    second.arrive(raw("b"), None)
    assert (got(second), got(third)) == ("a", "b")
    third.arrive(raw("c"), None)
    assert got(reader.call()) == "c"
    assert reader.woken == 3


def test_a_record_that_its_caller_did_not_take_goes_back_in_its_place() -> None:
    """client-side-drop: cancelled between the hand-over and waking up, in either order."""
    reader = Reader()
    first, second = reader.call(), reader.call()
    first.arrive(raw("a"), None)
    second.arrive(raw("b"), None)
    second.abandon()
    first.abandon()
    assert [got(reader.call()), got(reader.call())] == ["a", "b"]


def test_a_call_withdrawn_in_time_leaves_nothing() -> None:
    """The 10111 of a withdrawn call is nobody's, and the next call asks the daemon."""
    reader = Reader()
    first = reader.call()
    first.abandon()
    first.arrive(None, LookupCancelled())
    assert not reader.call().settled


def test_the_end_is_kept_for_a_watch_alone() -> None:
    """A watch tells the end of its first set once; any other lookup repeats its end."""
    for watch in (True, False):
        reader = Reader(watch=watch)
        first = reader.call()
        first.abandon()
        first.arrive(None, NoMoreResults())
        second = reader.call()
        assert second.settled is watch
        assert isinstance(second.error, NoMoreResults) is watch


def test_the_end_that_a_watcher_did_not_take_goes_back() -> None:
    """The marker is not lost between its hand-over and the caller's waking up either."""
    reader = Reader(watch=True)
    first = reader.call()
    first.arrive(None, NoMoreResults())
    first.abandon()
    assert isinstance(reader.call().error, NoMoreResults)


def test_a_kept_record_respects_the_room_of_the_call() -> None:
    """A kept record that does not fit answers 10014 with its size, and stays."""
    reader = Reader()
    first = reader.call()
    first.abandon()
    first.arrive(raw("a"), None)
    small = reader.call(room=0)
    assert isinstance(small.error, BufferTooSmall)
    needed = native_size(calls.record_of(raw("a")))
    assert small.error.needed == needed
    assert got(reader.call(room=needed)) == "a"


def test_one_that_does_not_fit_is_offered_to_the_next_that_waits() -> None:
    """A late record passes over a call with too little room, as it does in the daemon."""
    reader = Reader()
    first, small, large = reader.call(), reader.call(room=1), reader.call()
    first.abandon()
    first.arrive(raw("a"), None)
    assert isinstance(small.error, BufferTooSmall)
    assert got(large) == "a"


def test_flush_previous_drops_the_kept_record_that_did_not_fit() -> None:
    """FLUSHPREVIOUS takes the one after it, and never skips a record that nobody refused."""
    reader = Reader()
    first, second = reader.call(), reader.call()
    first.abandon()
    second.abandon()
    first.arrive(raw("a"), None)
    second.arrive(raw("b"), None)
    assert isinstance(reader.call(room=0).error, BufferTooSmall)
    assert got(reader.call(LookupFlags.FLUSHPREVIOUS)) == "b"
    third = reader.call(LookupFlags.FLUSHPREVIOUS)
    assert not third.settled
    third.abandon()
    third.arrive(raw("c"), None)
    assert got(reader.call(LookupFlags.FLUSHPREVIOUS)) == "c"


def test_field_flags_narrow_a_kept_record() -> None:
    """A record fetched with all its members shows only those that this call asks for."""
    reader = Reader()
    first = reader.call()
    first.abandon()
    first.arrive(raw("a"), None)
    call = reader.call(LookupFlags.RETURN_ADDR)
    assert got(call) is None


def test_end_drops_what_was_kept_and_what_comes() -> None:
    """C5: after End nothing of the lookup reaches anybody."""
    reader = Reader()
    first, second, waiting = reader.call(), reader.call(), reader.call()
    first.abandon()
    second.abandon()
    first.arrive(raw("a"), None)
    assert got(waiting) == "a"
    reader.records.end()
    late = NextCall(reader._wake, calls.next_ex(7, 0, None, None), reader.records)
    reader.records.wait(late)
    second.arrive(raw("b"), None)
    assert not late.settled
    late.arrive(None, LookupCancelled())
    assert isinstance(late.error, LookupCancelled)


@pytest.mark.parametrize("watch", [True, False])
def test_an_error_answers_the_call_it_was_meant_for(watch: bool) -> None:
    """An error is never passed on; the daemon repeats it to the next call."""
    reader = Reader(watch=watch)
    first, second = reader.call(), reader.call()
    first.abandon()
    first.arrive(None, ServiceNotFound())
    assert not second.settled
    second.arrive(None, ServiceNotFound())
    assert isinstance(second.error, ServiceNotFound)
