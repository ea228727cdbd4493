"""Params of a request: from JSON to the type of its method, or to a helpful refusal."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, ValidationError

from nspd.model import errors
from nspd.wire.events import Invalid, Request
from nspd.wire.params import SUPPORTED_VERSIONS
from nspd.wire.typed import REQUESTS
from nspd.wire.types import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    METHODS,
    Id,
)

_TEXT_SHOWN = 200

_Decoder = Callable[[Raw | bytes], Any]
_DECODERS: dict[str, tuple[_Decoder, str | None]] = {
    method.name: (msgspec.json.Decoder(method.params).decode, method.query_set)
    for method in METHODS.values()
}

_decode_plain = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

# A string, or the first digits of a number that has more; strings are matched so
# that digits within them are left alone.
_LONG_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.)*+"|(\d{640})\d+')

_FAULT = re.compile(r"(?P<text>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_NAMED = re.compile(r"Object (?:missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)


def shown(text: str) -> str:
    """Text of the sender's as it may be quoted in an error: not too much of it."""
    return text if len(text) <= _TEXT_SHOWN else text[:_TEXT_SHOWN] + "…"


def make_request(id: Id, method: str, raw: Raw, text: bytes) -> Request | Invalid:
    """The request for these params, or why there is none.

    Args:
        id: None for a notification.
        method: as sent, known or not.
        raw: the params, known to be JSON.
        text: the message, or the line, that they are part of.
    """
    known = _DECODERS.get(method)
    if known is None:
        detail = f"There is no method {shown(method)!r}."
        return Invalid(id, METHOD_NOT_FOUND, detail, {"method": shown(method)}, id is None)
    decode, query_set = known
    try:
        params = decode(raw)
    except ValidationError as error:
        return _look_closer(id, method, bytes(raw), str(error))
    if query_set is not None and b"null" in text:
        return _look_closer(id, method, bytes(raw), "")
    return REQUESTS[method](jsonrpc="2.0", id=id, params=params)


def _look_closer(id: Id, method: str, raw: bytes, fault: str) -> Request | Invalid:
    """Decode with care params that failed, or that may have a null where none is allowed.

    The decoder stops at the first of two members with one name, but the last one
    counts; and it takes no integer of more than 4300 digits, which is as good a
    handle as any other number that is nobody's. So both are put right, and the
    params decoded again.
    """
    decode, query_set = _DECODERS[method]
    try:
        members = _decode_plain(_LONG_NUMBER.sub(lambda match: match[1] or match[0], raw))
    except ValidationError as error:
        return _refuse(id, method, fault or str(error))
    try:
        params = decode(_encode(members))
    except ValidationError as error:
        if method == "NSPv2Startup" and _asks_for_other_version(members):
            low, high = SUPPORTED_VERSIONS
            detail = f"The daemon speaks protocol versions {low} to {high}."
            data = {"supported": list(SUPPORTED_VERSIONS)}
            return Invalid(id, errors.WSAVERNOTSUPPORTED, detail, data, id is None, method)
        return _refuse(id, method, str(error))
    if query_set is not None:
        path = _path_of_null(members[query_set], f".{query_set}")
        if path is not None:
            return _refuse(id, method, f"Null is not allowed here - at `${path}`")
    return REQUESTS[method](jsonrpc="2.0", id=id, params=params)


def _asks_for_other_version(members: object) -> bool:
    # A client of a later protocol may send what this one does not know; it must
    # learn that the version is the reason.
    if not isinstance(members, dict):
        return False
    version = members.get("protocol")
    low, high = SUPPORTED_VERSIONS
    return type(version) is int and not low <= version <= high


def _path_of_null(value: object, path: str) -> str | None:
    if value is None:
        return path
    inner: list[tuple[str, object]] = []
    if isinstance(value, dict):
        inner = [(f"{path}.{name}", member) for name, member in value.items()]
    elif isinstance(value, list):
        inner = [(f"{path}[{index}]", member) for index, member in enumerate(value)]
    for where, member in inner:
        found = _path_of_null(member, where)
        if found is not None:
            return found
    return None


def _refuse(id: Id, method: str, fault: str) -> Invalid:
    match = _FAULT.fullmatch(fault)
    text, path = (match["text"], match["path"] or "") if match else (fault, "")
    named = _NAMED.fullmatch(text)
    if named is not None:
        path += f".{named['name']}"
        text = "required, but missing" if "missing" in text[:14] else "not a member that is known"
    path = shown("$.params" + path)
    detail = f"{path}: {shown(text).replace('`', '')}."
    data = {"path": path, "wsa": errors.WSAEINVAL}
    return Invalid(id, INVALID_PARAMS, detail, data, id is None, method)
