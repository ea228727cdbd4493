"""Changes of a watch: finding them, and combining those that nobody has read."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.model.changes import ADDED, CHANGED, DELETED, coalesce, difference
from nspd.model.flags import ResultFlags
from nspd.model.queryset import QuerySet

ALIAS = int(ResultFlags.ALIAS)


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        (ADDED, ADDED, ADDED),
        (ADDED, CHANGED, ADDED),
        (ADDED, DELETED, None),
        (CHANGED, ADDED, CHANGED),
        (CHANGED, CHANGED, CHANGED),
        (CHANGED, DELETED, DELETED),
        (DELETED, ADDED, CHANGED),
        (DELETED, CHANGED, CHANGED),
        (DELETED, DELETED, DELETED),
    ],
)
def test_two_unread_changes_become_one(earlier: int, later: int, expected: int | None) -> None:
    """C7: what is left says the same to a reader who saw neither of the two."""
    assert coalesce(earlier, later) == expected


def test_other_bits_of_the_later_change_stay() -> None:
    """The mark of an alias is no change, and outlives the combination."""
    assert coalesce(ADDED, CHANGED | ALIAS) == ADDED | ALIAS


@pytest.mark.parametrize("flags", [0, ALIAS, ADDED | DELETED, CHANGED | ADDED])
def test_what_tells_no_single_change_is_refused(flags: int) -> None:
    """Flags without a change, or with two, are the caller's mistake on either side."""
    with pytest.raises(ValueError, match="do not tell one change"):
        coalesce(flags, CHANGED)
    with pytest.raises(ValueError, match="do not tell one change"):
        coalesce(CHANGED, flags)


def record(name: str, comment: str = "", flags: int | None = 0) -> QuerySet:
    """A record to compare."""
    return QuerySet(service_instance_name=name, comment=comment, output_flags=flags)


def test_the_difference_tells_what_is_gone_new_and_different() -> None:
    """What is gone comes first, as it was; what is unchanged is not mentioned."""
    old = {"a": record("a"), "b": record("b", "1"), "c": record("c")}
    new = {"d": record("d"), "b": record("b", "2"), "c": record("c")}
    assert difference(old, new) == [
        record("a", flags=DELETED),
        record("d", flags=ADDED),
        record("b", "2", flags=CHANGED),
    ]


def test_a_difference_keeps_the_marks_of_its_records() -> None:
    """An alias that is new is marked as both; flags that are absent count as none."""
    assert difference({}, {1: record("a", flags=ALIAS), 2: record("b", flags=None)}) == [
        record("a", flags=ALIAS | ADDED),
        record("b", flags=ADDED),
    ]


def state_told(change: QuerySet) -> tuple[int | None, str | None]:
    """The change and what the record holds now; of a deleted one that is nothing."""
    gone = change.output_flags == DELETED
    return change.output_flags, None if gone else change.comment


STATES = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=3, max_size=6
)


@given(STATES)
def test_coalesced_differences_equal_the_difference_of_the_ends(
    states: list[dict[str, str]],
) -> None:
    """C7: changes combined one after the other lead to the same state as one big difference."""
    sets = [{name: record(name, text) for name, text in state.items()} for state in states]
    unread: dict[str | None, QuerySet] = {}
    for old, new in pairwise(sets):
        for change in difference(old, new):
            name = change.service_instance_name
            earlier = unread.pop(name, None)
            if earlier is None:
                unread[name] = change
                continue
            flags = coalesce(earlier.output_flags or 0, change.output_flags or 0)
            if flags is not None:
                unread[name] = record(name or "", change.comment or "", flags)
    told = {name: state_told(change) for name, change in unread.items()}
    direct = {c.service_instance_name: state_told(c) for c in difference(sets[0], sets[-1])}
    # A name that changed and changed back is told as changed: only the ends
    # show that nothing came of it, and it does no harm.
    for name in told.keys() - direct.keys():
        assert told.pop(name)[0] == CHANGED
        assert sets[0][name or ""] == sets[-1][name or ""]
    assert told == direct
