"""What arrives on a connection, as the decoder tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from nspd.wire.types import Id


class Request(Struct, frozen=True, gc=False):
    """A well-formed call of a known method."""

    id: Id
    """None in a notification."""
    method: str
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
