"""How one NextEx ends: with a record, or with a failure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from nspd.model import errors
from nspd.model.queryset import QuerySet


class Failure(Struct, frozen=True):
    """An error as a value: what a call ended with, before anybody raises or writes it."""

    code: int
    detail: str
    data: dict[str, Any] | None = None
    setting: str | None = None
    """The setting whose limit was hit, where the provider named one."""

    def raised(self) -> errors.WSAError:
        """The same as an exception."""
        return errors.error_for(self.code, self.detail, self.data)


Outcome = QuerySet | Failure

CANCELLED = Failure(errors.WSA_E_CANCELLED, "the call was cancelled")
TIMED_OUT = Failure(errors.WSAETIMEDOUT, "no record came within the time-out of this call")
INVALID_HANDLE = Failure(errors.WSA_INVALID_HANDLE, "there is no such lookup here")


def failure_of(error: errors.WSAError) -> Failure:
    """The value of an exception. Its texts can be written, whatever a provider put there."""
    return Failure(
        error.code,
        _writable(error.detail) or error.name,
        dict(error.data) or None,
        None if error.setting is None else _writable(error.setting),
    )


def _writable(text: object) -> str:
    return str(text).encode("utf-8", "backslashreplace").decode()
