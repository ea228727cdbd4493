"""A part at the edges: what it counts, what it forgets, and who is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import anyio
import pytest

from nspd.core.catalog import Entry
from nspd.core.lookup import Lookup
from nspd.core.provider import Answer, Query, Results
from nspd.core.run import KEPT_RECORDS
from nspd.model import errors
from nspd.model.flags import ResultFlags
from nspd.model.queryset import QuerySet
from nspd.model.verdict import Verdict
from tests.backends import VIRTUAL_TIME
from tests.core.world import (
    SCRIPTED,
    Scripted,
    ask,
    begin,
    hang,
    named,
    next_ex,
    open_world,
    run_of,
    settled,
    until,
    work_known,
)

pytestmark = pytest.mark.anyio


async def _end_of(lookup: Lookup) -> Verdict:
    call = next_ex(lookup)
    await settled(call)
    verdict: Verdict = call.data["verdicts"][0]
    return verdict


@pytest.mark.parametrize("policy", ["all", "first"])
@pytest.mark.parametrize("kind", [list, tuple])
async def test_records_at_hand_are_counted(
    kind: Callable[[Sequence[QuerySet]], Sequence[QuerySet]], policy: str
) -> None:
    """The verdict says how many were given, also if the first was looked at before."""
    answer = kind([named(name) for name in "abc"])
    async with open_world(Scripted(at_once=lambda query: Answer(answer))) as world:
        lookup = ask(world.session(), 0, policy=policy)
        assert [next_ex(lookup).name for _ in range(3)] == ["a", "b", "c"]
        verdict = await _end_of(lookup)
        assert (verdict.outcome, verdict.records) == ("answered", 3)


@pytest.mark.parametrize(("given", "outcome"), [(0, "empty"), (1, "answered")])
async def test_an_answer_that_says_there_is_no_more(given: int, outcome: str) -> None:
    """A code of the end, raised while records are taken, is the end and no failure."""

    def records() -> Iterator[QuerySet]:
        yield from [named("a")] * given
        raise errors.NoMoreResults

    async with open_world(Scripted(at_once=lambda query: Answer(records()))) as world:
        lookup = ask(world.session())
        for _ in range(given):
            assert next_ex(lookup).name == "a"
        verdict = await _end_of(lookup)
        assert (verdict.outcome, verdict.error, verdict.records) == (outcome, None, given)


async def test_an_answer_that_is_over_is_not_asked_again() -> None:
    """Neither after its end nor after its failure, while other providers go on."""

    class Broken:
        asked = 0

        def __iter__(self) -> Iterator[QuerySet]:
            return self

        def __next__(self) -> QuerySet:
            self.asked += 1
            raise errors.TryAgain("not now")

    records = Broken()
    broken = Scripted(at_once=lambda query: Answer(records))
    async with open_world(broken, Scripted(hang, namespace=SCRIPTED + 1)) as world:
        lookup = ask(world.session(), 0)
        for _ in range(3):
            next_ex(lookup).withdraw()
        assert records.asked == 1


@pytest.mark.parametrize("kind", [iter, tuple])
async def test_c10_records_at_hand_of_a_provider_switched_off_are_forgotten(
    kind: Callable[[Sequence[QuerySet]], Sequence[QuerySet]],
) -> None:
    """What was not delivered is not delivered any more, though it needs no work."""
    off = Scripted(at_once=lambda query: Answer(kind([named("a"), named("b")])))
    async with open_world(off, Scripted(hang, namespace=SCRIPTED + 1)) as world:
        lookup = ask(world.session(), 0)
        assert next_ex(lookup).name == "a"
        world.router.enable_provider(off.provider_id, False)
        call = next_ex(lookup)
        assert not call.settled
        assert lookup.verdicts()[0].outcome == "cancelled"


@VIRTUAL_TIME
async def test_a_provider_done_within_its_budget_leaves_no_timer() -> None:
    """What a provider took is counted, and nothing waits for the rest of its time."""

    async def body(query: Query, results: Results) -> None:
        await anyio.sleep(2)
        await results.send(named("a"))

    entry = Entry(Scripted(body), budget=60)
    async with open_world(entry) as world:
        await anyio.sleep(1)
        lookup = ask(world.session())
        call = next_ex(lookup)
        assert world.live_timers() == 1
        await anyio.sleep(3)
        assert call.name == "a"
        assert world.live_timers() == 0
        assert (entry.outcomes, entry.records) == ({"answered": 1}, 1)
        assert entry.elapsed == pytest.approx(2)


async def test_c11_who_joins_knows_what_the_work_knew() -> None:
    """That the name exists was said before the second came: its end is 11004, too."""
    go_on = anyio.Event()

    async def body(query: Query, results: Results) -> None:
        results.known()
        await go_on.wait()

    async with open_world(Scripted(body, key=lambda query: "k")) as world:
        session = world.session()
        first = ask(session)
        await until(lambda: run_of(first).known_here)
        second = ask(session)
        calls = next_ex(first), next_ex(second)
        go_on.set()
        await settled(*calls)
        assert [call.code for call in calls] == [11004, 11004]


async def test_c11_who_was_left_behind_reads_no_more() -> None:
    """The work goes on for the others alone, and what it keeps is not charged to him."""
    script = f"records={KEPT_RECORDS + 1}&shared=k&hang=1"
    async with open_world() as world:
        session = world.session()
        fast, slow = begin(session, script), begin(session, script)
        for _ in range(KEPT_RECORDS + 1):
            await fast.next()
        held = slow.charged
        assert next_ex(slow).code == 10055
        assert slow.charged == held
        assert await work_known(fast.end()) == "stopped"


async def test_c11_left_behind_by_work_that_is_over() -> None:
    """Records that are gone are a failure, though the work itself ended well."""
    script = f"records={KEPT_RECORDS + 1}&shared=k"
    async with open_world() as world:
        session = world.session()
        fast, slow = begin(session, script), begin(session, script)
        for _ in range(KEPT_RECORDS + 1):
            await fast.next()
        await until(lambda: world.idle)
        end = next_ex(slow)
        verdict = end.data["verdicts"][0]
        assert (end.code, verdict.outcome, verdict.error) == (10055, "failed", 10055)


@VIRTUAL_TIME
async def test_a_watch_out_of_time_gives_the_changes_that_were_ready() -> None:
    """Once the end of the set has been told, unread changes come before the end."""

    async def body(query: Query, results: Results) -> None:
        results.synced()
        await go_on.wait()
        await results.send(named("change", output_flags=int(ResultFlags.ADDED)))
        await anyio.sleep_forever()

    go_on = anyio.Event()
    async with open_world(Scripted(body, watches=True)) as world:
        lookup = ask(world.session(), watch=True, timeout=1.0)
        call = next_ex(lookup)
        await settled(call)
        assert call.code == 10110
        go_on.set()
        await anyio.sleep(2)
        assert next_ex(lookup).name == "change"
        assert (await _end_of(lookup)).outcome == "timed_out"


@VIRTUAL_TIME
async def test_a_watch_out_of_time_before_the_end_of_its_set() -> None:
    """What was ready of the set comes, and then the end, which is the only one."""

    async def body(query: Query, results: Results) -> None:
        await results.send(named("of the set"))
        await anyio.sleep_forever()

    async with open_world(Scripted(body, watches=True)) as world:
        lookup = ask(world.session(), watch=True, timeout=1.0)
        await anyio.sleep(2)
        assert next_ex(lookup).name == "of the set"
        assert (await _end_of(lookup)).setting == "timeout"
        assert lookup.final_code == 10110


@VIRTUAL_TIME
async def test_who_was_not_asked_took_no_time() -> None:
    """The verdict of a provider that was skipped tells of no time and no records."""
    async with open_world(Scripted(hang), Scripted(namespace=SCRIPTED + 1)) as world:
        await anyio.sleep(1)
        lookup = ask(world.session(), 0, policy="first", timeout=1.0)
        await anyio.sleep(2)
        asked, skipped = lookup.verdicts()
        assert (asked.outcome, skipped.outcome) == ("timed_out", "skipped")
        assert asked.elapsed == pytest.approx(1.0)
        assert (skipped.elapsed, skipped.records) == (0.0, 0)


@VIRTUAL_TIME
async def test_out_of_time_in_the_middle_of_what_is_ready() -> None:
    """What was read before the time ran out does not come again; the rest comes whole."""

    async def body(query: Query, results: Results) -> None:
        for name in "abc":
            await results.send(named(name))
        await anyio.sleep_forever()

    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session(), timeout=1.0)
        await until(lambda: lookup.ready == 3)
        assert next_ex(lookup).name == "a"
        await anyio.sleep(2)
        assert [next_ex(lookup).name for _ in range(2)] == ["b", "c"]
        verdict = await _end_of(lookup)
        assert (verdict.outcome, verdict.records) == ("timed_out", 3)
