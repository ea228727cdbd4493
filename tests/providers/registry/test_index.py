"""The index in memory: what is over is gone at once, and freed in slices."""

from __future__ import annotations

import pytest

from nspd.model.queryset import QuerySet
from nspd.model.setservice import Registered
from nspd.providers.registry.index import BoundSession, Index, Key, Registration


@pytest.fixture
def index() -> Index:
    """An empty index, at second 100."""
    return Index(lambda: 100.0)


def put(
    index: Index,
    name: str,
    *,
    session: BoundSession | None = None,
    expires: float | None = None,
    row: int | None = None,
) -> None:
    """Put an object of user 1000 under a name."""
    entry = QuerySet(service_instance_name=name)
    registration = Registration(
        registered=Registered(entry),
        record=entry,
        maker=1000,
        session=session,
        expires=expires,
        row=row,
    )
    index.put(Key(1000, "", name), registration)


def test_a_session_ends_in_one_step_and_is_freed_in_slices(index: Index) -> None:
    """Ending a session hides all of it at once; no step frees more than it is allowed to."""
    for number in range(5):
        put(index, f"bound-{number}", session=index.session(1))
    put(index, "other", session=index.session(2))
    index.end_session(1)
    assert not any(index.find(1000, "", f"bound-{number}") for number in range(5))
    assert index.made_by(1000) == 6
    assert [index.reap(2) for _ in range(4)] == [2, 2, 1, 0]
    assert index.made_by(1000) == 1
    assert index.names(1000, "").folded == ("other",)


def test_leases_are_freed_when_they_are_over(index: Index) -> None:
    """Only leases that have ended are freed, and their rows are remembered for deletion."""
    put(index, "over", expires=100.0, row=1)
    put(index, "not yet", expires=100.5, row=2)
    put(index, "renewed", expires=99.0, row=3)
    put(index, "renewed", expires=101.0, row=3)
    assert index.find(1000, "", "over") is None
    assert index.reap() == 1
    assert index.stale_rows == [1]
    assert index.names(1000, "").folded == ("not yet", "renewed")


def test_what_was_replaced_does_not_end_with_its_session(index: Index) -> None:
    """A session has no hold on an object that took the place of one of its own."""
    put(index, "web", session=index.session(1))
    put(index, "web")
    index.end_session(1)
    assert index.reap() == 0
    assert index.find(1000, "", "web") is not None


def test_what_was_replaced_does_not_end_with_its_lease(index: Index) -> None:
    """The end of a lease does not touch a permanent object that took its place."""
    put(index, "web", expires=100.0)
    put(index, "web")
    assert index.reap() == 0
    assert index.find(1000, "", "web") is not None


def test_counts_go_back_to_nothing(index: Index) -> None:
    """After everything is removed nothing is counted or listed; removing again is nothing."""
    put(index, "web")
    put(index, "web")
    assert index.made_by(1000) == 1
    assert index.remove(Key(1000, "", "web")) is not None
    assert index.remove(Key(1000, "", "web")) is None
    assert index.made_by(1000) == 0
    assert index.names(1000, "").folded == ()


def test_lists_of_names_are_shared(index: Index) -> None:
    """Until a name comes or goes everybody gets the same list; replacing changes none."""
    put(index, "a")
    before = index.names(1000, "")
    put(index, "a")
    assert index.names(1000, "") is before
    put(index, "b")
    assert index.names(1000, "").folded == ("a", "b")
    assert before.folded == ("a",)
