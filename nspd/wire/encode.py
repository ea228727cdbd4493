"""Replies and notifications as JSON lines, without the newline.

They are put together from bytes around one call of the encoder: for a small
result that is the fastest way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from nspd.model.errors import error_name
from nspd.model.verdict import Verdict
from nspd.wire.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Id,
)

_encode = msgspec.json.Encoder().encode

JSON_RPC_MESSAGES = {
    PARSE_ERROR: "Parse error",
    INVALID_REQUEST: "Invalid Request",
    METHOD_NOT_FOUND: "Method not found",
    INVALID_PARAMS: "Invalid params",
    INTERNAL_ERROR: "Internal error",
}


def result(id: Id, value: Any) -> bytes:
    """The reply that carries a result: of the method's result type, or None for null.

    Raises:
        UnicodeEncodeError: a string in it holds a lone surrogate.
    """
    if type(id) is int:
        return b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (id, _encode(value))
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (_encode(id), _encode(value))


def lookup_result(id: Id, records: Iterable[bytes], verdicts: Iterable[Verdict]) -> bytes:
    """The reply to an `nspd.Lookup` (`LookupResult`), from records that are encoded already."""
    value = b'{"results":[%b],"verdicts":%b}' % (b",".join(records), _encode(verdicts))
    if type(id) is int:
        return b'{"jsonrpc":"2.0","id":%d,"result":%b}' % (id, value)
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (_encode(id), value)


def explain_result(
    id: Id,
    records: Iterable[bytes],
    verdicts: Iterable[Verdict],
    error: tuple[int, str] | None,
    elapsed: float,
    story: Iterable[Any],
    left_out: int,
) -> bytes:
    """The reply to an `nspd.Explain` (`ExplainResult`), from records that are encoded already.

    Args:
        id: of the request.
        records: what was found.
        verdicts: what became of each provider.
        error: code and sentence of the error with which the lookup ended, if it did.
        elapsed: seconds that it took.
        story: the events, with the members of `StoryEvent`.
        left_out: events for which there was no room.
    """
    told = b"null" if error is None else _error(error[0], {"detail": error[1]})
    return (
        b'{"jsonrpc":"2.0","id":%b,"result":{"results":[%b],"verdicts":%b,"error":%b,'
        b'"elapsed":%b,"story":%b,"left_out":%d}}'
    ) % (
        _encode(id),
        b",".join(records),
        _encode(verdicts),
        told,
        _encode(elapsed),
        _encode(story),
        left_out,
    )


def error(id: Id, code: int, detail: str = "", data: Mapping[str, Any] | None = None) -> bytes:
    """The reply that carries an error.

    Args:
        id: None where the request's own cannot be told.
        code: a Windows Sockets number, or a negative one of JSON-RPC; it decides the message.
        detail: one sentence for a person.
        data: the members of the error's ``data`` beside ``detail``.

    Raises:
        UnicodeEncodeError: a string in it holds a lone surrogate.
    """
    if not data:
        body = _plain_error(code, detail)
    elif detail and "detail" not in data:
        # The members follow the detail, in the same object.
        body = _told_error(code, detail) + _encode(data if type(data) is dict else {**data})[1:]
        body += b"}"
    else:
        body = _error(code, {"detail": detail, **data})
    if type(id) is int:
        return b'{"jsonrpc":"2.0","id":%d,"error":%b}' % (id, body)
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (_encode(id), body)


@lru_cache(maxsize=256)
def _told_error(code: int, detail: str) -> bytes:
    """An error up to the comma behind its detail."""
    return _plain_error(code, detail)[:-2] + b","


@lru_cache(maxsize=256)
def _plain_error(code: int, detail: str) -> bytes:
    return _error(code, {"detail": detail} if detail else None)


def _error(code: int, data: Mapping[str, Any] | None) -> bytes:
    message = JSON_RPC_MESSAGES.get(code) or error_name(code)
    members: dict[str, Any] = {"code": code, "message": message}
    if data:
        members["data"] = data
    return _encode(members)


def notification(method: str, params: Any) -> bytes:
    """A message that the daemon sends unasked."""
    return b'{"jsonrpc":"2.0","method":%b,"params":%b}' % (_encode(method), _encode(params))


def batch(replies: Iterable[bytes]) -> bytes:
    """The one reply to a batch, from the replies to its calls.

    A batch that has none (all its calls were notifications) is not answered at
    all, which the caller sees to.
    """
    return b"[%b]" % b",".join(replies)
