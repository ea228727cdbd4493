"""What arrives on a connection, as the decoder tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from nspd.wire.types import Id

MAX_ID = 128
"""Bytes that an id may have: of UTF-8 in a string, of decimal text in an integer."""


class Request(Struct, frozen=True, gc=False, kw_only=True):
    """A well-formed call of a known method: an object of that method's type (`nspd.wire.typed`)."""

    method: ClassVar[str]
    jsonrpc: Literal["2.0"]
    id: (
        Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
        | Annotated[str, Meta(max_length=MAX_ID)]
        | None
    ) = None
    """None in a notification."""
    params: Any
    """Of the type that `METHODS` names for the method."""

    @property
    def notification(self) -> bool:
        """Whether it must not be answered."""
        return self.id is None


class Invalid(Struct, frozen=True):
    """A message that cannot be carried out, with the error that answers it."""

    id: Id
    code: int
    detail: str
    """One sentence for a person."""
    data: Mapping[str, Any] | None = None
    notification: bool = False
    """It must not be answered: it was a notification, sound enough to be known as one."""
    method: str | None = None
    """The method, if it is a known one whose params were refused."""


class Batch(Struct, frozen=True):
    """Calls sent together, to be answered by one array, in which notifications do not appear."""

    items: tuple[Request | Invalid, ...]


class Oversized(Struct, frozen=True):
    """A line was longer than the limit; nothing that follows is read any more."""

    answer: Invalid
    """The one error to send before the connection closes."""


Event = Request | Invalid | Batch | Oversized
