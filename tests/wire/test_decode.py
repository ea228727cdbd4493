"""The receiver: what arrives in any pieces becomes the same events, and nothing raises."""

from __future__ import annotations

import json
import random
import tracemalloc
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.wire.decode import (
    CHUNK,
    Batch,
    Invalid,
    Oversized,
    Receiver,
    Request,
    decode_together,
)
from nspd.wire.types import INVALID_REQUEST, PARSE_ERROR
from tests.wire.streams import (
    BEGIN,
    END,
    NEXT,
    cuts,
    decode,
    line,
    messages,
    quick,
    request,
    streams,
)

SESSION = b"".join(
    (
        line("NSPv2Startup", {"client": "test/1"}, id=1),
        line(BEGIN, {"restrictions": {"service_instance_name": "ä€😀"}}, id="two"),
        line(NEXT, {"lookup": 5, "timeout": 0.5}, id=3),
        b"\n",
        b'{"jsonrpc":"2.0","id":4,\n',
        line("nspd.NoSuchMethod", id=5),
        b"[" + line(END, {"lookup": 5})[:-1] + b",7]\n",
        line("$/cancelRequest", {"id": 3}, id=6),
        b'{"jsonrpc"',
    )
)


@pytest.mark.parametrize("size", [1, 10, 64, 512, 1024])
def test_a_session_in_chunks_of_one_size(size: int) -> None:
    """Case 120: chunks of any fixed size give the events of one write."""
    pieces = [SESSION[start : start + size] for start in range(0, len(SESSION), size)]
    assert decode(*pieces) == decode(SESSION)


def test_a_session_in_random_chunks() -> None:
    """Case 120: so do chunks of random sizes."""
    chance = random.Random(120)
    for _ in range(50):
        bounds = sorted(chance.randrange(len(SESSION)) for _ in range(9))
        ends = zip([0, *bounds], [*bounds, len(SESSION)], strict=True)
        assert decode(*(SESSION[start:end] for start, end in ends)) == decode(SESSION)


@quick
@given(data=st.data(), stream=streams())
def test_any_cut_of_any_input_gives_the_same_events(data: st.DataObject, stream: bytes) -> None:
    """No input raises, and how it is cut cannot be told from the events."""
    limit = data.draw(st.sampled_from([20, 200, 100_000]))
    assert decode(*data.draw(cuts(stream)), max_message=limit) == decode(stream, max_message=limit)


@quick
@given(st.lists(st.binary(max_size=40), max_size=30))
def test_what_is_held_stays_within_the_limit(pieces: list[bytes]) -> None:
    """Case 122: between two chunks no more than one line of the allowed length is held."""
    receiver = Receiver(max_message=50)
    for piece in pieces:
        receiver.feed(piece)
        assert receiver.buffered <= 50


@quick
@given(stream=streams())
def test_a_bad_line_does_not_harm_its_neighbours(stream: bytes) -> None:
    """Case 124: whatever lines come between, the sound ones around them are carried out."""
    noise = stream.replace(b"\n", b" ")
    events = decode(line("nspd.Status", id=1) + noise + b"\n" + line("nspd.Reload", id=2))
    assert isinstance(events[0], Request)
    assert isinstance(events[-1], Request)
    assert (events[0].method, events[-1].method) == ("nspd.Status", "nspd.Reload")
    assert len(events) <= 3


def test_four_requests_in_one_write() -> None:
    """Case 121: all requests of one write are told, in order."""
    chunk = b"".join(line(NEXT, {"lookup": 9}, id=number) for number in range(4))
    assert [event.id for event in decode(chunk) if isinstance(event, Request)] == [0, 1, 2, 3]


@quick
@given(st.lists(messages, min_size=2, max_size=3), st.sampled_from(["", " ", "\t\r ", ","]))
def test_two_messages_on_one_line_are_refused(parts: list[object], between: str) -> None:
    """Nothing on a line that is not one JSON text is carried out."""
    text = between.join(json.dumps(part) for part in parts).encode() + b"\n"
    (event,) = decode(text)
    assert isinstance(event, Invalid)
    assert event.code == PARSE_ERROR


@quick
@given(data=st.data())
def test_one_message_on_two_lines_is_refused(data: st.DataObject) -> None:
    """A newline ends the line, wherever within the message it is."""
    text = line(NEXT, {"lookup": 5})[:-1]
    position = data.draw(st.integers(1, len(text) - 1))
    events = decode(text[:position] + b"\n" + text[position:] + b"\n")
    assert events
    assert all(isinstance(event, Invalid) for event in events)


def test_two_wrongs_do_not_make_two_rights() -> None:
    """Two messages on one line are not set off by one message on two lines."""
    one = line(NEXT, {"lookup": 5})[:-1]
    events = decode(one + one + b"\n" + one[:30] + b"\n" + one[30:] + b"\n")
    assert len(events) == 3
    assert all(isinstance(event, Invalid) and event.code == PARSE_ERROR for event in events)


def test_blank_lines_are_nothing() -> None:
    """Empty lines, and those with blanks alone, are passed over; a CR before the LF too."""
    assert decode(b"\n\r\n \t\n") == []
    assert request(line("nspd.Status")[:-1] + b"\r\n").method == "nspd.Status"


def test_a_line_past_the_limit() -> None:
    """Case 122: one error, after which everything is discarded."""
    limit = 200
    long = line("nspd.Status", extra="x" * limit)
    events = decode(line("nspd.Status"), long, line("nspd.Status"), max_message=limit)
    assert len(events) == 2
    assert isinstance(events[0], Request)
    assert isinstance(events[1], Oversized)
    answer = events[1].answer
    assert (answer.code, answer.id, answer.notification) == (INVALID_REQUEST, None, False)
    assert answer.data == {"max_message": limit}


def test_a_line_of_exactly_the_limit() -> None:
    """The limit is for the line without its newline."""
    text = line("nspd.Status")
    assert isinstance(decode(text, max_message=len(text) - 1)[0], Request)
    assert isinstance(decode(text, max_message=len(text) - 2)[0], Oversized)


def test_endless_bytes_without_a_newline() -> None:
    """Case 122: memory stays flat under input that never ends a line."""
    receiver = Receiver(max_message=100_000)
    chunk = b"x" * 10_000
    tracemalloc.start()
    try:
        events = [event for _ in range(1000) for event in receiver.feed(chunk)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [type(event) for event in events] == [Oversized]
    assert peak < 500_000
    assert receiver.finish() == []


def test_the_end_of_input_within_a_line() -> None:
    """Bytes after the last newline are one parse error, and the end is told once."""
    receiver = Receiver()
    assert receiver.feed(b'{"jsonrpc":"2.0"') == []
    (event,) = receiver.finish()
    assert isinstance(event, Invalid)
    assert (event.code, event.id, event.notification) == (PARSE_ERROR, None, False)
    assert receiver.finish() == []
    assert receiver.feed(line("nspd.Status")) == []


def test_the_end_of_input_after_a_line() -> None:
    """An input that ends with a newline has no error."""
    receiver = Receiver()
    receiver.feed(line("nspd.Status"))
    assert receiver.finish() == []


def test_batches_keep_their_place() -> None:
    """A batch is one event among those of its neighbours."""
    events = decode(line("nspd.Status") + b"[" + line(END, {"lookup": 1})[:-1] + b"]\n")
    assert isinstance(events[0], Request)
    assert isinstance(events[1], Batch)


@quick
@given(arrived=st.lists(streams(), min_size=2, max_size=6))
def test_what_is_decoded_together_is_what_each_client_sent(arrived: list[bytes]) -> None:
    """Whatever they send: of each the same requests in the same order, or none at all."""
    sharing = [data for data in arrived if data.endswith(b"\n")]
    together = decode_together(sharing)
    if together is not None:
        each = [Receiver().feed(data) for data in sharing]
        assert together == list(chain.from_iterable(each))
        assert list(map(len, each)) == [data.count(b"\n") for data in sharing]


@quick
@given(counts=st.lists(st.integers(1, 3), min_size=1, max_size=8))
def test_sound_requests_are_decoded_together(counts: list[int]) -> None:
    """However many each client sends."""
    arrived = [
        b"".join(line(END, {"lookup": client}, id=number) for number in range(count))
        for client, count in enumerate(counts)
    ]
    together = decode_together(arrived)
    assert together is not None
    assert [(r.params.lookup, r.id) for r in together] == [
        (client, number) for client, count in enumerate(counts) for number in range(count)
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b'{"jsonrpc":"2.0","id":1,\n', b'"method":"nspd.Status"}\n'),
        (b'{"jsonrpc":"2.0","method":"nspd.Status","id":"\n', b'"}\n'),
        (line("nspd.Status") + b"\n", line("nspd.Status")),
        (line("nspd.Status")[:-1] * 2 + b"\n", b" \n"),
        (b"[\n", b"]\n"),
        (line("nspd.Status"), line("nspd.NoSuchMethod")),
        (line("nspd.Status"), line("nspd.Status", id=None)),
    ],
)
def test_no_message_is_made_of_two_clients_bytes(first: bytes, second: bytes) -> None:
    """Nor do two on one client's line count as one of another's; all go to their receivers."""
    assert decode_together([first, second]) is None
    assert decode_together([second, first]) is None


def test_when_nothing_may_be_decoded_with_others() -> None:
    """Within a line, after the end, and where the limit is below what is read at once."""
    receiver = Receiver()
    shares = [receiver.shares]
    for data in (line("nspd.Status"), b"{", b"}", b"\n"):
        receiver.feed(data)
        shares.append(receiver.shares)
    receiver.finish()
    assert [*shares, receiver.shares] == [True, True, False, False, True, False]
    small = Receiver(CHUNK - 1)
    shares = [small.shares]
    for data in (b"{\n", b" " * CHUNK):
        small.feed(data)
        shares.append(small.shares)
    assert shares == [False] * 3
    large = Receiver(CHUNK)
    shares = [large.shares]
    assert isinstance(large.feed(b" " * CHUNK + b" \n")[0], Oversized)
    assert [*shares, large.shares] == [True, False]
