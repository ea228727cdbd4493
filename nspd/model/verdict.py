"""What became of a lookup: at each provider, and for the caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from nspd.model import errors

Outcome = Literal["answered", "empty", "timed_out", "failed", "skipped", "cancelled"]


class Verdict(Struct, frozen=True, gc=False, kw_only=True):
    """What became of a lookup at one provider that was chosen for it."""

    provider_id: str
    namespace: int
    identifier: str
    outcome: Outcome
    error: int | None
    """The error number, where there is one."""
    setting: str | None
    """The setting or parameter whose limit was hit, if one was."""
    records: int
    """Records that the provider gave."""
    elapsed: float
    """Seconds from asking the provider to its end, or until now."""


def conclude(verdicts: Sequence[Verdict], *, known: bool, out_of_time: bool) -> int:
    """The code that ends a lookup, once every provider is through (docs/protocol.md, "Methods").

    With any record it is WSA_E_NO_MORE. Without one, the first that holds: a
    provider knows the name (WSANO_DATA), the budget ran out (WSAETIMEDOUT), the
    code of the last provider in catalog order that failed, WSASERVICE_NOT_FOUND.

    Args:
        verdicts: in catalog order.
        known: whether any provider knows the name.
        out_of_time: whether the budget of the whole lookup ran out.
    """
    for verdict in verdicts:
        if verdict.records:
            return errors.WSA_E_NO_MORE
    if known:
        return errors.WSANO_DATA
    if out_of_time:
        return errors.WSAETIMEDOUT
    for verdict in reversed(verdicts):
        if verdict.outcome == "timed_out":
            return errors.WSAETIMEDOUT
        if verdict.outcome == "failed":
            return verdict.error or errors.WSASYSCALLFAILURE
    return errors.WSASERVICE_NOT_FOUND


_NOT_FROM_PROVIDERS = frozenset(
    {errors.WSA_INVALID_HANDLE, errors.WSAEFAULT, errors.WSAECANCELLED, errors.WSA_E_CANCELLED}
)
_MEAN_THE_END = frozenset({errors.WSAENOMORE, errors.WSA_E_NO_MORE})


def provider_code(code: int) -> int | None:
    """What a code that a provider ended with means to the lookup.

    None is the ordinary end: some providers say "no more" by a code. Codes that
    speak of handles, buffers and cancelled calls are the router's to give; from
    a provider they are a failure without a code.
    """
    if code in _MEAN_THE_END:
        return None
    return errors.WSASYSCALLFAILURE if code in _NOT_FROM_PROVIDERS else code
