"""Helpers of the wire tests: building lines, feeding them, and random streams."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from nspd.wire.decode import Event, Invalid, Receiver, Request
from nspd.wire.types import METHODS

quick = settings(derandomize=True, deadline=None, database=None, max_examples=100)
"""The same examples on every run, and not many."""

NEXT = "NSPv2LookupServiceNextEx"
BEGIN = "NSPv2LookupServiceBegin"
END = "NSPv2LookupServiceEnd"


_ABSENT = object()


def line(method: str, params: Any = _ABSENT, **members: Any) -> bytes:
    """A request as a line, with id 1 unless told otherwise."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method, **members}
    if params is not _ABSENT:
        message["params"] = params
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def raw_line(params: bytes, method: str = END) -> bytes:
    """A request whose params are written as given."""
    return b'{"jsonrpc":"2.0","id":1,"method":"%b","params":%b}\n' % (method.encode(), params)


def decode(*pieces: bytes, max_message: int = 1024 * 1024) -> list[Event]:
    """The events of a whole input that arrives in these pieces."""
    receiver = Receiver(max_message)
    events = [event for piece in pieces for event in receiver.feed(piece)]
    return events + receiver.finish()


def request(data: bytes) -> Request:
    """The one event of this input, which must be a request."""
    (event,) = decode(data)
    assert isinstance(event, Request), event
    return event


def invalid(data: bytes) -> Invalid:
    """The one event of this input, which must be an error."""
    (event,) = decode(data)
    assert isinstance(event, Invalid), event
    return event


_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
json_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
_names = st.sampled_from([*METHODS, "nspd.NoSuchMethod", ""])
_params = st.fixed_dictionaries(
    {},
    optional={
        "lookup": json_values,
        "restrictions": st.dictionaries(
            st.sampled_from(["service_instance_name", "namespace", "addresses", "x"]), json_values
        ),
        "timeout": json_values,
        "id": json_values,
    },
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | json_values,
        "id": st.integers() | json_values,
        "method": _names | json_values,
        "params": _params | json_values,
        "extra": json_values,
    },
)
"""Objects that are requests, nearly requests, or nothing like it."""

_texts = st.one_of(
    messages.map(lambda message: json.dumps(message).encode()),
    messages.map(lambda message: json.dumps(message, ensure_ascii=False).encode()),
    st.lists(messages, max_size=3).map(lambda batch: json.dumps(batch).encode()),
    st.sampled_from(
        [
            line("nspd.Status")[:-1],
            line(NEXT, {"lookup": 7})[:-1],
            b"",
            b" \r",
            b"[]",
            b"{",
            b'"',
            b"}{",
            rb'{"x":"\ud800"}',
            b"\xef\xbb\xbf{}",
            b"[" * 70,
            b"9" * 5000,
        ]
    ),
    st.binary(max_size=30),
)


def _spoil(draw: st.DrawFn, text: bytes) -> bytes:
    position = draw(st.integers(0, len(text)))
    return (
        text[:position] + draw(st.binary(max_size=3)) + text[position + draw(st.integers(0, 3)) :]
    )


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Any input: sound lines, spoilt ones and noise, with and without a last newline."""
    texts = draw(st.lists(_texts, max_size=6))
    spoilt = [_spoil(draw, text) if draw(st.booleans()) else text for text in texts]
    return b"\n".join(spoilt) + draw(st.sampled_from([b"", b"\n"]))


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The data in pieces, of any lengths."""
    positions = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    bounds = [0, *positions, len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]
