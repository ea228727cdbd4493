"""The client's half of the wire: requests out, replies and notifications in. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from nspd.model import errors
from nspd.model.verdict import Verdict
from nspd.wire.lines import LineBuffer
from nspd.wire.results import ErrorObject
from nspd.wire.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Id,
)

MAX_REPLY = 64 * 1024 * 1024
"""Bytes that one line from the daemon may have: far more than any that it sends."""


class ProtocolError(ValueError):
    """What came is no message of a daemon; the connection is of no further use."""


class Reply(Struct, frozen=True):
    """The reply to one request: a result or an error."""

    id: Id
    result: Raw = Raw(b"null")
    """JSON, to be decoded by the result type of the method."""
    error: ErrorObject | None = None


class Notification(Struct, frozen=True):
    """Something that the daemon tells unasked."""

    method: str
    params: Raw


Message = Reply | Notification


class _Message(Struct, gc=False):
    id: Id = None
    method: str | None = None
    params: Raw = Raw(b"{}")
    result: Raw | UnsetType = UNSET
    error: ErrorObject | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Message).decode


def request(id: int | str, method: str, params: Struct | Mapping[str, Any] | bytes) -> bytes:
    """The line of a request, with its newline.

    Args:
        id: unique among the calls of this connection that wait.
        method: one of `nspd.wire.types.METHODS`.
        params: the params type of the method, its members, or JSON made before.

    Raises:
        UnicodeEncodeError: a string in it holds a lone surrogate.
        TypeError: a member is of a type that JSON does not have.
    """
    text = params if isinstance(params, bytes) else _encode(params)
    return b'{"jsonrpc":"2.0","id":%b,"method":%b,"params":%b}\n' % (
        _encode(id),
        _encode(method),
        text,
    )


def notification(method: str, params: Struct | Mapping[str, Any] | bytes) -> bytes:
    """The line of a request that is not answered; raises as `request` does."""
    text = params if isinstance(params, bytes) else _encode(params)
    return b'{"jsonrpc":"2.0","method":%b,"params":%b}\n' % (_encode(method), text)


class ReplyReceiver:
    """Turns what the daemon sends into messages, in order, however it is cut into pieces."""

    __slots__ = ("_lines",)

    def __init__(self, max_reply: int = MAX_REPLY) -> None:
        """Make a receiver for lines of at most ``max_reply`` bytes."""
        self._lines = LineBuffer(max_reply)

    def feed(self, data: bytes) -> list[Message]:
        """Take what arrived, and give the messages that it completes.

        Raises:
            ProtocolError: a line is no reply and no notification, or too long.
        """
        messages = [_read(line) for line in self._lines.split(data) if line]
        if self._lines.overflowed:
            raise ProtocolError("the daemon sent a line that is too long")
        return messages


def _read(line: bytes) -> Message:
    try:
        message = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"the daemon sent what is no message: {error}") from error
    if message.method is not None:
        return Notification(message.method, message.params)
    if message.error is not None:
        return Reply(message.id, error=message.error)
    if message.result is UNSET:
        raise ProtocolError("the daemon sent what is neither reply nor notification")
    return Reply(message.id, message.result)


# How a library reports errors that JSON-RPC numbers, and the numbers that old
# daemons use for the end and for a cancelled call.
_CODES = {
    PARSE_ERROR: errors.WSAEINVAL,
    INVALID_REQUEST: errors.WSAEINVAL,
    METHOD_NOT_FOUND: errors.WSAEOPNOTSUPP,
    INVALID_PARAMS: errors.WSAEINVAL,
    INTERNAL_ERROR: errors.WSASYSCALLFAILURE,
    errors.WSAENOMORE: errors.WSA_E_NO_MORE,
    errors.WSAECANCELLED: errors.WSA_E_CANCELLED,
}


def exception(error: ErrorObject) -> errors.WSAError:
    """The exception that tells an error of a reply, its verdicts as `Verdict` objects."""
    data = dict(error.data or {})
    detail = data.pop("detail", error.message)
    if "verdicts" in data:
        try:
            data["verdicts"] = msgspec.convert(data["verdicts"], list[Verdict])
        except msgspec.ValidationError as fault:
            raise ProtocolError(f"the daemon sent verdicts that are none: {fault}") from fault
    return errors.error_for(_CODES.get(error.code, error.code), str(detail), data)
