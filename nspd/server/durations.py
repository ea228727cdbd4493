"""Durations as they stand in the configuration: ``1.5``, ``"1500ms"``, ``"1h 30min"``."""

from __future__ import annotations

import math
import re

_SECONDS = {
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "days": 86400.0,
}

_TERM = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[a-zµ]+)\s*")
_BARE = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def parse_duration(text: str) -> float:
    """Seconds that a text means: numbers with units, added up, or one bare number.

    Units are those of systemd's time spans up to days (``us``, ``ms``, ``s``,
    ``min``, ``h``, ``d`` and their long forms; ``m`` is a minute).

    Raises:
        ValueError: the text is no duration, or too long to count.
    """
    stripped = text.strip()
    if _BARE.fullmatch(stripped):
        return _counted(float(stripped), text)
    seconds = 0.0
    position = 0
    while position < len(stripped):
        term = _TERM.match(stripped, position)
        if term is None or term["unit"] not in _SECONDS:
            break
        seconds += float(term["number"]) * _SECONDS[term["unit"]]
        position = term.end()
    if not stripped or position < len(stripped):
        raise ValueError(
            f'{text!r} is not a duration: give seconds, or a number with a unit such as "1500ms"'
        )
    return _counted(seconds, text)


def _counted(seconds: float, text: str) -> float:
    if not math.isfinite(seconds):
        raise ValueError(f"{text!r} is too long a duration")
    return seconds
