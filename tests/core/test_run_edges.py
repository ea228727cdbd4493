"""Runs at the edges of what they may hold and keep."""

from __future__ import annotations

import anyio
import pytest

from nspd.core.limits import Limits
from nspd.core.provider import Query, Results
from nspd.core.run import KEPT_BYTES, KEPT_RECORDS
from nspd.model.flags import ResultFlags
from tests.core.world import (
    Scripted,
    add_tokens,
    ask,
    begin,
    named,
    next_ex,
    open_world,
    run_of,
    settled,
    until,
)

pytestmark = pytest.mark.anyio


async def test_c11_joined_as_long_as_every_record_is_kept() -> None:
    """A run that has given as many records as it keeps is joined; with one more it is not."""
    async with open_world() as world:
        session = world.session()
        script = f"records={KEPT_RECORDS + 1}&gate=g&shared=k&hang=1"
        first = begin(session, script)
        run = run_of(first)
        add_tokens(world, "g", KEPT_RECORDS)
        for _ in range(KEPT_RECORDS):
            await first.next()
        late = begin(session, script)
        assert run_of(late) is run
        assert next_ex(late).name == "test-1"
        add_tokens(world, "g")
        await first.next()
        assert run.total == KEPT_RECORDS + 1
        assert run_of(begin(session, script)) is not run
        assert next_ex(late).name == "test-2"


async def test_c11_a_record_larger_than_what_is_kept_reaches_every_reader() -> None:
    """The last record is kept however large it is: who reads in time is not left behind."""

    async def body(query: Query, results: Results) -> None:
        await results.send(named("large", blob=b"x" * (KEPT_BYTES + 1)))

    provider = Scripted(body, key=lambda query: "k")
    async with open_world(provider) as world:
        session = world.session()
        readers = [ask(session) for _ in range(2)]
        assert run_of(readers[0]) is run_of(readers[1])
        for reader in readers:
            call = next_ex(reader)
            await settled(call)
            assert call.name == "large"


async def test_work_that_is_over_waits_for_no_bytes() -> None:
    """Work that was held back for bytes, and then ended, is not kept by its user's account."""

    async def body(query: Query, results: Results) -> None:
        for number in range(2):
            await results.send(named(str(number)))

    async with open_world(Scripted(body), limits=Limits(bytes_per_user=100)) as world:
        session = world.session()
        user = session.user
        lookup = ask(session)
        run = run_of(lookup)
        user.bytes += 100  # what other lookups of his hold
        await until(lambda: user.starved == {run})
        calls = [next_ex(lookup) for _ in range(2)]
        await settled(*calls)
        await until(lambda: run.ended is not None)
        assert [call.name for call in calls] == ["0", "1"]
        assert user.starved == set()
        user.discharge(100)


async def test_a_change_of_another_name_is_not_melted_away() -> None:
    """For a slow reader of a watch, only changes of one name become one; others wait (C7)."""

    async def body(query: Query, results: Results) -> None:
        results.synced()
        for name in ("a", "b", "a"):
            await results.send(named(name, output_flags=int(ResultFlags.CHANGED)))
        await anyio.sleep_forever()

    limits = Limits(ready_records=1)
    async with open_world(Scripted(body, watches=True), limits=limits) as world:
        lookup = ask(world.session(), watch=True)
        await until(lambda: run_of(lookup).total == 1)
        end = next_ex(lookup)
        assert end.code == 10110
        names = []
        for _ in range(3):
            call = next_ex(lookup)
            await settled(call)
            names.append(call.name)
        assert names == ["a", "b", "a"]
