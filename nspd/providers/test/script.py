"""What a lookup in the test namespace is told to do: its query string, parsed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import parse_qsl

from msgspec import Struct

from nspd.model.errors import InvalidArgument

MOST_SIZE = 512 * 1024
"""Bytes of the largest blob."""

MOST_RECORDS = 10**9

MOST_SECONDS = 10.0**9
"""Longest pause: some thirty years, and less than what a thread can be told to sleep."""


class Script(Struct, frozen=True, kw_only=True):
    """One lookup's instructions. Times in seconds, sizes in bytes.

    Within one record the order is `first_delay`, `gate`, `delay` and `jitter`,
    `thread`, `steps`; after the records `hang`, `fail`, `crash`, `foreign`.
    """

    records: int = 1
    delay: float = 0.0
    jitter: float = 0.0
    first_delay: float = 0.0
    hang: bool = False
    gate: str | None = None
    fail: int | None = None
    crash: bool = False
    foreign: bool = False
    flood: bool = False
    size: int = 0
    steps: int = 1
    step_delay: float = 0.0
    stubborn: float = 0.0
    thread: float = 0.0
    shared: str | None = None
    refuse: int | None = None
    watch_every: float | None = None
    seed: int = 0


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= MOST_SECONDS:
        raise ValueError("not a duration")
    return value


def _interval(text: str) -> float:
    value = _seconds(text)
    if value == 0:
        raise ValueError("not an interval")
    return value


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 20):
            raise ValueError("not a whole number")
        value = int(text)
        if not least <= value <= most:
            raise ValueError("out of range")
        return value

    return parse


def _switch(text: str) -> bool:
    return bool(_whole(0, 1)(text))


def _name(text: str) -> str:
    if not text:
        raise ValueError("empty")
    return text


_KEYS: dict[str, Callable[[str], object]] = {
    "records": _whole(0, MOST_RECORDS),
    "delay": _seconds,
    "jitter": _seconds,
    "first_delay": _seconds,
    "hang": _switch,
    "gate": _name,
    "fail": _whole(1, 65535),
    "crash": _switch,
    "foreign": _switch,
    "flood": _switch,
    "size": _whole(0, MOST_SIZE),
    "steps": _whole(1, 10**6),
    "step_delay": _seconds,
    "stubborn": _seconds,
    "thread": _seconds,
    "shared": _name,
    "refuse": _whole(1, 65535),
    "watch_every": _interval,
    "seed": _whole(-(2**63), 2**63),
}


@lru_cache(maxsize=1024)
def parse_script(query_string: str) -> Script:
    """The instructions in a query string in URL query form.

    Raises:
        InvalidArgument: a key is unknown, doubled, or has a bad value; it is named.
    """
    try:
        pairs = parse_qsl(query_string, keep_blank_values=True, strict_parsing=bool(query_string))
    except ValueError as error:
        raise InvalidArgument(f"the query string is not in URL query form: {error}") from None
    values: dict[str, object] = {}
    for key, text in pairs:
        parse = _KEYS.get(key)
        if parse is None:
            raise InvalidArgument(f"the test namespace knows no key {key!r}", data={"key": key})
        if key in values:
            raise InvalidArgument(f"key {key!r} is given twice", data={"key": key})
        try:
            values[key] = parse(text)
        except ValueError:
            raise InvalidArgument(
                f"{text!r} is no value for key {key!r}", data={"key": key}
            ) from None
    return Script(**values)  # type: ignore[arg-type] # each parser gives its field's type
