"""Runs at the edges of what they may hold and keep."""

from __future__ import annotations

import weakref
from functools import partial

import anyio
import pytest

from nspd.core.catalog import Entry
from nspd.core.limits import READY_BYTES, Limits
from nspd.core.provider import Query, Results
from nspd.core.run import KEPT_BYTES, KEPT_RECORDS
from nspd.core.users import Peer
from nspd.model.flags import FIELD_BITS, LookupFlags, ResultFlags
from nspd.model.queryset import QuerySet, weight
from tests.backends import VIRTUAL_TIME
from tests.core.world import (
    ALICE,
    Scripted,
    add_tokens,
    ask,
    begin,
    named,
    next_ex,
    open_world,
    run_of,
    settled,
    turns,
    until,
    work_known,
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


async def test_a_change_that_tells_no_change_is_refused() -> None:
    """Where it would be melted into an earlier one, the provider hears what is wrong with it."""
    refused: list[str] = []

    async def body(query: Query, results: Results) -> None:
        results.synced()
        await results.send(named("a", output_flags=int(ResultFlags.CHANGED)))
        with pytest.raises(ValueError, match="do not tell one change") as wrong:
            await results.send(named("a"))
        refused.append(str(wrong.value))

    limits = Limits(ready_records=1)
    async with open_world(Scripted(body, watches=True), limits=limits) as world:
        ask(world.session(), watch=True)
        await until(lambda: world.idle)
        assert refused == ["output flags 0x0 do not tell one change"]


async def test_c11_a_leader_as_old_as_the_patience_is_not_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call that comes exactly at the end of the leader's time gets work of its own."""
    async with open_world(Scripted(key=lambda query: "k")) as world:
        session = world.session()
        run = run_of(ask(session))
        run.started = 0.0
        for age, joined in ((9.9375, True), (10.0, False)):
            with monkeypatch.context() as patch:
                patch.setattr(world.router.clock, "now", partial(float, age))
                assert (run_of(ask(session)) is run) is joined


@pytest.mark.parametrize("key", ["k", None])
async def test_c11_shared_work_is_asked_for_every_field(key: str | None) -> None:
    """Whoever joins may want other fields than who began it; work of one's own is asked as said."""
    asked: list[int] = []

    async def body(query: Query, results: Results) -> None:
        asked.append(query.control_flags & FIELD_BITS)

    async with open_world(Scripted(body, key=lambda query: key)) as world:
        ask(world.session(), control_flags=int(LookupFlags.RETURN_NAME))
        await until(lambda: world.idle)
        assert asked == [FIELD_BITS if key else int(LookupFlags.RETURN_NAME)]


async def test_bytes_are_given_back_as_records_are_read() -> None:
    """A record that was read counts no more, though its work goes on."""

    async def body(query: Query, results: Results) -> None:
        for number in range(3):
            await results.send(named(str(number), blob=b"x" * 10_000))
        await anyio.sleep_forever()

    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        await until(lambda: run_of(lookup).total == 3)
        held = [world.router.users[ALICE].bytes // 10_000]
        for _ in range(3):
            next_ex(lookup)
            held.append(world.router.users[ALICE].bytes // 10_000)
        assert held == [3, 2, 1, 0]


async def test_c9_work_that_goes_on_after_its_end_keeps_no_records() -> None:
    """What nobody can read any more is let go of at once, however long the work takes to stop."""
    go_on = anyio.Event()

    async def body(query: Query, results: Results) -> None:
        with anyio.CancelScope(shield=True):
            await results.send(named("unread"))
            await go_on.wait()

    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        run = run_of(lookup)
        await until(lambda: run.total == 1)
        assert [record.service_instance_name for record in run.rest(0)] == ["unread"]
        lookup.end()
        assert run.working
        assert run.rest(0) == []
        go_on.set()


async def test_c9_a_shielded_send_that_waits_ends_with_the_lookup() -> None:
    """It feels no cancellation, so it is told that nobody will ever read."""
    sent: list[str] = []

    async def body(query: Query, results: Results) -> None:
        with anyio.CancelScope(shield=True):
            for name in "ab":
                await results.send(named(name))
                sent.append(name)

    async with open_world(Scripted(body), limits=Limits(ready_records=1)) as world:
        lookup = ask(world.session())
        await until(lambda: sent == ["a"])
        ending = lookup.end()
        assert await work_known(ending) == "stopped"
        assert sent == ["a", "b"]


async def test_work_is_told_of_by_who_began_it() -> None:
    """Also when others have joined it: the first of them and his process."""
    async with open_world(Scripted(key=lambda query: "k")) as world:
        session = world.router.open_session(Peer(ALICE, pid=4711))
        session.startup(1, "test/1", cancel_on_begin=False)
        first, second = ask(session), ask(session)
        run = run_of(second)
        assert (run.handle, run.pid, run.joined) == (first.handle, 4711, 2)


@VIRTUAL_TIME
async def test_detached_work_is_pressed_every_second() -> None:
    """Work that has outlived its grace is cancelled again, once a second, until it ends."""
    swallowed: list[float] = []

    async def body(query: Query, results: Results) -> None:
        while not swallowed or swallowed[-1] < begun + 2.5:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                swallowed.append(anyio.current_time())

    async with open_world(Scripted(body), end_grace=0.0) as world:
        lookup = ask(world.session())
        run = run_of(lookup)
        await until(lambda: run.working)
        begun = anyio.current_time()
        lookup.end()
        await until(lambda: run.detached)
        await anyio.sleep(10)
        presses = [time - begun for time in swallowed if time > begun]
        assert presses == pytest.approx([1, 2, 3])
        assert world.live_timers() == 0


async def test_what_was_to_be_let_go_of_is_kept_no_longer_than_the_work() -> None:
    """A lookup that is read to its end holds no socket of its provider's."""

    class Socket:
        def close(self) -> None:
            """Nothing."""

    async def body(query: Query, results: Results) -> None:
        socket = Socket()
        kept.append(weakref.ref(socket))
        results.on_cancel(socket.close)

    kept: list[weakref.ref[Socket]] = []
    async with open_world(Scripted(body)) as world:
        lookup = ask(world.session())
        await until(lambda: world.idle)
        assert run_of(lookup).ended is not None
        assert [socket() for socket in kept] == [None]


async def test_the_set_of_a_watch_ends_once() -> None:
    """A provider that says so again does not make changes part of the set."""

    async def body(query: Query, results: Results) -> None:
        await results.send(named("of the set"))
        results.synced()
        await results.send(named("change", output_flags=int(ResultFlags.ADDED)))
        results.synced()
        await anyio.sleep_forever()

    async with open_world(Scripted(body, watches=True)) as world:
        lookup = ask(world.session(), watch=True)
        await until(lambda: run_of(lookup).total == 2)
        await turns()
        calls = [next_ex(lookup) for _ in range(3)]
        assert calls[0].name == "of the set"
        assert calls[1].code == 10110
        assert calls[2].name == "change"


async def test_a_lookup_that_is_no_watch_has_no_changes() -> None:
    """Records of one name do not become one, though the provider says where its set ends."""

    async def body(query: Query, results: Results) -> None:
        results.synced()
        for number in range(3):
            await results.send(
                named("a", comment=str(number), output_flags=int(ResultFlags.CHANGED))
            )

    async with open_world(Scripted(body), limits=Limits(ready_records=1)) as world:
        lookup = ask(world.session())
        records = []
        for _ in range(3):
            call = next_ex(lookup)
            await settled(call)
            records.append(call.outcome)
            await turns()
        assert [getattr(record, "comment", None) for record in records] == ["0", "1", "2"]


async def test_at_the_limit_of_his_bytes_a_users_work_waits() -> None:
    """A user who holds exactly what he may is given no more; with a byte less he is."""

    async def body(query: Query, results: Results) -> None:
        await go_on.wait()
        await results.send(named("a"))

    go_on = anyio.Event()
    async with open_world(Scripted(body), limits=Limits(bytes_per_user=1000)) as world:
        session = world.session()
        run = run_of(ask(session))
        others = 1000 - session.user.bytes
        session.user.bytes += others
        go_on.set()
        await until(lambda: session.user.starved == {run})
        assert run.total == 0
        session.user.discharge(1)
        await until(lambda: run.total == 1)
        session.user.discharge(others - 1)


@pytest.mark.parametrize(("less", "given"), [(0, 1), (1, 2)])
async def test_no_more_than_so_many_bytes_are_held_ready(less: int, given: int) -> None:
    """With exactly `READY_BYTES` unread the work waits; with a byte less it may give one more."""

    async def body(query: Query, results: Results) -> None:
        for _ in range(3):
            await results.send(record)

    entry = Entry(Scripted(body))
    record = entry.stamped(named("a", blob=b""))
    room = READY_BYTES - less - weight(record)
    record = named("a", blob=b"x" * room)
    assert weight(entry.stamped(record)) == READY_BYTES - less
    async with open_world(entry) as world:
        lookup = ask(world.session())
        await turns(50)
        assert run_of(lookup).total == given


@pytest.mark.parametrize(("more", "joined"), [(0, True), (1, False)])
async def test_c11_joined_as_long_as_every_byte_is_kept(more: int, joined: bool) -> None:
    """A run that has given as many bytes as it keeps is joined; with one more it is not."""

    async def body(query: Query, results: Results) -> None:
        for record in records:
            await results.send(record)
        await anyio.sleep_forever()

    entry = Entry(Scripted(body, key=lambda query: "k"))
    bare = weight(entry.stamped(named("a", blob=b"")))
    half = KEPT_BYTES // 2
    records = [named("a", blob=b"x" * (half + each - bare)) for each in (0, more)]
    assert sum(weight(entry.stamped(record)) for record in records) == KEPT_BYTES + more
    async with open_world(entry) as world:
        session = world.session()
        first = ask(session)
        run = run_of(first)
        for _ in records:
            await first.next()
        assert (run_of(ask(session)) is run) is joined


@pytest.mark.parametrize("name", ["a", None])
async def test_a_change_melts_into_an_unread_one_behind_a_set_that_was_read(
    name: str | None,
) -> None:
    """For a slow reader two changes of one name, or of no name, become one: the later (C7)."""
    changed = int(ResultFlags.CHANGED)

    async def body(query: Query, results: Results) -> None:
        await results.send(named("of the set"))
        results.synced()
        for comment in ("earlier", "later"):
            change = QuerySet(service_instance_name=name, comment=comment, output_flags=changed)
            await results.send(change)
        sent.set()
        await anyio.sleep_forever()

    sent = anyio.Event()
    limits = Limits(ready_records=1)
    async with open_world(Scripted(body, watches=True), limits=limits) as world:
        lookup = ask(world.session(), watch=True)
        await until(lambda: lookup.ready == 1)
        assert next_ex(lookup).name == "of the set"
        await until(sent.is_set)
        assert next_ex(lookup).code == 10110
        change = next_ex(lookup).outcome
        assert isinstance(change, QuerySet)
        assert (change.comment, change.output_flags) == ("later", changed)
        assert not next_ex(lookup).settled


async def test_a_change_does_not_melt_into_the_set() -> None:
    """The existing set comes as it was, then its end, then the change (C7)."""

    async def body(query: Query, results: Results) -> None:
        await results.send(named("a"))
        results.synced()
        await results.send(named("a", output_flags=int(ResultFlags.DELETED)))
        await anyio.sleep_forever()

    limits = Limits(ready_records=1)
    async with open_world(Scripted(body, watches=True), limits=limits) as world:
        lookup = ask(world.session(), watch=True)
        await until(lambda: lookup.ready == 1)
        await turns()
        told = []
        for _ in range(3):
            call = next_ex(lookup)
            await settled(call)
            outcome = call.outcome
            told.append(outcome.output_flags if isinstance(outcome, QuerySet) else outcome.code)
        assert told == [0, 10110, int(ResultFlags.DELETED)]


async def test_two_changes_that_leave_nothing_to_tell() -> None:
    """What came and went before anybody read of it is not counted, charged or told."""

    async def body(query: Query, results: Results) -> None:
        results.synced()
        for name, flag in (("a", added), ("a", deleted), ("b", added)):
            await results.send(named(name, output_flags=int(flag)))
            counted.append((run_of(lookup).total, lookup.ready, session.user.bytes > held))
        await anyio.sleep_forever()

    added, deleted = ResultFlags.ADDED, ResultFlags.DELETED
    counted: list[tuple[int, int, bool]] = []
    limits = Limits(ready_records=1)
    async with open_world(Scripted(body, watches=True), limits=limits) as world:
        session = world.session()
        lookup = ask(session, watch=True)
        held = session.user.bytes
        await until(lambda: len(counted) == 3)
        assert counted == [(1, 1, True), (0, 0, False), (1, 1, True)]
        assert next_ex(lookup).code == 10110
        assert next_ex(lookup).name == "b"
        assert session.user.bytes == held
