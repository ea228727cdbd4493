"""One line: a request, an error that helps, a batch, or nothing."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given

from nspd.wire.decode import Batch, Invalid, Request
from nspd.wire.messages import MAX_BATCH, MAX_DEPTH, decode_line
from nspd.wire.types import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR
from tests.wire.streams import (
    BEGIN,
    END,
    NEXT,
    decode,
    invalid,
    json_values,
    line,
    quick,
    raw_line,
    request,
    streams,
)

STATUS = b'{"jsonrpc":"2.0","id":1,"method":"nspd.Status"'


def batch(data: bytes) -> Batch:
    """The one event of this input, which must be a batch."""
    (event,) = decode(data)
    assert isinstance(event, Batch), event
    return event


@pytest.mark.parametrize(
    "id", [0, -1, 2**63 - 1, 2**63, -(2**70), int("9" * 128), "", "a", "ä" * 64]
)
def test_ids_are_told_as_they_came(id: int | str) -> None:
    """An id is an integer of up to 128 digits, or a string of up to 128 bytes."""
    got = request(line("nspd.Status", id=id))
    assert (got.id, got.notification) == (id, False)
    assert type(got.id) is type(id)


@pytest.mark.parametrize(
    "id",
    [
        "null",
        "1.0",
        "1e2",
        "true",
        "[]",
        "{}",
        '"' + "a" * 129 + '"',
        '"' + "ä" * 65 + '"',
        "9" * 129,
        "9" * 5000,
    ],
    ids=lambda id: id[:8],
)
def test_other_ids_are_refused(id: str) -> None:
    """Case 133: an id that is null, fractional or too long is answered, with id null."""
    got = invalid(b'{"jsonrpc":"2.0","id":%b,"method":"nspd.Status"}\n' % id.encode())
    assert (got.code, got.id, got.notification) == (INVALID_REQUEST, None, False)


def test_a_request_without_id_is_a_notification() -> None:
    """Case 133: a notification is told as such, and has no id."""
    got = request(b'{"jsonrpc":"2.0","method":"nspd.Status"}\n')
    assert (got.id, got.notification) == (None, True)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ('"method":"nspd.Nothing"', METHOD_NOT_FOUND),
        (f'"method":"{END}","params":{{}}', INVALID_PARAMS),
    ],
)
def test_a_notification_in_error_is_not_answered(members: str, code: int) -> None:
    """Case 133: what is wrong with a notification is told, but marked as not to be answered."""
    got = invalid(b'{"jsonrpc":"2.0",%b}\n' % members.encode())
    assert (got.code, got.id, got.notification) == (code, None, True)


def test_an_unknown_method_is_named() -> None:
    """Case 123: the error names the method, and the line after it is unharmed."""
    first, second = decode(line("nspd.Nothing", id="x") + line("nspd.Status"))
    assert isinstance(first, Invalid)
    assert (first.code, first.id, first.data) == (METHOD_NOT_FOUND, "x", {"method": "nspd.Nothing"})
    assert "nspd.Nothing" in first.detail
    assert isinstance(second, Request)


def test_a_long_method_name_is_not_echoed_whole() -> None:
    """An error is never much longer than what caused it, nor endless."""
    assert len(invalid(line("x" * 100_000)).detail) < 300


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"id":1,"method":"nspd.Status"}',
        '{"jsonrpc":"1.0","id":1,"method":"nspd.Status"}',
        '{"jsonrpc":2.0,"id":1,"method":"nspd.Status"}',
        '{"jsonrpc":"2.0","id":1}',
        '{"jsonrpc":"2.0","id":1,"method":5}',
        '{"jsonrpc":"2.0","id":1,"method":null}',
        "5",
        '"nspd.Status"',
        "null",
    ],
)
def test_what_is_json_but_no_request(text: str) -> None:
    """Such a line is an invalid request, with its id where that can be read."""
    got = invalid(text.encode() + b"\n")
    assert (got.code, got.notification) == (INVALID_REQUEST, False)
    assert got.id == (1 if '"id":1' in text else None)


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"}",
        b"nspd.Status",
        STATUS,
        STATUS + b"}}",
        STATUS + b"} 5",
        STATUS + b',"x":NaN}',
        STATUS + b',"x":01}',
        STATUS + b',"x":[1,]}',
        STATUS + b',"x":"\x00"}',
        STATUS + b',"x":"\\x41"}',
        b"\xef\xbb\xbf" + STATUS + b"}",
        b"\xff\xfe{\x00}\x00",
        b"5 x",
    ],
)
def test_what_is_not_json(text: bytes) -> None:
    """Such a line is a parse error with id null; a byte-order mark before it is one too."""
    got = invalid(text + b"\n")
    assert (got.code, got.id, got.notification) == (PARSE_ERROR, None, False)


@pytest.mark.parametrize("text", [b'"', b"{", b"[", b'{"a":1', b"nul", b"1.", b'"\\', b"\xff"])
def test_what_is_wrong_does_not_depend_on_the_newline(text: bytes) -> None:
    """A line that arrives by itself has one, one cut out of more has none."""
    assert decode_line(text + b"\n") == decode_line(text)


@pytest.mark.parametrize(
    "string",
    [
        b'"\xff"',
        b'"\xc3"',
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
        b'"\xf5\x80\x80\x80"',
        rb'"\ud800"',
        rb'"\udc00 and more"',
        rb'"\ud83d\ud83d\ude00 and more"',
        rb'"\ud83dxude00 and more"',
        rb'"\uD83D\u0041 and more"',
    ],
)
@pytest.mark.parametrize(
    "template",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"nspd.Status","ignored":%b}\n',
        b'{"jsonrpc":"2.0","id":1,"method":"nspd.Status","ignored":[{"x":%b}]}\n',
        b'{"jsonrpc":"2.0","id":1,"method":"nspd.Status",%b:1}\n',
        b'{"jsonrpc":"2.0","id":1,"method":%b}\n',
        b'{"jsonrpc":"2.0","id":%b,"method":"nspd.Status"}\n',
        b'{"jsonrpc":"2.0","id":1,"method":"NSPv2LookupServiceBegin",'
        b'"params":{"restrictions":{"service_instance_name":%b}}}\n',
        b'{"jsonrpc":"2.0","id":1,"method":"nspd.Status","params":{%b:1}}\n',
        b'[{"jsonrpc":"2.0","id":1,"method":"nspd.Status","ignored":%b}]\n',
    ],
)
def test_text_that_is_no_unicode(string: bytes, template: bytes) -> None:
    """Case 142: bad UTF-8 and lone surrogates are a parse error, also where nobody looks."""
    assert invalid(template % string).code == PARSE_ERROR


def test_odd_characters_are_kept() -> None:
    """Case 142: NUL, a byte-order mark and characters beyond the basic plane arrive as sent."""
    name = "\x00a\ufeff\U0001f600\u2028\ufffd"
    params = {"restrictions": {"service_instance_name": name}}
    assert request(line(BEGIN, params)).params.restrictions.service_instance_name == name
    message = {"jsonrpc": "2.0", "id": name, "method": BEGIN, "params": params}
    got = request(json.dumps(message, ensure_ascii=False).encode() + b"\n")
    assert got.id == got.params.restrictions.service_instance_name == name


def is_json(text: bytes) -> bool:
    """Whether this is one JSON text in sound Unicode, by the standard library's judgement."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        value = json.loads(
            text.decode(),
            parse_constant=refuse,
            parse_int=str,
            parse_float=str,
            object_pairs_hook=list,
        )
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


@quick
@given(streams())
def test_what_is_json_is_what_others_take_for_it(stream: bytes) -> None:
    """A line is a parse error exactly if it is no JSON text."""
    for text in stream.split(b"\n"):
        event = decode_line(text)
        if event is not None:
            refused = isinstance(event, Invalid) and event.code == PARSE_ERROR
            assert refused is not is_json(text)


def nested(depth: int, opening: bytes, closing: bytes) -> bytes:
    """A Status request, itself one level, with an ignored member that brings it to a depth."""
    return STATUS + b',"x":' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}\n"


@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"":', b"}"), (b'[{"]":', b"}]")]
)
def test_the_depth_of_a_line_is_bounded(opening: bytes, closing: bytes) -> None:
    """Case 141: 64 levels are taken, one more is a parse error."""
    levels = 2 if b"{" in opening and b"[" in opening else 1
    most = 1 + (MAX_DEPTH - 1) // levels
    assert request(nested(most, opening, closing)).method == "nspd.Status"
    assert invalid(nested(most + 1, opening, closing)).code == PARSE_ERROR


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"":', b"}")])
def test_the_shortest_line_that_is_too_deep(opening: bytes, closing: bytes) -> None:
    """Case 141: no line is short enough to be deeper than allowed unseen."""
    inner = b"{}" if b"{" in opening else b"[]"
    allowed, too_deep = (
        opening * (levels - 1) + inner + closing * (levels - 1) + b"\n"
        for levels in (MAX_DEPTH, MAX_DEPTH + 1)
    )
    assert invalid(too_deep).code == PARSE_ERROR
    (event,) = decode(allowed)
    answer = event.items[0] if isinstance(event, Batch) else event
    assert isinstance(answer, Invalid)
    assert answer.code == INVALID_REQUEST


def test_breadth_and_brackets_in_strings_are_not_depth() -> None:
    """Only what is open at once counts."""
    wide = b"[" + b"[],{}," * 500 + rb'"[[[\"[[{{' + b"[" * 100 + rb'\\"' + b"]"
    assert request(STATUS + b',"x":' + wide + b"}\n").method == "nspd.Status"


@pytest.mark.parametrize(
    "template", [b"%b", b'{"jsonrpc":"2.0","id":1,"method":"nspd.Status","x":%b']
)
@pytest.mark.parametrize("bracket", [b"[", b'{"":', b"[{"])
def test_a_hundred_thousand_brackets(template: bytes, bracket: bytes) -> None:
    """Case 141: no depth overflows the stack."""
    assert invalid(template % (bracket * 100_000) + b"\n").code == PARSE_ERROR


def test_brackets_in_a_name() -> None:
    """Case 141: a hundred thousand brackets within a name are no depth; the name is taken."""
    name = "[" * 100_000
    params = {"restrictions": {"service_instance_name": name}}
    assert request(line(BEGIN, params)).params.restrictions.service_instance_name == name


def test_brackets_instead_of_a_name() -> None:
    """Case 141: nested in the place of a name they are a parse error."""
    params = b'{"restrictions":{"service_instance_name":' + b"[" * 100_000
    assert invalid(raw_line(params, BEGIN)).code == PARSE_ERROR


def test_deep_recursion_of_the_caller_is_no_matter() -> None:
    """A line of allowed depth needs little of the stack."""

    def dive(levels: int) -> object:
        return dive(levels - 1) if levels else decode_line(nested(MAX_DEPTH, b"[", b"]")[:-1])

    frames = 0
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        frames += 1
    assert isinstance(dive(sys.getrecursionlimit() - frames - 200), Request)


@quick
@given(json_values)
def test_members_beside_params_are_ignored(value: object) -> None:
    """Whatever a member means that the protocol does not know, the request is carried out."""
    assert request(line(NEXT, {"lookup": 5}, extra=value)).params.lookup == 5


def test_of_two_members_with_one_name_the_last_wins() -> None:
    """Case 144: wherever the two are, and whatever the first of them was."""
    got = request(
        b'{"jsonrpc":1,"id":null,"method":4,"params":7,"id":1,"method":"nspd.Status",'
        b'"jsonrpc":"2.0","params":{},"id":2}\n'
    )
    assert (got.id, got.method) == (2, "nspd.Status")
    assert invalid(STATUS + b',"id":null}\n').code == INVALID_REQUEST


def test_an_empty_batch() -> None:
    """Case 146: one error."""
    assert invalid(b"[]\n").code == INVALID_REQUEST
    assert invalid(b" [ ]\n").code == INVALID_REQUEST


def test_a_batch_of_rubbish() -> None:
    """Case 146: one error for each member, all with id null."""
    items = batch(b'[1,"x",null,[],{},[[]]]\n').items
    assert len(items) == 6
    for item in items:
        assert isinstance(item, Invalid)
        assert (item.code, item.id, item.notification) == (INVALID_REQUEST, None, False)


def test_a_batch_of_notifications() -> None:
    """Case 146: none of its members is to be answered."""
    text = b'[{"jsonrpc":"2.0","method":"nspd.Status"},{"jsonrpc":"2.0","method":"nspd.Nothing"}]\n'
    assert [item.notification for item in batch(text).items] == [True, True]


def test_a_mixed_batch() -> None:
    """The members are told in order, each as it would be alone on a line."""
    lines = [line(NEXT, {"lookup": 5}, id=1), line(NEXT, {}, id=2), line("nspd.Nothing", id="3")]
    together = b"[" + b",".join(text[:-1] for text in lines) + b"]\n"
    assert list(batch(together).items) == decode(*lines)


def test_a_broken_batch() -> None:
    """A batch that is not JSON to its end is one parse error."""
    assert invalid(b"[" + STATUS + b"},\n").code == PARSE_ERROR


def test_the_size_of_a_batch_is_bounded() -> None:
    """A thousand calls are taken, one more makes the whole batch one error."""
    call = line("nspd.Status")[:-1]
    assert len(batch(b"[" + b",".join([call] * MAX_BATCH) + b"]\n").items) == MAX_BATCH
    assert invalid(b"[" + b",".join([call] * (MAX_BATCH + 1)) + b"]\n").code == INVALID_REQUEST
