"""Cases 40 to 78: cancelling, one step at a time. The races proper are in test_races.py."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from nspd.core.provider import Host, Provider, Query, Results
from nspd.model.errors import TryAgain
from nspd.model.namespaces import Namespace
from tests.cases.fakes import FakeProvider, Step, named
from tests.cases.harness import (
    CANCELLED,
    HANG,
    INVALID_HANDLE,
    NO_DATA,
    NO_MORE,
    REAL_TIME,
    VIRTUAL_TIME,
    Reply,
    code_of,
    open_house,
    ticks,
    until,
)

pytestmark = pytest.mark.anyio

STOPPED = {"cancelled": 1, "work": "stopped"}


async def test_end_releases_a_waiting_next() -> None:
    """Case 40: 10111 in the very step of End, before End's reply, with no part of a record."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=1&gate=g")
        waiting = client.next(handle)
        await ticks()
        ended = client.end(handle)
        reply = client.now(waiting)
        assert (reply["error"]["code"], "result" in reply) == (CANCELLED, False)
        assert await client.result(ended) == STOPPED
        order = [reply["id"] for reply in client.received]
        assert order.index(waiting) < order.index(ended)


async def test_the_provider_is_told_once() -> None:
    """Case 41: End cancels the scope of the work, exactly once, and says that it has stopped."""
    step = Step()

    async def wait(query: Query, results: Results) -> None:
        await step.wait()

    provider = FakeProvider(wait)
    async with open_house(provider) as house:
        client = house.connect()
        handle = client.begin()
        await step.reached.wait()
        assert await client.result(client.end(handle)) == {"cancelled": 0, "work": "stopped"}
        assert await client.code(client.end(handle)) == INVALID_HANDLE
        await ticks()
        assert (provider.started, provider.cancelled, provider.stopped) == (1, 1, 1)


async def test_half_closed_and_still_served() -> None:
    """Case 42: a client that will send no more gets its record; then the daemon hangs up."""
    async with open_house() as house:
        client = house.connect()
        waiting = client.next(client.begin("gate=g"))
        client.socket.end_input()
        await ticks()
        assert not client.socket.closed
        house.open("g")
        assert (await client.result(waiting))["service_instance_name"] == "test-1"
        await until(lambda: client.socket.closed)


@VIRTUAL_TIME
async def test_half_closed_for_too_long() -> None:
    """Case 42: after half_close_grace what still waits is answered 10111, and that was all."""
    async with open_house() as house:
        client = house.connect()
        waiting = client.next(client.begin(HANG))
        begun = anyio.current_time()
        client.socket.end_input()
        await until(lambda: client.socket.closed, within=60)
        assert client.received[-1]["id"] == waiting
        assert await client.code(waiting) == CANCELLED
        assert anyio.current_time() - begun == pytest.approx(30, abs=0.01)


async def test_the_second_next_is_cancelled_and_the_first_record_stays() -> None:
    """Case 43: End cancels the call that waits, and nothing that was delivered."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=2&gate=g", control_flags=0xFF0)
        house.open("g")
        first = await client.result(client.next(handle))
        waiting = client.next(handle)
        ended = client.end(handle)
        assert await client.code(waiting) == CANCELLED
        assert await client.result(ended) == STOPPED
        assert first["comment"] == "record 1 of 2"


async def test_end_after_the_answer() -> None:
    """Case 44: End is 0, and no frame for the answered Next ever follows."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=1")
        answered = client.next(handle)
        await client.result(answered)
        assert await client.result(client.end(handle)) == {"cancelled": 0, "work": "none"}
        await ticks(1000)
        assert [reply.get("id") for reply in client.received].count(answered) == 1


async def test_end_during_a_retry() -> None:
    """Case 51: 10111, and the provider makes no further try."""
    tries: list[Step] = []

    async def try_once() -> None:
        tries.append(Step())
        await tries[-1].wait()
        raise TryAgain("once more")

    async def retry(query: Query, results: Results) -> None:
        while True:
            try:
                await try_once()
            except TryAgain:
                continue

    async with open_house(FakeProvider(retry)) as house:
        client = house.connect()
        handle = client.begin()
        waiting = client.next(handle)
        while len(tries) < 4:
            await ticks(1)
            if tries and tries[-1].reached.is_set() and len(tries) < 4:
                tries[-1].go()
        ended = client.end(handle)
        tries[-1].go()
        assert await client.code(waiting) == CANCELLED
        assert (await client.result(ended))["work"] == "stopped"
        await ticks()
        assert len(tries) == 4


async def test_end_half_of_ten_lookups() -> None:
    """Case 53: the odd ones are cancelled, the even ones get their data, ten replies in all."""
    async with open_house() as house:
        client = house.connect()
        handles = [client.begin("gate=g") for _ in range(10)]
        waiting = [client.next(handle) for handle in handles]
        await ticks()
        ended = [client.end(handle) for handle in handles[1::2]]
        house.open("g", 10)
        assert [await client.code(id) for id in waiting[1::2]] == [CANCELLED] * 5
        assert [await client.code(id) for id in waiting[::2]] == [0] * 5
        ended += [client.end(handle) for handle in handles[::2]]
        assert [await client.code(id) for id in ended] == [0] * 10


async def test_end_directly_after_next_for_lookups_of_all_kinds() -> None:
    """Case 54: each End succeeds, each Next has one answer, and Cleanup is clean."""
    scripts = [
        "",
        HANG,
        "records=0",
        "gate=g",
        "records=5&flood=1",
        "fail=10060&records=0",
        "records=0&crash=1",
        "records=0&foreign=1",
        "steps=3",
        "shared=k&gate=g",
        "stubborn=0.01&gate=g",
        "first_delay=9",
        "size=100000",
    ]
    async with open_house() as house:
        house.log.announced.add("provider failed")
        client = house.connect()
        nexts = []
        for script in scripts * 3:
            for pause in (0, 1, 5):
                handle = client.begin(script)
                nexts.append(client.next(handle))
                await ticks(pause)
                assert await client.code(client.end(handle)) == 0
        legal = {0, CANCELLED, NO_DATA, 10060, 10107}
        assert {await client.code(id) for id in nexts} <= legal
        assert await client.result(client.send("NSPv2Cleanup")) is None


@pytest.mark.parametrize("number", [1, 128], ids=["one", "many in flight"])
async def test_no_frame_comes_after_the_end(number: int) -> None:
    """Case 55: gates that open after End and Next were answered move nothing."""
    async with open_house() as house:
        client = house.connect()
        handles = [client.begin("gate=g") for _ in range(number)]
        for handle in handles:
            client.next(handle)
        await ticks()
        for handle in handles:
            client.end(handle)
        await until(lambda: not client.open_calls)
        frames = len(client.received)
        house.open("g", number)
        await ticks(1000)
        assert len(client.received) == frames


async def test_a_provider_that_answers_late() -> None:
    """Case 56: a record that it gives after End reaches nobody, and is no error."""
    step = Step()
    sent = anyio.Event()

    async def deaf(query: Query, results: Results) -> None:
        with anyio.CancelScope(shield=True):
            await step.wait()
            await results.send(named("late"))
            sent.set()

    async with open_house(FakeProvider(deaf)) as house:
        client = house.connect()
        handle = client.begin()
        waiting = client.next(handle)
        await step.reached.wait()
        ended = client.end(handle)
        assert code_of(client.now(waiting)) == CANCELLED
        step.go()
        await sent.wait()
        assert (await client.result(ended))["work"] == "stopped"
    assert house.log.surprises == []


async def test_a_shielded_provider_that_waits_for_room() -> None:
    """Case 56: after End its sends return at once, each giving others their turn."""
    sent = 0

    async def deaf(query: Query, results: Results) -> None:
        nonlocal sent
        with anyio.CancelScope(shield=True):
            for _ in range(1000):
                await results.send(named("late"))
                sent += 1

    async with open_house(FakeProvider(deaf)) as house:
        client = house.connect()
        handle = client.begin()
        await until(lambda: sent == 16)
        await ticks()
        client.end(handle)
        await ticks(10)
        assert 16 < sent < 100
        await until(lambda: sent == 1000)


async def test_begin_on_receiving_the_cancellation() -> None:
    """Case 57: a lookup begun at that very moment has nothing to do with the cancelled one."""
    async with open_house() as house:
        client = house.connect()
        second: list[int] = []

        def begin_another(reply: Reply) -> None:
            if code_of(reply) == CANCELLED:
                second.append(client.send_begin("gate=g"))

        client.on_reply = begin_another
        first = client.begin("gate=g")
        client.next(first)
        await ticks()
        client.end(first)
        handle = (await client.result(second[0]))["lookup"]
        house.open("g")
        assert await client.name(handle) == "test-1"


async def test_begin_cancels_nothing() -> None:
    """Case 58: another Begin on the connection is answered at once, the Next still waits."""
    async with open_house() as house:
        client = house.connect()
        waiting = client.next(client.begin(HANG))
        await ticks()
        client.begin(HANG)
        await ticks()
        assert client.open_calls == [waiting]


async def test_a_session_that_asked_for_it_is_cancelled_by_begin() -> None:
    """Case 58, C12: with cancel_on_begin the Next that waits is 10111, before the Begin reply."""
    async with open_house() as house:
        client = house.connect(startup=False)
        client.startup(cancel_on_begin=True)
        idle = client.begin("records=1")
        handle = client.begin(HANG)
        waiting = client.next(handle)
        refused = client.send_begin("refuse=10060", control_flags=0x6)
        assert await client.code(refused) == 10022
        assert client.open_calls == [waiting]
        begun = client.send_begin(HANG)
        order = [reply["id"] for reply in client.received]
        assert order.index(waiting) < order.index(begun)
        assert await client.code(waiting) == CANCELLED
        assert await client.code(client.next(handle)) == INVALID_HANDLE
        assert await client.name(idle) == "test-1"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("NSPv2Startup", {}),
        ("WSAEnumNameSpaceProvidersEx", {}),
        ("nspd.Status", {}),
        ("nspd.ListSessions", {}),
        ("nspd.ListLookups", {}),
        ("nspd.Statistics", {}),
        ("nspd.FlushCaches", {}),
        ("nspd.TestReset", {}),
        ("rpc.discover", {}),
        ("$/cancelRequest", {"id": "unknown"}),
        ("nspd.Lookup", {"restrictions": {"namespace": 4711}}),
    ],
)
async def test_other_operations_do_not_wait(method: str, params: dict[str, object]) -> None:
    """Case 59: while a Next waits, everything else is answered in its own step."""
    async with open_house() as house:
        client = house.connect()
        waiting = client.next(client.begin(HANG))
        await ticks()
        client.now(client.send(method, params))
        assert client.open_calls == [waiting]


class BlockingProvider(Provider):
    """Has each lookup wait in a worker thread until it is released."""

    kind = "blocking"
    namespace = Namespace.TEST
    workers = 2

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()
        self.calls = 0

    @asynccontextmanager
    async def running(self, host: Host) -> AsyncIterator[None]:
        self._host = host
        try:
            yield
        finally:
            self.released.set()

    async def lookup(self, query: Query, results: Results) -> None:
        await self._host.run_blocking(self._block)
        await results.send(named("from a thread"))

    def _block(self) -> None:
        self.calls += 1
        assert self.released.wait(20)


@REAL_TIME
async def test_lookups_that_wait_for_a_thread() -> None:
    """Case 61: End of those that queue for the pool; then it is freed, and still works."""
    provider = BlockingProvider()
    async with open_house(provider) as house:
        client = house.connect()
        busy = [client.begin() for _ in range(2)]
        await until(lambda: provider.calls == 2)
        queued = [client.begin() for _ in range(4)]
        waiting = [client.next(handle) for handle in queued]
        await ticks()
        ended = [client.end(handle) for handle in queued]
        for id in waiting:
            assert "result" not in client.now(id)
            assert code_of(client.now(id)) == CANCELLED
        assert [(await client.result(id))["work"] for id in ended] == ["stopped"] * 4
        provider.released.set()
        for handle in busy:
            assert await client.name(handle) == "from a thread"
        assert await client.name(client.begin()) == "from a thread"
        assert provider.calls == 3


@REAL_TIME
async def test_a_thread_that_cannot_be_stopped_is_detached() -> None:
    """Case 61, C8: Next is released at once, and End tells that the work goes on."""
    provider = BlockingProvider()
    async with open_house(provider, end_grace=0.02) as house:
        client = house.connect()
        handle = client.begin()
        waiting = client.next(handle)
        await until(lambda: provider.calls == 1)
        ended = client.end(handle)
        assert code_of(client.now(waiting)) == CANCELLED
        assert (await client.result(ended))["work"] == "detached"
        (entry,) = (await client.result(client.send("nspd.ListLookups")))["lookups"]
        assert (entry["state"], entry["lookup"]) == ("detached", handle)
        provider.released.set()
        await until(lambda: not house.router.detached)


async def test_a_lock_of_the_provider_is_released() -> None:
    """Case 62: End of the lookup that holds it lets another one proceed."""
    lock = anyio.Lock()
    held = Step()

    async def guarded(query: Query, results: Results) -> None:
        async with lock:
            if query.restrictions.service_instance_name == "holder":
                await held.wait()
            await results.send(named("guarded"))

    async with open_house(FakeProvider(guarded)) as house:
        client = house.connect()
        holder = client.begin(name="holder")
        client.next(holder)
        await held.reached.wait()
        waiting = client.next(client.begin(name="other"))
        await ticks()
        assert client.told(waiting) is None
        client.end(holder)
        assert (await client.result(waiting))["service_instance_name"] == "guarded"


async def test_the_record_comes_in_the_step_after_end() -> None:
    """Case 63: the provider's code after its await does not run any more."""
    step = Step()
    ran = False

    async def wait(query: Query, results: Results) -> None:
        nonlocal ran
        await step.wait()
        ran = True

    async with open_house(FakeProvider(wait)) as house:
        client = house.connect()
        handle = client.begin()
        waiting = client.next(handle)
        await step.reached.wait()
        client.end(handle)
        step.go()
        assert code_of(client.now(waiting)) == CANCELLED
        await ticks()
        assert not ran


async def test_one_of_two_leaves_shared_work() -> None:
    """Case 65: End of one answers it 10111, its work "none"; the other gets the record."""
    async with open_house() as house:
        one, two = house.connect(), house.connect()
        script = "shared=k&gate=g"
        leaving, staying = one.begin(script), two.begin(script)
        assert house.router.work.running == 1
        gone, kept = one.next(leaving), two.next(staying)
        await ticks()
        ended = one.end(leaving)
        assert await one.code(gone) == CANCELLED
        assert await one.result(ended) == {"cancelled": 1, "work": "none"}
        house.open("g")
        assert (await two.result(kept))["service_instance_name"] == "test-1"


async def test_rundown_in_the_same_write() -> None:
    """Case 68: a Next that is run down before any task has run is answered 10111."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin(HANG)
        client.asked += ["next", "rundown"]
        client.write(
            {
                "jsonrpc": "2.0",
                "id": "next",
                "method": "NSPv2LookupServiceNextEx",
                "params": {"lookup": handle},
            },
            {"jsonrpc": "2.0", "id": "rundown", "method": "NSPv2ClientSessionRundown"},
        )
        assert code_of(client.now("next")) == CANCELLED
        assert client.now("rundown")["result"] is None


@VIRTUAL_TIME
async def test_a_provider_that_cannot_be_aborted_for_a_while() -> None:
    """Case 69: Next 10111 at once, End 0 after its grace, the second End 6, the record dropped."""
    cancelled = 0

    async def stubborn(query: Query, results: Results) -> None:
        nonlocal cancelled
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            cancelled += 1
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
                await results.send(named("late"))
            raise

    async with open_house(FakeProvider(stubborn)) as house:
        client = house.connect()
        handle = client.begin()
        waiting = client.next(handle)
        await ticks()
        begun = anyio.current_time()
        ended = client.end(handle)
        assert code_of(client.now(waiting)) == CANCELLED
        assert await client.code(client.end(handle)) == INVALID_HANDLE
        assert (await client.result(ended))["work"] == "detached"
        assert anyio.current_time() - begun == pytest.approx(0.1, abs=0.01)
        assert house.census()["detached"] == 2  # counted in all, and for the provider
        await until(lambda: not house.router.detached)
        assert anyio.current_time() - begun == pytest.approx(5, abs=0.01)
        assert cancelled == 1


@VIRTUAL_TIME
async def test_a_stalled_reader_cannot_hold_up_the_end() -> None:
    """Case 70: its 10111 waits for it alone, and the drain is over at its deadline."""
    async with open_house() as house:
        stalled, reader = house.connect(), house.connect()
        stalled.socket.stop_reading(room=0)
        handle = reader.begin(HANG)
        waiting = reader.next(handle)
        stalled.write(
            *(
                {"jsonrpc": "2.0", "id": f"a{number}", "method": "nspd.Status"}
                for number in range(100)
            )
        )
        stalled.left = True
        stalled.asked += [f"a{number}" for number in range(100)]
        begun = anyio.current_time()
        await house.server.drain(2)
        assert await reader.code(waiting) == CANCELLED
        assert reader.socket.closed
        assert anyio.current_time() - begun < 2 + 0.1 + 0.6
        stalled.vanish()


async def test_all_who_share_return_when_the_first_fails() -> None:
    """Case 73: eight lookups of one name share a failing work; each Next and each End returns."""
    async with open_house() as house:
        clients = [house.connect() for _ in range(8)]
        script = "records=0&shared=k&first_delay=0&hang=0&fail=11002"
        handles = [client.begin(script) for client in clients]
        waiting = [client.next(h) for client, h in zip(clients, handles, strict=True)]
        ends = [client.end(h) for client, h in zip(clients, handles, strict=True)]
        for client, call, end in zip(clients, waiting, ends, strict=True):
            assert await client.code(call) in (CANCELLED, NO_DATA)
            assert await client.code(end) == 0


async def test_an_id_is_free_as_soon_as_its_call_is_answered() -> None:
    """Case 74: used again at once after End, it gets the answer of the new call alone."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("gate=g")
        waiting = client.next(handle)
        await ticks()
        client.end(handle)
        assert code_of(client.now(waiting)) == CANCELLED
        client.send("nspd.Status", id=waiting)
        house.open("g")
        await ticks(100)
        replies = [reply for reply in client.received if reply.get("id") == waiting]
        assert [code_of(reply) for reply in replies] == [CANCELLED, 0]
        assert "census" in replies[1]["result"]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_provider_that_completes_later(fails: bool) -> None:
    """Case 75: exactly one reply, with a record or with an error, never both."""
    step = Step()

    async def later(query: Query, results: Results) -> None:
        await step.wait()
        if fails:
            raise TryAgain("not now")
        await results.send(named("later"))

    async with open_house(FakeProvider(later)) as house:
        client = house.connect()
        waiting = client.next(client.begin())
        await step.reached.wait()
        step.go()
        reply = await client.reply(waiting)
        assert code_of(reply) == (TryAgain.code if fails else 0)
        assert ("result" in reply) is not fails
        await ticks(100)


async def test_a_provider_that_fails_at_once() -> None:
    """Case 76: one reply, and no completion after it."""
    async with open_house() as house:
        client = house.connect()
        waiting = client.next(client.begin("records=0&fail=11003"))
        assert await client.code(waiting) == 11003
        frames = len(client.received)
        await ticks(100)
        assert len(client.received) == frames


@VIRTUAL_TIME
async def test_a_timer_that_comes_after_the_end() -> None:
    """Case 78: work that a delay would have started is never started."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("first_delay=5")
        await ticks()
        assert (await client.result(client.end(handle)))["work"] == "stopped"
        frames = len(client.received)
        await anyio.sleep(10)
        assert len(client.received) == frames


async def test_records_that_are_ready_go_with_the_end() -> None:
    """Case 44: records nobody took are dropped with their lookup, and the handle is gone."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=10")
        await ticks()
        await client.code(client.end(handle))
        assert await client.code(client.next(handle)) == INVALID_HANDLE
        assert NO_MORE not in [code_of(reply) for reply in client.received]
