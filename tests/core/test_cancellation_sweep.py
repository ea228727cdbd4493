"""End before the 1st, 2nd, ... step of a provider's work, until the work completes.

Whenever it comes, nothing is left: no lookup, no task, no timer, no byte that
is charged, and what the reader got is the beginning of what there was (C7).
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from nspd.core.ending import Ending
from nspd.core.outcome import Outcome
from nspd.core.provider import Query, Results
from nspd.model.queryset import QuerySet
from nspd.providers.test import TestProvider
from tests.backends import REAL_TIME, VIRTUAL_TIME
from tests.core.world import (
    Call,
    add_tokens,
    begin,
    next_ex,
    open_world,
    until,
    work_known,
)
from tests.stepping import stepped

pytestmark = pytest.mark.anyio

MOST_STEPS = 60
"""More steps than any script here takes; reaching it is a failure of the sweep."""


class Stepped(TestProvider):
    """The test namespace, telling of each step that its work takes."""

    def __init__(self, before: Callable[[int], None]) -> None:
        super().__init__()
        self._before = before

    async def lookup(self, query: Query, results: Results) -> None:
        await stepped(super().lookup(query, results), self._before)


async def end_at(step: int, script: str, *, watch: bool, inside: bool) -> bool:
    """End a lookup before one step of its work; whether the work took that many steps.

    Inside: in the provider's own step. Else another task does it, which wakes up then.
    """
    endings: list[Ending] = []
    names: list[str] = []
    reached = anyio.Event()

    def before(number: int) -> None:
        if number == step and not lookup.ended:
            reached.set()
            if inside:
                endings.append(lookup.end())

    async with open_world(Stepped(before)) as world:
        session = world.session()
        lookup = begin(session, script, watch=watch)
        other = begin(session, script, watch=watch) if "shared" in script else None
        calls: list[Call] = []

        def again(outcome: Outcome) -> None:
            if isinstance(outcome, QuerySet):
                names.append(outcome.service_instance_name or "")
            if isinstance(outcome, QuerySet) or (watch and outcome.code == 10110):
                calls.append(next_ex(lookup, then=again))

        calls.append(next_ex(lookup, then=again))
        add_tokens(world, "g", 2)
        with anyio.move_on_after(3):
            await reached.wait()
        if not lookup.ended:
            endings.append(lookup.end())
        assert await work_known(endings[0]) in ("none", "stopped")
        assert all(call.settled for call in calls)
        assert calls[-1].code in (10111, 10110, 6)
        if not watch:
            assert names == [f"test-{number}" for number in range(1, len(names) + 1)]
        if other is not None:
            # Who shares the work gets all of it, whoever else leaves, and when.
            for number in range(1, 4):
                assert (await other.next()).service_instance_name == f"test-{number}"
            other.end()
        await until(lambda: world.idle)
        session.close()
        assert world.leftovers() == {}
    return reached.is_set()


SCRIPTS = {
    "delay": ("records=3&delay=0.5&jitter=0.1", False),
    "gate": ("records=3&gate=g", False),
    "steps": ("records=2&steps=3&step_delay=0.2", False),
    "flood": ("records=200&flood=1", False),
    "shared": ("records=3&shared=k&delay=0.5", False),
    "hang": ("records=2&hang=1", False),
    "fail": ("records=2&delay=0.1&fail=11002", False),
    "watch": ("records=2&watch_every=0.7", True),
}


@VIRTUAL_TIME
@pytest.mark.parametrize("inside", [True, False], ids=["in its step", "from another task"])
@pytest.mark.parametrize("behaviour", SCRIPTS)
async def test_end_before_each_step(behaviour: str, inside: bool) -> None:
    """Wherever in its work End strikes the provider, nothing is left behind."""
    script, watch = SCRIPTS[behaviour]
    step = 0
    while await end_at(step, script, watch=watch, inside=inside):
        step += 1
        assert step < MOST_STEPS
    assert step >= 1


@REAL_TIME
async def test_end_before_each_step_of_a_worker() -> None:
    """The same where the work is in a thread, for a time that nothing can interrupt."""
    for taken in range(3):
        async with open_world() as world:
            lookup = begin(world.session(), "records=2&thread=0.002")
            for _ in range(taken):
                await lookup.next()
            call = next_ex(lookup)
            ending = lookup.end()
            assert call.settled
            assert await work_known(ending) in ("none", "stopped")
