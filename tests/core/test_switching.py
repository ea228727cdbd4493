"""Switching providers off and on (C10)."""

from __future__ import annotations

import anyio
import pytest

from nspd.core.provider import Answer, Query, Results
from nspd.core.sweeper import SLICE
from nspd.model import errors
from nspd.model.namespaces import fixed_guid
from tests.core.world import (
    SCRIPTED,
    TEST,
    Scripted,
    add_tokens,
    begin,
    named,
    next_ex,
    open_world,
    settled,
    turns,
    until,
    work_of,
)

pytestmark = pytest.mark.anyio

GUID, OTHER_GUID = fixed_guid(SCRIPTED), fixed_guid(70002)


async def test_c10_disabling_ends_what_has_no_other_provider() -> None:
    """Disabling a lookup's only provider does to it what End does."""
    async with open_world() as world:
        session = world.session()
        lookup = begin(session, "gate=never")
        call, work = next_ex(lookup), work_of(lookup)
        await until(lambda: work.started)
        await turns()
        world.router.enable_provider(fixed_guid(TEST), False)
        assert call.code == 10111
        assert session.lookups == {}
        with pytest.raises(errors.InvalidHandle):
            lookup.end()
        await until(lambda: work.finished)
        assert work.cancelled_caught
        with pytest.raises(errors.ServiceNotFound):
            begin(session)
        world.router.enable_provider(fixed_guid(TEST), True)
        begin(session)


async def test_c10_disabling_takes_one_part_out_of_the_others() -> None:
    """A lookup with another provider goes on; the verdict of the part is "cancelled"."""
    gate = anyio.Event()

    async def body(query: Query, results: Results) -> None:
        await results.send(named("from the other"))
        await gate.wait()

    async with open_world(Scripted(), Scripted(body, namespace=70002)) as world:
        lookup = world.session().begin()
        work = work_of(lookup)
        assert (await lookup.next()).service_instance_name == "from the other"
        world.router.enable_provider(GUID, False)
        call = next_ex(lookup)
        await until(lambda: work.finished)
        assert work.cancelled_caught
        assert not call.settled
        gate.set()
        await settled(call)
        assert call.code == 10110
        assert [v.outcome for v in call.data["verdicts"]] == ["cancelled", "answered"]


async def test_c10_disabling_asks_the_next_in_order() -> None:
    """With policy "first" the provider after the disabled one is asked."""
    answering = Scripted(at_once=lambda query: Answer([named("b")]), namespace=70002)
    async with open_world(Scripted(), answering) as world:
        lookup = world.session().begin(policy="first")
        call = next_ex(lookup)
        world.router.enable_provider(GUID, False)
        assert call.name == "b"


async def test_c10_disabling_many_is_one_step_for_all() -> None:
    """However many lookups a disabled provider leaves, none gets a record any more, and each
    is closed once.
    """
    number = SLICE * 3
    async with open_world() as world:
        session = world.session()
        lookups = [begin(session, "gate=g") for _ in range(number)]
        calls = [next_ex(lookup) for lookup in lookups]
        await turns(3)
        done: list[bool] = []
        world.router.enable_provider(fixed_guid(TEST), False, lambda: done.append(True))
        assert not done
        assert session.lookups == {}
        add_tokens(world, "g", number)
        for lookup in lookups:
            with pytest.raises(errors.InvalidHandle):
                lookup.end()
        await until(lambda: done)
        assert {call.code for call in calls} == {10111}
        await until(lambda: world.idle)
        assert session.user.bytes == 0
        assert done == [True]


async def test_enabling_twice_changes_nothing() -> None:
    """Only a change of the catalog is told."""
    async with open_world(Scripted()) as world:
        changed: list[bool] = []
        world.router.catalog.watch(lambda: changed.append(True))
        world.router.enable_provider(GUID, True)
        assert not changed
        world.router.enable_provider(GUID, False)
        assert changed == [True]
        with pytest.raises(errors.InvalidArgument):
            world.router.enable_provider(OTHER_GUID, True)
