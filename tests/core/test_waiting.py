"""The queue of waiting calls."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nspd.core.lookup import Lookup
from nspd.core.outcome import CANCELLED
from nspd.core.waiting import Waiter, WaitQueue
from tests.core.world import Call, begin, next_ex, open_world, turns


@settings(deadline=None, max_examples=100)
@given(st.lists(st.one_of(st.just(-1), st.integers(0, 30)), max_size=60))
def test_queue_agrees_with_a_list(steps: list[int]) -> None:
    """Appending (-1) and removing the n-th, in any order, does what a list would do."""
    queue, model = WaitQueue(), list[Call]()
    for step in steps:
        if step < 0:
            call = Call()
            queue.append(call, cast(Lookup, None))  # which the queue only notes
            model.append(call)
        elif step < len(model):
            queue.remove(model.pop(step))
    assert len(queue) == len(model)
    for call in model:
        first = queue.first
        assert first is call
        queue.remove(call)
    assert queue.first is None


@pytest.mark.anyio
async def test_first_come_first_served() -> None:
    """Calls are answered in the order in which they came; one withdrawn is out of the row."""
    async with open_world() as world:
        session = world.session()
        lookup = begin(session, "records=3")
        session.cork(True)
        calls = [next_ex(lookup) for _ in range(4)]
        calls[1].withdraw()
        calls[1].withdraw()
        assert calls[1].code == 10111
        late = next_ex(lookup, timeout=0)
        assert late.code == 10060
        while not lookup.parts[0].outcome:
            await turns(1)
        session.cork(False)
        assert [calls[i].name for i in (0, 2, 3)] == ["test-1", "test-2", "test-3"]


@pytest.mark.anyio
async def test_an_answered_call_holds_nothing() -> None:
    """Whoever keeps a call that was answered keeps neither its lookup nor its timer with it."""
    async with open_world() as world:
        lookup = begin(world.session(), "gate=never")
        calls = [next_ex(lookup, timeout=60) for _ in range(3)]
        assert all(call.timer is not None and call.lookup is lookup for call in calls)
        calls[1].withdraw()
        lookup.end()
        for call in calls:
            assert (call.code, call.timer, call.lookup) == (10111, None, None)
            assert (call.next, call.prev) == (None, None)


def test_an_outcome_that_nobody_would_hear_of_is_a_bug() -> None:
    """A kind of call that does not say what its outcome means fails when it is settled."""
    with pytest.raises(NotImplementedError):
        Waiter().settle(CANCELLED)
