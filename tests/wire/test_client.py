"""The client's half: its requests are what the daemon reads, and it reads what the daemon sends."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.model import errors
from nspd.model.queryset import QuerySet
from nspd.model.verdict import Verdict
from nspd.wire import client, encode
from nspd.wire.client import Notification, ProtocolError, Reply, ReplyReceiver
from nspd.wire.params import BeginParams, EndParams
from nspd.wire.results import ErrorObject, GoingAway
from nspd.wire.types import METHODS
from tests.wire.streams import cuts, invalid, quick, request

query_sets = st.builds(
    QuerySet,
    service_instance_name=st.none() | st.text(max_size=10),
    namespace=st.none() | st.integers(),
    blob=st.none() | st.binary(max_size=10),
)


def reply_to(line: bytes) -> Reply:
    """The one message in this line, which must be a reply."""
    (message,) = ReplyReceiver().feed(line + b"\n")
    assert isinstance(message, Reply)
    return message


def error_in(line: bytes) -> errors.WSAError:
    """The exception for the error in this line."""
    error = reply_to(line).error
    assert error is not None
    return client.exception(error)


@quick
@given(
    id=st.integers() | st.text(max_size=10),
    params=st.builds(
        BeginParams,
        restrictions=query_sets,
        control_flags=st.integers(),
        policy=st.sampled_from(["all", "first"]),
        timeout=st.none() | st.floats(0, 1e300),
    ),
)
def test_a_request_is_read_as_it_was_written(id: int | str, params: BeginParams) -> None:
    """Typed params, encoded by the client and decoded by the daemon, are the same."""
    got = request(client.request(id, "NSPv2LookupServiceBegin", params))
    assert (got.id, got.method, got.params) == (id, "NSPv2LookupServiceBegin", params)


@pytest.mark.parametrize("params", [EndParams(lookup=3), {"lookup": 3}, b'{"lookup":3}'])
def test_params_come_in_three_kinds(params: EndParams | dict[str, int] | bytes) -> None:
    """The params type, its members, or JSON."""
    assert request(client.request(1, "nspd.EndLookup", params)).params == EndParams(lookup=3)
    got = request(client.notification("nspd.EndLookup", params))
    assert (got.notification, got.params) == (True, EndParams(lookup=3))


@quick
@given(data=st.data(), records=st.lists(query_sets, max_size=5))
def test_results_are_read_as_they_were_written(
    data: st.DataObject, records: list[QuerySet]
) -> None:
    """Cut in any way, replies come in order, and their results decode to what was sent."""
    sent = b"".join(encode.result(id, record) + b"\n" for id, record in enumerate(records))
    receiver = ReplyReceiver()
    got = [message for piece in data.draw(cuts(sent)) for message in receiver.feed(piece)]
    for id, (message, record) in enumerate(zip(got, records, strict=True)):
        assert isinstance(message, Reply)
        assert (message.id, message.error) == (id, None)
        assert msgspec.json.decode(message.result, type=QuerySet) == record


def test_null_is_a_result() -> None:
    """A reply with result null is no error."""
    reply = reply_to(encode.result("a", None))
    assert (reply.id, bytes(reply.result), reply.error) == ("a", b"null", None)


def test_what_a_newer_daemon_adds_is_ignored() -> None:
    """Members that the client does not know do it no harm."""
    reply = reply_to(b'{"jsonrpc":"2.0","id":1,"new":[],"error":{"code":6,"message":"m","new":1}}')
    assert reply.error == ErrorObject(code=6, message="m")


def test_notifications_are_told_apart() -> None:
    """What has a method is no reply."""
    line = encode.notification("nspd.GoingAway", GoingAway(deadline=5.0)) + b"\n"
    (message,) = ReplyReceiver().feed(line)
    assert isinstance(message, Notification)
    assert message.method == "nspd.GoingAway"
    assert msgspec.json.decode(message.params, type=GoingAway) == GoingAway(deadline=5.0)


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"5", b"{}", b'{"id":1}', b'{"id":1,"method":"\xff"}', b"[" * 100_000]
)
def test_what_is_no_message(line: bytes) -> None:
    """A line that no daemon sends is an error, and no other exception comes of it."""
    with pytest.raises(ProtocolError):
        ReplyReceiver().feed(line + b"\n")


def test_a_line_without_end() -> None:
    """The client's memory is bounded too."""
    receiver = ReplyReceiver(max_reply=100)
    with pytest.raises(ProtocolError):
        receiver.feed(b"x" * 101)


def test_an_error_becomes_its_exception() -> None:
    """Class, detail and data are those of the error."""
    error = error_in(encode.error(1, 10014, "Too small.", {"buffer_length": 120}))
    assert isinstance(error, errors.BufferTooSmall)
    assert (error.detail, error.needed, error.data) == ("Too small.", 120, {"buffer_length": 120})


def test_verdicts_become_objects() -> None:
    """The verdicts of an error are those that the daemon had."""
    verdict = Verdict(
        provider_id="g",
        namespace=11,
        identifier="hosts",
        outcome="timed_out",
        error=10060,
        setting="budget",
        records=0,
        elapsed=1.0,
    )
    assert error_in(encode.error(1, 10060, "Late.", {"verdicts": [verdict]})).verdicts == [verdict]
    with pytest.raises(ProtocolError):
        error_in(encode.error(1, 10060, "Late.", {"verdicts": [1]}))


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (10102, errors.NoMoreResults),
        (10103, errors.LookupCancelled),
        (-32602, errors.InvalidArgument),
        (-32600, errors.InvalidArgument),
        (-32700, errors.InvalidArgument),
        (-32601, errors.NotSupported),
        (-32603, errors.ProviderFailed),
    ],
)
def test_codes_that_have_another_name_here(sent: int, told: type[errors.WSAError]) -> None:
    """Case 37: old codes for the end and a cancelled call; and those of JSON-RPC."""
    error = error_in(encode.error(1, sent, "Why."))
    assert type(error) is told
    assert error.code == told.code


def test_a_code_without_class() -> None:
    """It keeps its number."""
    error = error_in(encode.error(1, 12345, "Why."))
    assert type(error) is errors.WSAError
    assert (error.code, error.name) == (12345, "WSA_12345")


def test_a_shape_error_keeps_its_path() -> None:
    """What the daemon says of the place reaches the caller."""
    refused = invalid(client.request(1, "NSPv2LookupServiceEnd", {"lookup": "x"}))
    error = error_in(encode.error(refused.id, refused.code, refused.detail, refused.data))
    assert isinstance(error, errors.InvalidArgument)
    assert error.data["path"] == "$.params.lookup"


def test_every_method_can_be_asked() -> None:
    """The names of the table are those that the daemon reads."""
    for name in METHODS:
        line = client.request(1, name, b"{}")
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
