"""Replies and notifications: what is sent is JSON that says it, on one line."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.model import errors
from nspd.model.queryset import CsAddr, QuerySet, SocketAddress, Version
from nspd.model.verdict import Verdict
from nspd.wire import encode
from nspd.wire.results import BeginResult, Event, ExplainResult, LookupResult, StoryEvent
from tests.wire.streams import quick

IDS = st.integers(-(10**40), 10**40) | st.text(max_size=20)

RECORD = QuerySet(
    service_instance_name="a\nb",
    version=Version(1, "equal"),
    namespace=65537,
    provider_id="5e1d0000-0000-4000-8000-000000010001",
    context="",
    addresses=(CsAddr(remote=SocketAddress.inet("192.0.2.1", 80), socket_type=1, protocol=6),),
    output_flags=0,
    blob=b"\x00\xff",
)


@quick
@given(id=IDS)
def test_every_id_comes_back(id: int | str) -> None:
    """The reply has the id of the request, exactly and with its type."""
    for reply in (encode.result(id, None), encode.error(id, 6)):
        got = json.loads(reply)["id"]
        assert got == id
        assert type(got) is type(id)


@quick
@given(text=st.text(max_size=20))
def test_a_reply_is_one_line(text: str) -> None:
    """No text within a reply ends the line."""
    for reply in (
        encode.result(text, QuerySet(comment=text)),
        encode.error(text, 10107, text, {"setting": text}),
        encode.notification("nspd.Event", {"name": text}),
    ):
        assert b"\n" not in reply
        assert json.loads(reply)["jsonrpc"] == "2.0"


def test_a_record_leaves_out_what_it_has_not() -> None:
    """Members that are absent are not sent, and empty ones are."""
    assert json.loads(encode.result(1, RECORD)) == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {
            "service_instance_name": "a\nb",
            "version": {"version": 1, "how": "equal"},
            "namespace": 65537,
            "provider_id": "5e1d0000-0000-4000-8000-000000010001",
            "context": "",
            "addresses": [
                {
                    "remote": {"family": "inet", "host": "192.0.2.1", "port": 80},
                    "socket_type": 1,
                    "protocol": 6,
                }
            ],
            "output_flags": 0,
            "blob": "AP8=",
        },
    }


def test_a_result_may_be_a_plain_value() -> None:
    """null and builtin values are results too."""
    assert json.loads(encode.result(1, None))["result"] is None
    assert json.loads(encode.result("1", {"a": [1]}))["result"] == {"a": [1]}
    assert json.loads(encode.result(2, BeginResult(lookup=2**53 - 1)))["result"] == {
        "lookup": 2**53 - 1
    }


def test_verdicts_are_sent_with_all_their_members() -> None:
    """An error or a setting that is not there is null."""
    verdict = Verdict(
        provider_id="g",
        namespace=11,
        identifier="hosts",
        outcome="empty",
        error=None,
        setting=None,
        records=0,
        elapsed=0.5,
    )
    sent = json.loads(encode.result(1, LookupResult(results=(), verdicts=(verdict,))))["result"]
    again = json.loads(encode.error(1, 10108, "x", {"verdicts": [verdict]}))["error"]["data"]
    assert sent["verdicts"] == again["verdicts"]
    assert sent["verdicts"][0] == {
        "provider_id": "g",
        "namespace": 11,
        "identifier": "hosts",
        "outcome": "empty",
        "error": None,
        "setting": None,
        "records": 0,
        "elapsed": 0.5,
    }


@quick
@given(id=IDS, failed=st.booleans())
def test_an_explained_lookup_is_the_type_that_clients_read(id: int | str, failed: bool) -> None:
    """It is put together from encoded records, and reads as an `ExplainResult`."""
    event = StoryEvent(at=0.5, event="begun", provider_id=None, identifier=None, facts={"a": 1})
    error = (10108, "nobody knows") if failed else None
    records = [] if failed else [msgspec.json.encode(RECORD)] * 2
    line = encode.explain_result(id, records, [], error, 0.75, [event], 3)
    assert b"\n" not in line
    message = json.loads(line)
    assert (message["jsonrpc"], message["id"]) == ("2.0", id)
    told = msgspec.convert(message["result"], ExplainResult)
    assert len(told.results) == len(records)
    assert (told.verdicts, told.elapsed, told.story, told.left_out) == ((), 0.75, (event,), 3)
    if told.error is None:
        assert not failed
    else:
        assert told.error.message == "WSASERVICE_NOT_FOUND"
        assert (told.error.code, told.error.data.detail) == error


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errors.WSA_E_CANCELLED, "WSA_E_CANCELLED"),
        (errors.WSA_INVALID_HANDLE, "WSA_INVALID_HANDLE"),
        (12345, "WSA_12345"),
        (-32700, "Parse error"),
        (-32600, "Invalid Request"),
        (-32601, "Method not found"),
        (-32602, "Invalid params"),
        (-32603, "Internal error"),
    ],
)
@pytest.mark.parametrize("data", [None, {}, {"path": "$.params"}])
def test_an_error_has_code_message_and_detail(
    code: int, message: str, data: dict[str, Any] | None
) -> None:
    """The message is the symbolic name, or the one that JSON-RPC has for the code."""
    assert json.loads(encode.error(None, code, "Why.", data)) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": code, "message": message, "data": {"detail": "Why.", **(data or {})}},
    }


def test_an_error_without_detail_has_no_data() -> None:
    """Nothing is sent where there is nothing to say."""
    assert json.loads(encode.error(1, 6))["error"] == {"code": 6, "message": "WSA_INVALID_HANDLE"}


def test_data_may_quote_any_id() -> None:
    """Case 127: the id of a duplicate, of any size, is told in the data."""
    for id in (7, 10**127, "x"):
        assert json.loads(encode.error(None, -32600, "Twice.", {"id": id}))["error"]["data"] == {
            "detail": "Twice.",
            "id": id,
        }


def test_a_notification_has_no_id() -> None:
    """Members that an event has not are left out."""
    event = Event(event="lookup_ended", time=1.5, lookup=3, code=10111)
    assert json.loads(encode.notification("nspd.Event", event)) == {
        "jsonrpc": "2.0",
        "method": "nspd.Event",
        "params": {"event": "lookup_ended", "time": 1.5, "lookup": 3, "code": 10111},
    }


def test_a_batch_is_one_array() -> None:
    """Replies stay in the order given."""
    replies = [encode.result(1, None), encode.error("b", 6), encode.result(3, {})]
    assert json.loads(encode.batch(replies)) == [json.loads(reply) for reply in replies]
