"""What the daemon tells about itself, as aligned lines and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nspd.cli._output import Output
from nspd.cli._text import duration, pad, printable

_DURATIONS = frozenset({"age", "elapsed", "uptime"})


def as_mapping(value: Any) -> dict[str, Any]:
    """A struct or mapping from the client library as plain data."""
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain


def as_mappings(values: Iterable[Any]) -> list[dict[str, Any]]:
    """Structs or mappings from the client library as plain data."""
    return [as_mapping(value) for value in values]


def show_mapping(output: Output, value: Mapping[str, Any]) -> None:
    """Write a mapping: one aligned line for each member, those of a member that is one indented."""
    if not output.for_people:
        output.value(value)
        return
    _show_members(output, value, "")


def _show_members(output: Output, value: Mapping[str, Any], indent: str) -> None:
    labels = {key: printable(key.replace("_", " ")) for key in value}
    width = max((len(label) for label in labels.values()), default=0) + 1
    for key, member in value.items():
        label = f"{labels[key]}:"
        if isinstance(member, Mapping):
            output.line(indent + output.bold(label))
            _show_members(output, member, indent + "  ")
        else:
            text = printable(member_text(key, member))
            output.line(f"{indent}{output.bold(pad(label, width))} {text}")


def show_mappings(
    output: Output, values: Sequence[Mapping[str, Any]], columns: Sequence[str], nothing: str
) -> None:
    """Write mappings of one kind: a table of some members, or JSON with all of them.

    Args:
        output: where to.
        values: the rows.
        columns: the members that people see, in this order.
        nothing: what to tell where there is no row.
    """
    if not output.for_people:
        output.value(values)
    elif values:
        output.table(
            [column.replace("_", " ").upper() for column in columns],
            [[member_text(column, value.get(column)) for column in columns] for value in values],
        )
    else:
        output.note(nothing)


def member_text(key: str, value: Any) -> str:
    """A member's value for people."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int() | float() if key in _DURATIONS:
            return duration(value)
        case float():
            return f"{value:.6g}"
        case str() | int():
            return str(value)
        case list() | tuple():
            return ", ".join(member_text(key, part) for part in value) or "-"
        case Mapping():
            return " ".join(f"{name}={member_text(name, part)}" for name, part in value.items())
    return str(value)
