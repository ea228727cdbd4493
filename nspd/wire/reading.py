"""Results are read tolerantly, so that a client can talk to a newer daemon.

Query sets serve requests as well as results, and in a request an unknown member
is refused; so their types refuse it. Where a result has one, all that its type
does not know is left out, and the rest is read again. That costs nothing as long
as daemon and client are of an age.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, inspect

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class ResultDecoder(Generic[T]):
    """Reads the results of one type."""

    __slots__ = ("_decode", "_info", "_kind")

    def __init__(self, kind: type[T]) -> None:
        """Make a decoder for results of the type ``kind``."""
        self._kind = kind
        self._decode = msgspec.json.Decoder(kind).decode
        self._info: Any = None

    def decode(self, result: bytes | Raw) -> T:
        """The result that this JSON is; members unknown to its type are let pass at any depth.

        Raises:
            msgspec.DecodeError: it is no JSON, or what is known of it is missing or wrong.
        """
        try:
            read: T = self._decode(result)
        except msgspec.ValidationError:
            read = self._decode(_encode(_known(_decode(result), self._type())))
        return read

    def _type(self) -> Any:
        if self._info is None:
            self._info = inspect.type_info(self._kind)
        return self._info


def _known(value: Any, info: Any) -> Any:
    """What the type knows of a JSON value; a value of another type stays as it is."""
    match info:
        case inspect.StructType() if isinstance(value, dict):
            return {
                field.encode_name: _known(value[field.encode_name], field.type)
                for field in info.fields
                if field.encode_name in value
            }
        case inspect.CollectionType() if isinstance(value, list):
            return [_known(element, info.item_type) for element in value]
        case inspect.UnionType():
            for alternative in info.types:
                value = _known(value, alternative)
    return value
