"""The test namespace, key by key."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import anyio
import pytest

from nspd.core.lookup import Lookup
from nspd.core.session import Session
from nspd.model import errors
from nspd.model.queryset import CsAddr, QuerySet, SocketAddress, Version
from nspd.providers.test import Script, TestProvider, parse_script
from nspd.providers.test.gates import MOST_GATES, Gates
from tests.backends import EACH, REAL_TIME, VIRTUAL_TIME, backend
from tests.core.world import (
    TEST,
    World,
    add_tokens,
    begin,
    next_ex,
    open_world,
    run_of,
    settled,
    turns,
    until,
    work_of,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=EACH)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The event loop of an async test, in virtual time where it can have it."""
    return backend(request.param)


async def take(lookup: Lookup) -> QuerySet | int:
    """The next record, or the code of the end."""
    call = next_ex(lookup)
    await settled(call)
    return call.outcome if isinstance(call.outcome, QuerySet) else call.code


async def names(lookup: Lookup) -> list[str | None]:
    """The names of all records up to the end."""
    found = []
    while isinstance(record := await take(lookup), QuerySet):
        found.append(record.service_instance_name)
    return found


def expected(number: int, total: int, name: str = "test", size: int = 0) -> QuerySet:
    """Record i of N as the document lays it down."""
    host = f"192.0.2.{(number - 1) % 254 + 1}"
    return QuerySet(
        service_instance_name=f"{name}-{number}",
        comment=f"record {number} of {total}",
        addresses=(
            CsAddr(
                remote=SocketAddress.inet(host, 1000 + number % 60000),
                socket_type=1,
                protocol=6,
            ),
        ),
        version=Version(number, "equal"),
        blob=bytes((number + k) % 251 for k in range(size)) if size else None,
        namespace=TEST,
        provider_id="5e1d0000-0000-4000-8000-000000010001",
        context="",
        output_flags=0,
    )


async def test_records_to_the_letter() -> None:
    """Every member of a record is a function of its number, the name and the size."""
    async with open_world() as world:
        session = world.session()
        lookup = begin(session, "records=300&size=600")
        for number in range(1, 301):
            assert await take(lookup) == expected(number, 300, size=600)
        query = QuerySet(namespace=TEST, service_instance_name="Printer")
        assert await take(session.begin(query)) == expected(1, 1, "Printer")


@pytest.mark.parametrize(("size", "length"), [(0, None), (1, 1), (251, 251), (524288, 524288)])
async def test_size(size: int, length: int | None) -> None:
    """`size` is the length of the blob; 0 leaves it out."""
    async with open_world() as world:
        record = await take(begin(world.session(), f"size={size}"))
        assert isinstance(record, QuerySet)
        assert (None if record.blob is None else len(record.blob)) == length
        if record.blob:
            assert record.blob[-1] == (1 + size - 1) % 251


@pytest.mark.parametrize(
    "query_string",
    [
        "nonsense=1",
        "records=-1",
        "records=x",
        "records=1.5",
        "records=",
        "records",
        "records=1&records=2",
        "delay=-1",
        "delay=inf",
        "delay=nan",
        "jitter=x",
        "first_delay=x",
        "step_delay=x",
        "stubborn=-0.1",
        "thread=x",
        "hang=2",
        "crash=yes",
        "foreign=-1",
        "flood=x",
        "gate=",
        "shared=",
        "fail=0",
        "fail=x",
        "refuse=65536",
        "size=524289",
        "steps=0",
        "watch_every=0",
        "seed=x",
        "RECORDS=1",
        "=1",
        "records=1&&seed=1",
    ],
)
async def test_bad_keys_are_named(query_string: str) -> None:
    """An unknown key or a bad value is 10022 at Begin, and the error names the key."""
    async with open_world() as world:
        with pytest.raises(errors.InvalidArgument) as refused:
            begin(world.session(), query_string)
        key = query_string.partition("=")[0].partition("&")[0]
        if "=" in query_string and "&&" not in query_string:
            assert repr(key) in refused.value.detail
        assert world.router.lookups == 0


def test_defaults() -> None:
    """Without a key a lookup gives one record at once."""
    assert parse_script("") == Script()
    assert Script().records == 1
    assert parse_script("seed=-5&gate=a%20b&delay=1e-3").gate == "a b"


@VIRTUAL_TIME
@pytest.mark.parametrize(
    ("script", "times"),
    [
        ("records=3&delay=2", [2, 4, 6]),
        ("records=3&first_delay=5", [5, 5, 5]),
        ("records=2&first_delay=1&delay=2", [3, 5]),
        ("records=2&steps=3&step_delay=1", [3, 6]),
        ("records=2&step_delay=1", [1, 2]),
        ("records=2&steps=3", [0, 0]),
    ],
)
async def test_times(script: str, times: list[float]) -> None:
    """Each record comes after its delays, in virtual seconds from Begin."""
    async with open_world() as world:
        start = anyio.current_time()
        lookup = begin(world.session(), script)
        seen = []
        for _ in times:
            await lookup.next()
            seen.append(anyio.current_time() - start)
        assert seen == pytest.approx(times)


@VIRTUAL_TIME
async def test_jitter_is_drawn_from_the_seed() -> None:
    """The same seed gives the same delays, another one others, all within the bound."""

    async def delays(session: Session, seed: int) -> list[float]:
        lookup = begin(session, f"records=4&delay=1&jitter=3&seed={seed}")
        before, seen = anyio.current_time(), []
        for _ in range(4):
            await lookup.next()
            seen.append(round(anyio.current_time() - before, 6))
            before = anyio.current_time()
        return seen

    async with open_world() as world:
        session = world.session()
        first, again, other = [await delays(session, seed) for seed in (7, 7, 8)]
        assert first == again != other
        assert all(1 <= delay <= 4 for delay in first)
        chance = random.Random(7)
        assert first == pytest.approx([1 + chance.uniform(0, 3) for _ in range(4)], abs=1e-5)


async def test_hang_goes_before_fail_and_crash() -> None:
    """With `hang` the lookup waits for ever after its records."""
    async with open_world() as world:
        lookup = begin(world.session(), "records=1&hang=1&fail=11002&crash=1")
        assert isinstance(await take(lookup), QuerySet)
        call = next_ex(lookup)
        await turns(50)
        assert not call.settled


async def test_records_zero_is_no_data() -> None:
    """`records=0`: the name is known, and there is nothing: 11004."""
    async with open_world() as world:
        assert await take(begin(world.session(), "records=0")) == 11004


@pytest.mark.parametrize(
    ("key", "error"), [("fail=11002", 11002), ("crash=1", 10107), ("foreign=1", 10107)]
)
async def test_ways_to_fail_after_the_records(key: str, error: int) -> None:
    """After the records: 10110, and the verdict has the failure's code."""
    async with open_world() as world:
        world.log.announced.add("provider failed")
        lookup = begin(world.session(), f"records=2&{key}")
        assert [isinstance(await take(lookup), QuerySet) for _ in range(2)] == [True, True]
        end = next_ex(lookup)
        await settled(end)
        (verdict,) = end.data["verdicts"]
        assert (end.code, verdict.outcome, verdict.error) == (10110, "failed", error)


@pytest.mark.parametrize("code", [8, 10013, 11002, 10045])
async def test_refuse(code: int) -> None:
    """`refuse`: Begin itself fails with the code, and there is no handle."""
    async with open_world() as world:
        session = world.session()
        with pytest.raises(errors.WSAError) as refused:
            begin(session, f"refuse={code}")
        assert refused.value.code == code
        assert session.lookups == {}


async def test_gate_lets_one_record_pass_for_each_token() -> None:
    """A record waits for one token of its gate; tokens may come first; gates are apart."""
    async with open_world() as world:
        session = world.session()
        add_tokens(world, "a", 1)
        lookup, other = begin(session, "records=3&gate=a"), begin(session, "gate=b")
        await turns(50)
        assert (lookup.ready, other.ready) == (1, 0)
        add_tokens(world, "a", 2)
        add_tokens(world, "b", 5)
        await turns(50)
        assert (lookup.ready, other.ready) == (3, 1)


async def test_gate_serves_first_come_first_and_a_cancelled_wait_takes_no_token() -> None:
    """Tokens go to those who wait, in order; one who is cancelled leaves his to the next."""
    async with open_world() as world:
        session = world.session()
        lookups = []
        for _ in range(3):
            lookups.append(begin(session, "gate=g"))
            work = work_of(lookups[-1])
            await until(partial(getattr, work, "started"))
            await turns(3)
        lookups[0].end()
        add_tokens(world, "g", 1)  # in the step of the cancellation
        await turns(50)
        assert [lookup.ready for lookup in lookups[1:]] == [1, 0]


async def test_reset_forgets_gates_and_shared_work() -> None:
    """After a reset tokens are gone, and nobody joins what was shared before."""
    async with open_world() as world:
        session = world.session()
        (entry,) = world.router.catalog
        script = "gate=g&shared=k"
        before = begin(session, script)
        _reset(world)
        after = begin(session, script)
        assert run_of(before) is not run_of(after)
        add_tokens(world, "g", 5)
        _reset(world)
        late = begin(session, "gate=g")
        await turns(50)
        assert (before.ready, late.ready) == (0, 0)
        assert entry.running == 3


def _reset(world: World) -> None:
    for entry in world.router.catalog:
        assert isinstance(entry.provider, TestProvider)
        entry.provider.reset()


@pytest.mark.parametrize(
    ("one", "two", "shares"),
    [
        ("shared=k&hang=1", "shared=k&hang=1", True),
        ("shared=k&hang=1", "hang=1&shared=k", False),
        ("shared=k&hang=1", "shared=l&hang=1", False),
        ("hang=1", "hang=1", False),
    ],
)
async def test_shared_needs_the_whole_query_string(one: str, two: str, shares: bool) -> None:
    """Work is shared by lookups that give the same whole `query_string` and name."""
    async with open_world() as world:
        session = world.session()
        first, second = begin(session, one), begin(session, two)
        assert (run_of(first) is run_of(second)) == shares
        query = QuerySet(namespace=TEST, query_string=one, service_instance_name="other")
        assert run_of(session.begin(query)) is not run_of(first)


@VIRTUAL_TIME
async def test_stubborn_goes_on_shielded() -> None:
    """When cancelled, the work goes on for so many seconds, and then ends cancelled."""
    async with open_world(end_grace=0.1) as world:
        lookup = begin(world.session(), "records=0&hang=1&stubborn=3")
        work = work_of(lookup)
        await anyio.sleep(1)
        lookup.end()
        await anyio.sleep(2.9)
        assert not work.finished
        await anyio.sleep(0.2)
        assert work.cancelled_caught


@REAL_TIME
async def test_thread_is_spent_in_a_worker() -> None:
    """`thread` blocks a worker, not the event loop."""
    async with open_world() as world:
        lookup = begin(world.session(), "records=2&thread=0.01")
        assert await names(lookup) == ["test-1", "test-2"]


async def test_flood_never_waits() -> None:
    """`flood` gives its records without waiting, as far as its reader takes them."""
    async with open_world() as world:
        lookup = begin(world.session(), "records=500&flood=1")
        assert len(await names(lookup)) == 500


@VIRTUAL_TIME
async def test_watch_changes_in_turn() -> None:
    """Change j comes after j intervals, on record (j-1) mod N + 1: changed, deleted, added."""
    async with open_world() as world:
        start = anyio.current_time()
        lookup = begin(world.session(), "records=2&watch_every=5", watch=True)
        assert [isinstance(await take(lookup), QuerySet) for _ in range(2)] == [True, True]
        assert await take(lookup) == 10110
        seen = []
        for _ in range(5):
            change = await lookup.next()
            elapsed = round(anyio.current_time() - start)
            seen.append((elapsed, change.service_instance_name, change.output_flags))
        assert seen == [
            (5, "test-1", 0x20),
            (10, "test-2", 0x40),
            (15, "test-1", 0x10),
            (20, "test-2", 0x20),
            (25, "test-1", 0x40),
        ]


async def test_asked_only_by_namespace_or_guid() -> None:
    """NS_ALL does not reach the test namespace."""
    async with open_world() as world:
        session = world.session()
        with pytest.raises(errors.ServiceNotFound):
            session.begin(QuerySet(query_string="records=1"))
        begin(session, restrictions=QuerySet(provider_id="5e1d0000-0000-4000-8000-000000010001"))


def _gates_of(world: World) -> Gates:
    (entry,) = world.router.catalog
    assert isinstance(entry.provider, TestProvider)
    return entry.provider._gates


async def test_a_gate_with_nothing_at_it_is_forgotten() -> None:
    """Only tokens and those who wait are kept: names of gates alone hold no memory."""
    async with open_world() as world:
        session = world.session()
        waiting = [begin(session, f"gate=g{number}") for number in range(20)]
        await turns(5)
        assert len(_gates_of(world)) == 20
        for lookup in waiting[:10]:
            lookup.end()
        for number in range(10, 20):
            add_tokens(world, f"g{number}")
        await turns(50)
        assert [lookup.ready for lookup in waiting[10:]] == [1] * 10
        assert len(_gates_of(world)) == 0


async def test_tokens_that_nobody_takes_are_bounded() -> None:
    """Past so many gates with tokens the oldest loses its own; those at which one waits stay."""
    async with open_world() as world:
        session = world.session()
        waiting = begin(session, "gate=waited-for")
        await turns(5)
        for number in range(MOST_GATES + 10):
            add_tokens(world, f"g{number}", 2)
        assert len(_gates_of(world)) == MOST_GATES + 1
        old, new = begin(session, "gate=g9"), begin(session, "gate=g10")
        add_tokens(world, "waited-for")
        await turns(50)
        assert (old.ready, new.ready, waiting.ready) == (0, 1, 1)


async def test_no_token_is_no_gate() -> None:
    """Adding none, again and again, keeps nothing."""
    async with open_world() as world:
        for number in range(100):
            add_tokens(world, f"g{number}", 0)
        assert len(_gates_of(world)) == 0


async def test_a_token_in_hand_at_a_reset_is_forgotten_with_the_others() -> None:
    """One who was given a token and cancelled does not leave it to those who come after a reset."""
    async with open_world() as world:
        session = world.session()
        lookup = begin(session, "gate=g")
        await turns(5)
        add_tokens(world, "g")
        lookup.end()
        _reset(world)
        after = begin(session, "gate=g")
        await turns(50)
        assert after.ready == 0
