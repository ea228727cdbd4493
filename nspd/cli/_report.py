"""Errors in words for people and as data for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nspd.cli._text import counted, duration
from nspd.model import errors
from nspd.model.errors import ServiceNotFound, WSAError, error_name

VERDICT_HEADS = ("PROVIDER", "OUTCOME", "RECORDS", "TIME", "WHY")

_INCOMPLETE = frozenset({"failed", "timed_out", "cancelled"})


class NoSuchProvider(ServiceNotFound):
    """A provider was named that the catalog does not have; the detail is a sentence."""


def sentence(error: WSAError, subject: str | None = None) -> str:
    """What went wrong, in one sentence.

    Args:
        error: what the client library raised.
        subject: what the command was about: the name looked up, for instance; empty: a
            lookup without a name.
    """
    if isinstance(error, NoSuchProvider):
        return error.detail
    what = f'"{subject}"' if subject else "the name" if subject is None else "what was asked for"
    verdicts = plain_verdicts(error.verdicts)
    asked = _asked(verdicts)
    match error.code:
        case errors.WSA_INVALID_HANDLE:
            return f"there is no lookup {subject}" if subject else error.detail
        case errors.WSASERVICE_NOT_FOUND | errors.WSAHOST_NOT_FOUND if asked:
            return f"{what} was not found (asked {asked})"
        case errors.WSASERVICE_NOT_FOUND | errors.WSAHOST_NOT_FOUND:
            return f"{what} was not found" + (f": {error.detail}" if error.detail else "")
        case errors.WSANO_DATA if subject == "":
            return "there are names, but none has anything of the kind asked for"
        case errors.WSANO_DATA:
            return f"{what} is known, but has nothing of the kind asked for"
        case errors.WSATRY_AGAIN | errors.WSANO_RECOVERY if verdicts:
            later = "; it may work later" if error.code == errors.WSATRY_AGAIN else ""
            who = ", ".join(incomplete(verdicts))
            return f"{what} could not be looked up ({who}){later}"
        case errors.WSAETIMEDOUT:
            return f"no answer in time about {what}" if subject else "no answer in time"
        case errors.WSAENETDOWN:
            if "daemon" in error.detail:
                return error.detail
            return f"the daemon is not reachable: {error.detail or 'it does not answer'}"
        case errors.WSAEACCES:
            return "not permitted" + (f": {error.detail}" if error.detail else "")
        case errors.WSA_E_CANCELLED | errors.WSAECANCELLED:
            return "the lookup was cancelled" + (f" ({error.detail})" if error.detail else "")
    return f"{error.detail or 'the operation failed'} ({error.name}, {error.code})"


def error_data(error: WSAError) -> dict[str, Any]:
    """The same for programs: the members of the daemon's own error, with code and name."""
    import msgspec

    data = msgspec.to_builtins(dict(error.data))
    return {**data, "code": error.code, "name": error.name, "detail": error.detail}


def plain_verdicts(verdicts: Sequence[Any]) -> list[dict[str, Any]]:
    """Verdicts as plain mappings, whether they came as such or as `Verdict`."""
    if not verdicts:
        return []
    import msgspec

    plain: list[dict[str, Any]] = msgspec.to_builtins(verdicts)
    return plain


def verdict_rows(verdicts: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """One row of a table for each verdict, under `VERDICT_HEADS`."""
    rows: list[tuple[str, ...]] = []
    for verdict in verdicts:
        reasons = []
        if verdict["error"] is not None:
            reasons.append(f"{error_name(verdict['error'])} ({verdict['error']})")
        if verdict["setting"]:
            reasons.append(f"limit: {verdict['setting']}")
        rows.append(
            (
                verdict["identifier"],
                verdict["outcome"],
                str(verdict["records"]),
                duration(verdict["elapsed"]),
                ", ".join(reasons),
            )
        )
    return rows


def incomplete(verdicts: Sequence[Mapping[str, Any]]) -> list[str]:
    """The providers whose part of the answer may be missing, each with what became of it."""
    return [
        f"{verdict['identifier']} {verdict['outcome'].replace('_', ' ')}"
        for verdict in verdicts
        if verdict["outcome"] in _INCOMPLETE
    ]


def answered_by(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """Who gave how many records in what time: ``2 records from hosts in 0.3 ms``."""
    return "; ".join(
        f"{counted(verdict['records'], 'record')} from {verdict['identifier']}"
        f" in {duration(verdict['elapsed'])}"
        for verdict in verdicts
        if verdict["records"]
    )


def _asked(verdicts: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(
        verdict["identifier"] for verdict in verdicts if verdict["outcome"] != "skipped"
    )
