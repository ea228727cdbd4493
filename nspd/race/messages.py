"""Reading messages that nobody has checked: a lying server may send anything."""

from __future__ import annotations

from typing import Any

from nspd.model.errors import error_name

STARTUP = "NSPv2Startup"
CLEANUP = "NSPv2Cleanup"
RUNDOWN = "NSPv2ClientSessionRundown"
BEGIN = "NSPv2LookupServiceBegin"
NEXT = "NSPv2LookupServiceNextEx"
END = "NSPv2LookupServiceEnd"
LOOKUP = "nspd.Lookup"
CANCEL = "$/cancelRequest"
END_LOOKUP = "nspd.EndLookup"
ENABLE_PROVIDER = "WSCEnableNSProvider"
STATUS = "nspd.Status"
GOING_AWAY = "nspd.GoingAway"
EVENT = "nspd.Event"
MONITOR = "nspd.Monitor"
CONFIG_CHANGE = "WSAProviderConfigChange"

MAY_WAIT = frozenset({NEXT, LOOKUP, MONITOR, CONFIG_CHANGE})
"""Methods whose reply may stay out for ever, as long as nothing settles the call."""

NO_NOTIFICATION = MAY_WAIT | {BEGIN}
"""Methods that do nothing when sent without an id."""

PARAMS_OF = {
    NEXT: frozenset({"lookup", "control_flags", "buffer_length", "timeout"}),
    END: frozenset({"lookup"}),
    END_LOOKUP: frozenset({"lookup"}),
    CANCEL: frozenset({"id"}),
}

Id = int | str


def is_id(value: Any) -> bool:
    """Whether this is an id that a request may have (true and 1.0 equal 1, and are none)."""
    return type(value) in (int, str)


def member(value: Any, name: str) -> Any:
    """A member of what should be an object; None if it is not one or has none."""
    return value.get(name) if isinstance(value, dict) else None


def params_of(request: dict[str, Any]) -> dict[str, Any]:
    """The named parameters of a request; empty if it has none."""
    params = request.get("params")
    return params if isinstance(params, dict) else {}


def verdicts_in(data: dict[str, Any]) -> list[Any]:
    """The verdicts in the data of an error; empty if there are none."""
    verdicts = data.get("verdicts")
    return verdicts if isinstance(verdicts, list) else []


def seconds(value: Any) -> float | None:
    """A duration; None if there is none, or none that makes sense."""
    return float(value) if type(value) in (int, float) and value >= 0 else None


def shortened(value: Any) -> str:
    """A value for people, at most 120 characters."""
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def outcome(code: int | None) -> str:
    """What a call got, for people: an error's name and number, or a result."""
    return "a result" if code is None else f"{error_name(code)} ({code})"
