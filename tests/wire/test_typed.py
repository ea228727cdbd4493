"""Decoding a chunk of lines in one call, which must not mistake what a line is."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.wire import messages
from nspd.wire.decode import Invalid, Request
from nspd.wire.typed import REQUESTS, decode_chunk, decode_one
from nspd.wire.types import METHODS, PARSE_ERROR
from tests.wire.streams import BEGIN, END, NEXT, decode, line, quick

FIRST = line(BEGIN, {"restrictions": {"service_instance_name": "}\\n{"}}, id=1)
SECOND = line(NEXT, {"lookup": 5}, id="two")
THIRD = line(END, {"lookup": 5}, id=3)


def test_every_method_has_its_type() -> None:
    """A request's type tells its method and the type of its params."""
    for name, method in METHODS.items():
        request = msgspec.structs.fields(REQUESTS[name])
        assert REQUESTS[name].method == name
        assert {field.name: field.type for field in request}["params"] is method.params


def test_a_chunk_of_sound_lines_is_decoded_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that are all sound requests are not looked at one by one."""
    separately = [decode_one(text) for text in (FIRST, SECOND, THIRD)]

    def not_this_way(line: bytes) -> Request:
        raise AssertionError(line)

    monkeypatch.setattr(messages, "decode_one", not_this_way)
    assert decode(FIRST + SECOND + THIRD) == separately


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param(FIRST[:-1] + SECOND + THIRD, id="two on a line"),
        pytest.param(FIRST[:-1] + SECOND + b"\n" + THIRD, id="two on a line, then none"),
        pytest.param(FIRST[:-1] + b" " + SECOND + THIRD[:10] + b"\n" + THIRD[10:], id="both"),
        pytest.param(FIRST + SECOND.replace(b",", b",\n", 1) + THIRD, id="one on two lines"),
        pytest.param(FIRST + b"\n" + THIRD, id="an empty line"),
        pytest.param(FIRST + b"[" + SECOND[:-1] + b"]\n" + THIRD, id="a batch"),
        pytest.param(FIRST + SECOND[:-2] + b"\n" + THIRD, id="no JSON"),
        pytest.param(FIRST + SECOND.replace(NEXT.encode(), b"nspd.No") + THIRD, id="no method"),
    ],
)
def test_a_chunk_that_is_not_one_request_a_line_is_left_to_a_closer_look(chunk: bytes) -> None:
    """What is not plainly one sound request a line is not decoded in bulk."""
    assert decode_chunk(chunk) is None
    assert decode(chunk) == [event for text in chunk.splitlines(True) for event in decode(text)]


def test_neither_half_of_a_message_over_two_lines_is_carried_out() -> None:
    """As many texts as lines are not enough: one line with two, and one over two, are errors."""
    chunk = FIRST[:-1] + SECOND + THIRD[:17] + b"\n" + THIRD[17:]
    assert len(msgspec.json.Decoder().decode_lines(chunk)) == chunk.count(b"\n") == 3
    events = decode(chunk)
    assert [event.code for event in events if isinstance(event, Invalid)] == [PARSE_ERROR] * 3


@pytest.mark.parametrize("member", ["unknown", "params", "method"])
def test_no_string_has_a_raw_newline(member: str) -> None:
    """What the bulk decoder stands on: it refuses a string over two lines, even one it skips."""
    sound = {"jsonrpc": "2.0", "id": 1, "method": "nspd.Status", member: "}#{"}
    text = json.dumps(sound).encode().replace(b"#", b"\n")
    with pytest.raises(msgspec.DecodeError, match=r"malformed|Expected|Invalid value"):
        decode_one(text)
    assert decode_chunk(text + b"\n") is None


_lines = st.lists(
    st.sampled_from(
        [FIRST, SECOND, THIRD, FIRST[:-1], b"\n", b'{"jsonrpc":', b" ", b"}\n{", b"null\n", b"\r\n"]
    ),
    max_size=8,
)


@quick
@given(_lines)
def test_bulk_and_single_decoding_agree(pieces: list[bytes]) -> None:
    """However whole, half and doubled messages are strung together, lines mean what they say."""
    chunk = b"".join(pieces) + b"\n"
    assert decode(chunk) == [event for text in chunk.split(b"\n") for event in decode(text + b"\n")]
