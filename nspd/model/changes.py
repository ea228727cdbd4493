"""Changes that a watch reports: how they are found, and how unread ones combine.

A change is told in the bits RESULT_IS_ADDED, _CHANGED and _DELETED of a
record's ``output_flags``; exactly one of them is set. The other bits
(RESULT_IS_ALIAS) say what the record is, and stay.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

import msgspec

from nspd.model.flags import ResultFlags
from nspd.model.queryset import QuerySet

_Name = TypeVar("_Name", bound=Hashable)

ADDED = int(ResultFlags.ADDED)
CHANGED = int(ResultFlags.CHANGED)
DELETED = int(ResultFlags.DELETED)
CHANGE_BITS = ADDED | CHANGED | DELETED
"""The bits of ``output_flags`` that tell a change."""


def coalesce(earlier: int, later: int) -> int | None:
    """The ``output_flags`` of one change that says the same as two unread ones of a name.

    What counts is whether the reader knew the name before the first, and
    whether it exists after the second; the later record is the one to send.

    Args:
        earlier: the flags of the change that came first.
        later: the flags of the one that followed; its other bits are kept.

    Returns:
        The combined flags; None if the two leave nothing to tell.

    Raises:
        ValueError: one of the two does not tell exactly one change.
    """
    for flags in (earlier, later):
        if flags & CHANGE_BITS not in (ADDED, CHANGED, DELETED):
            raise ValueError(f"output flags {flags:#x} do not tell one change")
    kept = later & ~CHANGE_BITS
    was_known = not earlier & ADDED
    exists = not later & DELETED
    if was_known:
        return kept | (CHANGED if exists else DELETED)
    return kept | ADDED if exists else None


def difference(old: Mapping[_Name, QuerySet], new: Mapping[_Name, QuerySet]) -> list[QuerySet]:
    """The changes that lead from one set of records to another, keyed alike.

    First what is gone, as it was last, in the old order; then what is new or
    different, in the new order. Each carries its change in ``output_flags``.
    """
    changes = [_marked(record, DELETED) for key, record in old.items() if key not in new]
    for key, record in new.items():
        before = old.get(key)
        if before is None:
            changes.append(_marked(record, ADDED))
        elif before != record:
            changes.append(_marked(record, CHANGED))
    return changes


def _marked(record: QuerySet, change: int) -> QuerySet:
    kept = (record.output_flags or 0) & ~CHANGE_BITS
    return msgspec.structs.replace(record, output_flags=kept | change)
