"""Requests as types: one for each method, and one decoder for all of them.

The decoder goes by the member ``method``, so envelope and params are decoded in
one pass, and a whole chunk of lines in one call. It knows sound requests only;
whatever it refuses is looked at with care by `nspd.wire.messages`.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any, cast

import msgspec

from nspd.wire.events import Request
from nspd.wire.types import METHODS, Method


def _type_of(method: Method) -> type[Request]:
    params: tuple[Any, ...] = ("params", method.params)
    if all(not field.required for field in msgspec.structs.fields(method.params)):
        params += (msgspec.field(default_factory=method.params),)
    made = msgspec.defstruct(
        method.params.__name__.removesuffix("Params") + "Request",
        [params],
        bases=(Request,),
        namespace={"method": method.name},
        tag_field="method",
        tag=method.name,
        frozen=True,
        gc=False,
        kw_only=True,
    )
    return cast(type[Request], made)


REQUESTS: dict[str, type[Request]] = {name: _type_of(method) for name, method in METHODS.items()}
"""The type of each method's requests."""

_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(reduce(or_, REQUESTS.values()))

decode_one = _decoder.decode
"""The request that one line is. Raises `msgspec.DecodeError` if it is not a sound one."""


def decode_chunk(chunk: bytes) -> list[Request] | None:
    """The requests of a chunk of several whole lines, if each line is one sound request.

    One call decodes all. By itself that would not be line-safe: the decoder sees
    one text after another, wherever the newlines are. But no JSON text holds a
    "}" and a "{" with only a newline in between: between two members or elements
    there is a comma, and a string has no raw newline. So where every newline but
    the last stands so, each ends a text, and there are at least as many texts as
    lines; if there are just as many, each line is one.

    None: it is not so, or cannot be told; then the lines are to be decoded one by one.

    Args:
        chunk: of ASCII, ending in a newline.
    """
    lines = chunk.count(b"\n")
    if chunk.count(b"}\n{") != lines - 1:
        return None
    try:
        requests = _decoder.decode_lines(chunk)
    except msgspec.DecodeError:
        return None
    return requests if len(requests) == lines else None
