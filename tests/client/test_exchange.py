"""The client's half of a connection as a dialogue: requests out, bytes in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nspd.client import calls
from nspd.client.exchange import ConnectionLost, Exchange
from nspd.client.pending import MonitorCall, Pending
from nspd.client.records import NextCall, Records
from nspd.model.errors import (
    AccessDenied,
    InvalidArgument,
    InvalidHandle,
    LookupCancelled,
    NetworkDown,
    NotEnoughMemory,
)
from nspd.model.queryset import QuerySet
from nspd.wire.client import ProtocolError
from nspd.wire.params import StartupParams

BEGIN = calls.begin(
    QuerySet(service_instance_name="a"),
    control_flags=0xFF0,
    provider_id=None,
    policy="all",
    watch=False,
    timeout=None,
)


class Dialogue:
    """An exchange, what it offered to send, and how often its calls were settled."""

    def __init__(self) -> None:
        self.offered: list[dict[str, Any]] = []
        self.woken = 0
        self.exchange = Exchange(StartupParams(client="t/1"), self._offer)

    def request(self, call: calls.Call[Any]) -> tuple[Pending, list[dict[str, Any]]]:
        """Make a call; gives it with the messages that it sends."""
        pending = self.exchange.pending_for(call.method, self.wake)
        return pending, messages(self.exchange.request(call, pending))

    def receive(self, **message: Any) -> None:
        """The daemon sends a message."""
        self.exchange.receive(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def wake(self) -> None:
        self.woken += 1

    def _offer(self, line: bytes) -> None:
        self.offered += messages(line)


def messages(lines: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


def test_startup_goes_out_ahead_of_the_first_call_that_needs_a_session() -> None:
    """Status needs no session; the first Begin brings its Startup along, the second does not."""
    dialogue = Dialogue()
    _, sent = dialogue.request(calls.status())
    assert [message["method"] for message in sent] == ["nspd.Status"]
    _, sent = dialogue.request(BEGIN)
    assert [message["method"] for message in sent] == ["NSPv2Startup", calls.BEGIN]
    assert sent[0]["params"]["client"] == "t/1"
    _, sent = dialogue.request(BEGIN)
    assert [message["method"] for message in sent] == [calls.BEGIN]


def test_a_refused_startup_explains_the_calls_that_came_with_it() -> None:
    """The caller learns why there is no session, and the next call tries again."""
    dialogue = Dialogue()
    begin, sent = dialogue.request(BEGIN)
    dialogue.receive(id=sent[0]["id"], error={"code": 10013, "message": "WSAEACCES"})
    dialogue.receive(id=sent[1]["id"], error={"code": 10093, "message": "WSANOTINITIALISED"})
    assert isinstance(begin.error, AccessDenied)
    _, sent = dialogue.request(BEGIN)
    assert sent[0]["method"] == "NSPv2Startup"


@pytest.mark.parametrize("before_its_reply", [True, False])
def test_a_handle_that_nobody_waits_for_is_ended(before_its_reply: bool) -> None:
    """A Begin whose caller left, before the reply or before taking it, leaks no handle."""
    dialogue = Dialogue()
    begin, sent = dialogue.request(BEGIN)
    if before_its_reply:
        dialogue.exchange.abandon(begin, calls.BEGIN)
        assert dialogue.offered == []
    dialogue.receive(id=sent[1]["id"], result={"lookup": 7})
    if not before_its_reply:
        dialogue.exchange.abandon(begin, calls.BEGIN)
    (end,) = dialogue.offered
    assert (end["method"], end["params"], "id" in end) == (calls.END, {"lookup": 7}, False)


def test_a_waiting_call_is_withdrawn_and_another_is_not() -> None:
    """`$/cancelRequest` is for the calls that wait: it names them by id."""
    dialogue = Dialogue()
    status, _ = dialogue.request(calls.status())
    dialogue.exchange.abandon(status, "nspd.Status")
    assert dialogue.offered == []
    change, sent = dialogue.request(calls.wait_config_change())
    dialogue.exchange.abandon(change, change_method := "WSAProviderConfigChange")
    assert change_method in sent[0]["method"]
    assert dialogue.offered[0]["params"] == {"id": sent[0]["id"]}


def test_losing_the_connection_fails_each_call_once() -> None:
    """Case 97: whatever waits raises NetworkDown, with an exception object of its own."""
    dialogue = Dialogue()
    first, sent = dialogue.request(calls.status())
    second, _ = dialogue.request(calls.reload())
    dialogue.receive(id=sent[0]["id"], result=None)
    dialogue.exchange.lose("gone")
    dialogue.exchange.lose("gone again", LookupCancelled())
    assert first.error is None
    assert isinstance(second.error, NetworkDown)
    assert dialogue.woken == 2
    with pytest.raises(ConnectionLost):
        dialogue.request(calls.status())


def test_a_lookup_does_not_outlive_its_connection() -> None:
    """Case 97: a kept record is still handed out; then the handle is invalid."""
    dialogue = Dialogue()
    records = Records(watch=False)
    given_up = NextCall(dialogue.wake, calls.next_ex(7, 0, None, None), records)
    dialogue.exchange.next(given_up)
    dialogue.exchange.abandon(given_up, calls.NEXT_EX)
    dialogue.receive(id=given_up.request_id, result={"context": ""})
    dialogue.exchange.lose("gone")
    kept = NextCall(dialogue.wake, calls.next_ex(7, 0, None, None), records)
    assert dialogue.exchange.next(kept) == b""
    assert kept.result is not None
    more = NextCall(dialogue.wake, calls.next_ex(7, 0, None, None), records)
    with pytest.raises(InvalidHandle):
        dialogue.exchange.next(more)
    with pytest.raises(InvalidHandle):
        dialogue.exchange.end(calls.end(7), records, Pending(dialogue.wake))


def test_the_daemons_last_word_explains_the_loss() -> None:
    """A connection past the limit is told so with an id of null, then closed."""
    dialogue = Dialogue()
    status, _ = dialogue.request(calls.status())
    data = {"detail": "too many connections"}
    dialogue.receive(id=None, error={"code": 8, "message": "WSA_NOT_ENOUGH_MEMORY", "data": data})
    assert not status.settled
    dialogue.exchange.lose("closed")
    assert isinstance(status.error, NotEnoughMemory)
    assert status.error.detail == "too many connections"


def test_a_reply_to_nothing_is_a_fault_of_the_daemon() -> None:
    """A second reply to one request is noticed, not taken for another's."""
    dialogue = Dialogue()
    _, sent = dialogue.request(calls.status())
    dialogue.receive(id=sent[0]["id"], result=None)
    with pytest.raises(ProtocolError, match="not asked"):
        dialogue.receive(id=sent[0]["id"], result=None)
    with pytest.raises(ProtocolError, match="not asked"):
        dialogue.receive(id="x", result=None)


def test_a_request_past_the_daemons_limit_is_not_sent() -> None:
    """The daemon would close the connection, and every lookup with it."""
    dialogue = Dialogue()
    with pytest.raises(InvalidArgument, match="max_message"):
        dialogue.request(calls.raw("nspd.Status", {"x": "y" * 1024 * 1024}))
    _, sent = dialogue.request(BEGIN)
    startup = {"client_session": 1, "protocol": 1, "server": "s", "limits": {"max_message": 64}}
    dialogue.receive(id=sent[0]["id"], result=startup)
    with pytest.raises(InvalidArgument, match="past max_message, 64"):
        dialogue.request(calls.raw("nspd.Status", {"x": "y" * 64}))


def test_text_that_is_no_unicode_is_refused() -> None:
    """A lone surrogate, as file names may have, is an invalid argument."""
    with pytest.raises(InvalidArgument, match="not Unicode"):
        Dialogue().request(calls.raw("nspd.Status", {"x": "\udc80"}))


def test_events_reach_every_monitor_until_it_is_answered() -> None:
    """A Monitor gets events for as long as it waits, and other notifications never."""
    dialogue = Dialogue()
    heard: list[bytes] = []
    monitor = MonitorCall(dialogue.wake, lambda event: heard.append(bytes(event)))
    (sent,) = messages(dialogue.exchange.request(calls.monitor(), monitor))
    dialogue.receive(method="nspd.Event", params={"event": "lookup_begun", "time": 1.0})
    dialogue.receive(method="nspd.GoingAway", params={"deadline": 5})
    dialogue.receive(id=sent["id"], error={"code": 10111, "message": "WSA_E_CANCELLED"})
    dialogue.receive(method="nspd.Event", params={"event": "lookup_ended", "time": 2.0})
    assert len(heard) == 1
    assert b"lookup_begun" in heard[0]
    assert isinstance(monitor.error, LookupCancelled)
