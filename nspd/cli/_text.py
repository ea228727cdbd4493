"""Text that is safe to show, and its width on a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text with every character that does not print written as an escape.

    Names come from strangers: control characters could move the cursor or
    retitle the terminal, and bidirectional overrides could show one name as
    another. They appear as ``\x1b`` or ``\u202e``.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def json_printable(text: str) -> str:
    """JSON text with every character that does not print as a ``\\u`` escape.

    Such characters stand only inside the strings of compact JSON, so the value
    stays the same.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _json_escape(char) for char in text)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(
        f"\\u{int.from_bytes(units[i : i + 2], 'big'):04x}" for i in range(0, len(units), 2)
    )


def width_of(text: str) -> int:
    """The columns that printable text takes on a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )


def pad(text: str, width: int) -> str:
    """The text, filled with spaces up to a width in columns."""
    return text + " " * (width - width_of(text))


def shorten(text: str, width: int) -> str:
    """The text, cut to a width in columns; an ellipsis shows the cut."""
    if width_of(text) <= width:
        return text
    kept = ""
    for char in text:
        if width_of(kept + char) > width - 1:
            break
        kept += char
    return kept + "…"


def duration(seconds: float) -> str:
    """A duration for people: ``0.42 ms``, ``3.1 s``, ``2 h 5 min``."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {int(seconds % 60)} s"


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 record``, ``2 records``."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{ending}"
