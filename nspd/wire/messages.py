"""Lines of input: what they say, or what is wrong with them.

Most lines are sound requests, and are decoded straight into the type of their
method, several of them in one call. What is no such line is looked at again,
with the care that a helpful refusal takes.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec
from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, ValidationError

from nspd.wire.arguments import make_request
from nspd.wire.events import MAX_ID, Batch, Invalid, Request
from nspd.wire.typed import decode_chunk, decode_one
from nspd.wire.types import INVALID_REQUEST, PARSE_ERROR, Id

MAX_DEPTH = 64
"""Objects and arrays within one another that a line may have."""

MAX_BATCH = 1000
"""Calls that a batch may have."""

_BLANK = b" \t\r\n"
_NO_PARAMS = Raw(b"{}")


class _LooseEnvelope(Struct, gc=False):
    """Any object, with those of its members that a request has."""

    jsonrpc: Raw | UnsetType = UNSET
    method: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET
    params: Raw = _NO_PARAMS


# An array whose decoder gives up at the first element too many, where a list
# would be built to its end.
_Elements = msgspec.defstruct(
    "_Elements",
    [(f"element_{index}", Raw | UnsetType, UNSET) for index in range(MAX_BATCH)],
    array_like=True,
    forbid_unknown_fields=True,
)

_decode_loose_envelope = msgspec.json.Decoder(_LooseEnvelope).decode
_decode_elements = msgspec.json.Decoder(_Elements).decode
_decode_id = msgspec.json.Decoder(int | str).decode
_decode_version = msgspec.json.Decoder(Literal["2.0"]).decode
_decode_method = msgspec.json.Decoder(str).decode
_check_syntax = msgspec.json.Decoder(Raw).decode

# A level needs a bracket on either side, and an object within an object a name and
# a colon too; so lines up to these lengths cannot be too deep.
_SAFE_LENGTH = 2 * MAX_DEPTH + 1
_SAFE_LENGTH_OF_OBJECTS = 5 * MAX_DEPTH + 1
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def decode_lines(chunk: bytes) -> list[Request] | None:
    """The requests of a chunk of several whole lines, decoded in one call.

    None: one of the lines is something else, or needs a closer look.

    Args:
        chunk: ending in a newline.
    """
    if not chunk.isascii() or b"null" in chunk:
        return None
    longest = max(map(len, chunk.split(b"\n")))
    if longest > _SAFE_LENGTH and (longest > _SAFE_LENGTH_OF_OBJECTS or b"[" in chunk):
        return None  # whether one of them is too deep is for each line to find out
    return decode_chunk(chunk)


def decode_line(line: bytes) -> Request | Invalid | Batch | None:
    """What one line says; None if it is empty or only blank.

    Never raises: what cannot be carried out comes back as `Invalid`.

    Args:
        line: with or without its newline.
    """
    if len(line) > _SAFE_LENGTH and _too_deep(line):
        return parse_error(f"Objects and arrays are nested more than {MAX_DEPTH} deep.")
    if not line.isascii():
        # The decoder does not look into the strings of members that it skips.
        try:
            line.decode()
        except UnicodeDecodeError as error:
            return parse_error(f"The text is not UTF-8 at byte {error.start}.")
    elif b"null" not in line:
        # Null as an id makes no notification, and is not allowed everywhere in a query set;
        # and beyond ASCII an id may have more bytes than characters.
        try:
            return decode_one(line)
        except DecodeError:
            pass
    return _look_closer(line)


def parse_error(detail: str) -> Invalid:
    """The answer to bytes that are no JSON text."""
    return Invalid(None, PARSE_ERROR, detail)


def _too_deep(line: bytes) -> bool:
    if len(line) <= _SAFE_LENGTH_OF_OBJECTS and b"[" not in line:
        return False
    if line.count(b"[") + line.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", line).translate(_ONE_KIND, _NOT_BRACKETS)
    # Each round takes the innermost level away, wherever it is.
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _look_closer(line: bytes) -> Request | Invalid | Batch | None:
    line = line.removesuffix(b"\n")  # what is wrong must not depend on how the input was cut
    if not line.strip(_BLANK):
        return None
    try:
        _check_syntax(line)
    except DecodeError as error:
        return parse_error(f"The line is not one JSON text: {error}.")
    if line.lstrip(_BLANK).startswith(b"["):
        return _decode_batch(line)
    return _decode_member(line)


def _decode_batch(line: bytes) -> Invalid | Batch:
    try:
        elements = msgspec.structs.astuple(_decode_elements(line))
    except ValidationError:
        return Invalid(None, INVALID_REQUEST, f"A batch holds at most {MAX_BATCH} calls.")
    items = tuple(_decode_member(bytes(raw)) for raw in elements if raw is not UNSET)
    return Batch(items) if items else Invalid(None, INVALID_REQUEST, "The batch is empty.")


def _decode_member(text: bytes) -> Request | Invalid:
    """Decode one request, known to be JSON, member by member: of each the last one counts."""
    try:
        loose = _decode_loose_envelope(text)
    except ValidationError:
        return Invalid(None, INVALID_REQUEST, "A request is a JSON object.")
    id: Id = None
    if loose.id is not UNSET:
        id = _read_id(loose.id)
        if id is None:
            detail = f"An id is an integer or a string, of at most {MAX_ID} bytes."
            return Invalid(None, INVALID_REQUEST, detail)
    try:
        _decode_version(b"null" if loose.jsonrpc is UNSET else loose.jsonrpc)
    except ValidationError:
        return Invalid(id, INVALID_REQUEST, 'The member jsonrpc must be there and be "2.0".')
    try:
        method = _decode_method(b"null" if loose.method is UNSET else loose.method)
    except ValidationError:
        return Invalid(id, INVALID_REQUEST, "The member method must be there and be a string.")
    return make_request(id, method, loose.params, text)


def _read_id(raw: Raw) -> int | str | None:
    try:
        id = _decode_id(raw)
    except ValidationError:
        return None
    return None if _id_too_long(id) else id


def _id_too_long(id: int | str) -> bool:
    if isinstance(id, str):
        return len(id) > MAX_ID or len(id.encode()) > MAX_ID
    return len(str(id)) > MAX_ID
