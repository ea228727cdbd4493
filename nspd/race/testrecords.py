"""The records of the test namespace, computed: what a whole one looks like (test-namespace.md)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from msgspec import Struct

from nspd.model.flags import FIELD_BITS, LookupFlags, fields_of_begin, fields_of_call
from nspd.model.namespaces import Namespace

_MEMBERS = (
    (int(LookupFlags.RETURN_NAME), "service_instance_name"),
    (int(LookupFlags.RETURN_VERSION), "version"),
    (int(LookupFlags.RETURN_COMMENT), "comment"),
    (int(LookupFlags.RETURN_ADDR), "addresses"),
)
_BLOB = int(LookupFlags.RETURN_BLOB)
_TEST = int(Namespace.TEST)
_DEFAULT_NAME = "test"
_CYCLE = 251
_KEPT_BLOB = 4096


class Plan(Struct, frozen=True, kw_only=True):
    """What one lookup in the test namespace was told to do, as far as the judge needs it."""

    name: str
    fields: int
    """The LUP_RETURN_* bits in force."""
    total: int | None = None
    """Records that are to come; None: unknown, and so are they but for their numbers."""
    size: int = 0
    """Bytes of the blob in each of them."""
    never_ends: bool = False
    """Nothing but a cancellation or a budget can end the work."""
    stubborn: float = 0.0
    """Seconds for which the work goes on when it is cancelled."""
    shared: bool = False
    """The work may be shared with other lookups (C11)."""


def plan_of(params: Mapping[str, Any]) -> Plan:
    """What the params of a Begin or an nspd.Lookup mean to the test namespace."""
    restrictions = params.get("restrictions")
    flags = params.get("control_flags", FIELD_BITS)
    if not isinstance(restrictions, dict) or type(flags) is not int:
        return _UNKNOWN
    name = restrictions.get("service_instance_name") or _DEFAULT_NAME
    text = restrictions.get("query_string") or ""
    chosen = restrictions.get("namespace") == _TEST or "provider_id" in {**params, **restrictions}
    if not chosen or type(text) is not str or type(name) is not str:
        return _UNKNOWN
    keys = dict(_pairs(text))
    try:
        return Plan(
            name=name,
            fields=fields_of_begin(flags),
            total=int(keys.get("records", "1")),
            size=int(keys.get("size", "0")),
            never_ends=keys.get("hang", "0") == "1",
            stubborn=float(keys.get("stubborn", "0")),
            shared="shared" in keys,
        )
    except ValueError:
        return _UNKNOWN


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    # parse_qsl costs more than all the rest of a lookup, and escapes are rare.
    if "%" in text or "+" in text:
        return parse_qsl(text, keep_blank_values=True)
    split = (pair.partition("=") for pair in text.split("&"))
    return [(key, value) for key, _, value in split]


_UNKNOWN = Plan(name="", fields=0)


def number_of(record: dict[str, Any]) -> int | None:
    """Which record it says to be, by the first member that tells; None if none does."""
    version = record.get("version")
    if type(version) is dict and type(number := version.get("version")) is int:
        return number
    texts = [str(record.get("service_instance_name", "")).rpartition("-")[2]]
    texts += str(record.get("comment", "")).split()[1:2]
    for text in texts:
        if text.isascii() and text.isdigit() and len(text) < 12:
            return int(text)
    return None


def torn(record: dict[str, Any], plan: Plan, number: int, call_flags: int = 0) -> str:
    """The name of a member that is not what it should be in this record; empty: it is whole."""
    if plan.total is None:
        return ""
    fields = fields_of_call(plan.fields, call_flags) if call_flags else plan.fields
    for member, expected in _expected(plan.name, number, plan.total, fields):
        if record.get(member) != expected:
            return member
    if plan.size and fields & _BLOB:
        return "" if record.get("blob") == _blob(number, plan.size) else "blob"
    return "blob" if "blob" in record else ""


def of_another_lookup(record: dict[str, Any]) -> bool:
    """Whether the record is whole in itself: then it is somebody else's, and not a torn one."""
    name, _, _ = str(record.get("service_instance_name", "")).rpartition("-")
    number = number_of(record)
    words = str(record.get("comment", "")).split()
    if number is None or len(words) != 4 or not words[3].isdigit():
        return False
    return all(
        record.get(member) == expected
        for member, expected in _expected(name, number, int(words[3]), FIELD_BITS)
    )


@lru_cache(maxsize=4096)
def _expected(name: str, number: int, total: int, fields: int) -> tuple[tuple[str, Any], ...]:
    remote = {
        "family": "inet",
        "host": f"192.0.2.{(number - 1) % 254 + 1}",
        "port": 1000 + number % 60000,
    }
    record = {
        "service_instance_name": f"{name}-{number}",
        "version": {"version": number, "how": "equal"},
        "comment": f"record {number} of {total}",
        "addresses": [{"remote": remote, "socket_type": 1, "protocol": 6}],
    }
    members = [(member, record[member]) for bit, member in _MEMBERS if fields & bit]
    return (("context", ""), *members)


def _blob(number: int, size: int) -> str:
    start = number % _CYCLE
    return _kept_blob(start, size) if size <= _KEPT_BLOB else _made_blob(start, size)


def _made_blob(start: int, size: int) -> str:
    cycle = bytes((start + k) % _CYCLE for k in range(_CYCLE))
    return b64encode((cycle * (size // _CYCLE + 1))[:size]).decode()


_kept_blob = lru_cache(maxsize=1024)(_made_blob)
