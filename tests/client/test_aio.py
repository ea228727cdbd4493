from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from anyio.lowlevel import checkpoint

import nspd
from nspd.client import aio_connection, aio_lookup
from nspd.client.faults import RemoteProtocolError
from nspd.model import errors
from nspd.wire.results import EndResult, LookupResult
from tests.client.fake import (
    DEADLINE,
    WEB,
    FakeDaemon,
    Request,
    explained,
    newer_address,
    record,
    verdict,
)

pytestmark = pytest.mark.anyio

NEXT = "NSPv2LookupServiceNextEx"
BEGIN = "NSPv2LookupServiceBegin"
END = "NSPv2LookupServiceEnd"
CANCEL = "$/cancelRequest"


async def expect(daemon: FakeDaemon, method: str) -> Request:
    """`FakeDaemon.expect`, leaving the event loop free."""
    return await to_thread.run_sync(daemon.expect, method)


async def round_trip(daemon: FakeDaemon, client: nspd.AsyncClient) -> None:
    """Make sure that the client has read whatever the daemon sent until now."""
    daemon.answer("nspd.FlushCaches", None)
    await client.flush_caches()


class Outcome:
    """What became of a call that runs in a task."""

    def __init__(self) -> None:
        self.value: object = None
        self.error: nspd.WSAError | None = None

    async def of(self, function: Callable[[], Awaitable[object]]) -> None:
        try:
            self.value = await function()
        except nspd.WSAError as error:
            self.error = error


async def test_a_lookup_begins_on_enter_iterates_and_ends_on_exit(daemon: FakeDaemon) -> None:
    """Entering begins, iteration stops at 10110, leaving ends, and verdicts are kept."""
    numbers = count(1)

    def answer(request: Request) -> None:
        number = next(numbers)
        if number <= 3:
            request.reply(record(f"a-{number}"))
        else:
            request.fail(10110, verdicts=[verdict()])

    daemon.answer_with(NEXT, answer)
    async with nspd.AsyncClient(daemon.path) as client, client.lookup("a") as records:
        assert records.handle == 7
        names = [found.service_instance_name async for found in records]
    assert names == ["a-1", "a-2", "a-3"]
    assert records.verdicts[0].outcome == "answered"
    methods = [request.method for request in daemon.seen]
    assert methods == ["NSPv2Startup", BEGIN, NEXT, NEXT, NEXT, NEXT, END, "NSPv2Cleanup"]


async def test_records_of_a_newer_daemon_are_read(daemon: FakeDaemon) -> None:
    """Members that the client does not know are let pass in whatever carries records."""
    newer = record("a", addresses=[newer_address()], later={"more": [1]})
    verdicts = [{**verdict(), "later": 1}]
    daemon.answer(NEXT, newer)
    daemon.answer("nspd.Lookup", {"results": [newer], "verdicts": verdicts})
    daemon.answer("nspd.Explain", {"results": [newer], **explained(), "verdicts": verdicts})
    async with nspd.AsyncClient(daemon.path) as client:
        async with client.lookup("a") as records:
            found = await records.next()
        resolved, told = await client.resolve("a"), await client.explain("a")
    assert (found.service_instance_name, found.addresses) == ("a", (WEB,))
    assert resolved.results == told.results == (found,)


@pytest.mark.parametrize(
    ("old", "expected"), [(10102, errors.NoMoreResults), (10103, errors.LookupCancelled)]
)
async def test_old_codes_mean_the_same_as_the_new_ones(
    daemon: FakeDaemon, old: int, expected: type[nspd.WSAError]
) -> None:
    """Case 37, C14: 10102 is taken as 10110, and 10103 as 10111."""
    daemon.refuse(NEXT, old)
    async with nspd.AsyncClient(daemon.path) as client, client.lookup("a") as records:
        with pytest.raises(expected):
            await records.next()


async def test_a_watch_goes_on_after_its_first_set(daemon: FakeDaemon) -> None:
    """The one 10110 of a watch sets `synced` and does not stop the iteration."""
    replies = iter([record("a"), None, record("a", output_flags=0x20)])

    def answer(request: Request) -> None:
        reply = next(replies)
        request.reply(reply) if reply is not None else request.fail(10110)

    daemon.answer_with(NEXT, answer)
    async with (
        nspd.AsyncClient(daemon.path) as client,
        client.lookup("*", watch=True) as records,
    ):
        await anext(records)
        synced = [records.synced]
        changed = await anext(records)
        synced.append(records.synced)
    assert changed.output_flags == nspd.ResultFlags.CHANGED
    assert synced == [False, True]


async def test_end_in_one_task_releases_next_in_another(daemon: FakeDaemon) -> None:
    """C2 as seen by a program: the waiting call raises LookupCancelled."""
    waiting, ending = Outcome(), Outcome()
    daemon.hold(END)
    async with nspd.AsyncClient(daemon.path) as client, anyio.create_task_group() as tasks:
        records = await client.begin("a")
        tasks.start_soon(waiting.of, records.next)
        held = await expect(daemon, NEXT)
        tasks.start_soon(ending.of, records.end)
        end = await expect(daemon, END)
        held.fail(10111)
        end.reply({"cancelled": 1, "work": "stopped"})
    assert isinstance(waiting.error, errors.LookupCancelled)
    assert ending.value == EndResult(cancelled=1, work="stopped")


async def test_a_cancelled_next_is_withdrawn_and_its_record_kept(daemon: FakeDaemon) -> None:
    """C7, client-side-drop: the record that comes all the same goes to the next call."""
    async with nspd.AsyncClient(daemon.path) as client, client.lookup("a") as records:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(records.next)
            held = await expect(daemon, NEXT)
            tasks.cancel_scope.cancel()
        assert (await expect(daemon, CANCEL)).params == {"id": held.id}
        held.reply(record("late"))
        await round_trip(daemon, client)
        assert (await records.next()).service_instance_name == "late"
        assert daemon.count(NEXT) == 1


async def test_no_record_is_lost_wherever_a_call_is_cancelled(daemon: FakeDaemon) -> None:
    """C7, client-side-drop: cancelled before its 1st, 2nd, ... step, the order is complete."""
    numbers = count()
    daemon.answer_with(NEXT, lambda request: request.reply(record(str(next(numbers)))))
    names: list[str | None] = []
    async with nspd.AsyncClient(daemon.path) as client, client.lookup("a") as records:

        async def take() -> None:
            names.append((await records.next()).service_instance_name)

        for steps in list(range(12)) * 4:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(take)
                for _ in range(steps):
                    await checkpoint()
                tasks.cancel_scope.cancel()
            await take()
        assert names == [str(number) for number in range(len(names))]
        assert len(names) >= 48


async def test_leaving_a_lookup_by_cancellation_sends_end_and_does_not_wait(
    daemon: FakeDaemon,
) -> None:
    """A daemon that never answers End holds up nobody, and the handle is ended."""
    daemon.hold(END)
    async with nspd.AsyncClient(daemon.path) as client:
        with anyio.fail_after(DEADLINE):
            async with anyio.create_task_group() as tasks:

                async def read() -> None:
                    async with client.lookup("a") as records:
                        await records.next()

                tasks.start_soon(read)
                await expect(daemon, NEXT)
                tasks.cancel_scope.cancel()
        end = await expect(daemon, END)
        assert (end.id, end.params) == (None, {"lookup": 7})


async def test_a_cancelled_end_is_sent_all_the_same(daemon: FakeDaemon) -> None:
    """End leaves in the step in which it is called; only its reply is not waited for."""
    daemon.hold(END)
    async with nspd.AsyncClient(daemon.path) as client:
        records = await client.begin("a")
        with anyio.CancelScope() as scope:
            scope.cancel()
            await records.end()
        assert scope.cancelled_caught
        assert (await expect(daemon, END)).params == {"lookup": 7}
        with pytest.raises(errors.InvalidHandle):
            await records.next()


async def test_the_handle_of_a_cancelled_begin_is_ended(daemon: FakeDaemon) -> None:
    """A Begin that was given up leaves no lookup behind in the daemon."""
    daemon.hold(BEGIN)
    daemon.hold(END)
    async with nspd.AsyncClient(daemon.path) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.begin, "a")
            held = await expect(daemon, BEGIN)
            tasks.cancel_scope.cancel()
        held.reply({"lookup": 9})
        assert (await expect(daemon, END)).params == {"lookup": 9}


async def test_a_cancelled_resolve_is_withdrawn(daemon: FakeDaemon) -> None:
    """The daemon is told that nobody waits for the answer any more."""
    async with nspd.AsyncClient(daemon.path) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.resolve, "a")
            held = await expect(daemon, "nspd.Lookup")
            tasks.cancel_scope.cancel()
        assert (await expect(daemon, CANCEL)).params == {"id": held.id}


async def test_a_full_socket_holds_up_no_cancellation(tmp_path: Path) -> None:
    """With a daemon that does not read, a call can be left; later every line arrives whole."""
    path = str(tmp_path / "nspd.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        async with nspd.AsyncClient(path) as client:
            with anyio.fail_after(DEADLINE):
                async with anyio.create_task_group() as tasks:
                    for number in range(40):
                        text = str(number) * 20_000
                        tasks.start_soon(partial(client.call, "nspd.Lookup", {"x": text}))
                    peer = (await to_thread.run_sync(listener.accept))[0]
                    for _ in range(100):
                        await checkpoint()
                    tasks.cancel_scope.cancel()
                with peer, peer.makefile("rb") as lines:
                    received = [
                        json.loads(await to_thread.run_sync(lines.readline)) for _ in range(80)
                    ]
    asked = [message["id"] for message in received if message["method"] == "nspd.Lookup"]
    left = [message["params"]["id"] for message in received if message["method"] == CANCEL]
    assert sorted(asked) == sorted(left) == list(range(1, 41))


async def test_a_restarted_daemon_fails_what_waits_once_and_is_reached_again(
    daemon: FakeDaemon,
) -> None:
    """Case 97: NetworkDown for each pending call, 6 for the old handle, then all is new."""
    outcomes = [Outcome(), Outcome()]
    async with nspd.AsyncClient(daemon.path) as client:
        records = await client.begin("a")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outcomes[0].of, records.next)
            tasks.start_soon(outcomes[1].of, partial(client.resolve, "b"))
            await expect(daemon, NEXT)
            await expect(daemon, "nspd.Lookup")
            await to_thread.run_sync(daemon.stop)
        assert [type(outcome.error) for outcome in outcomes] == [errors.NetworkDown] * 2
        for call in (records.next, records.end):
            with pytest.raises(errors.InvalidHandle):
                await call()
        with pytest.raises(errors.NetworkDown, match="nspd serve"):
            await client.begin("a")
        daemon.start()
        async with client.lookup("a") as again:
            with pytest.raises(errors.InvalidHandle):
                await records.next()
            assert again.handle == records.handle
    assert daemon.count(END) == 1
    assert daemon.count("NSPv2Startup") == 2


async def test_tasks_that_call_at_once_share_one_connection(daemon: FakeDaemon) -> None:
    """The first calls of several tasks connect once; each gets its own answer."""

    def answer(request: Request) -> None:
        name = request.params["restrictions"]["service_instance_name"]
        request.reply({"results": [record(name)], "verdicts": [verdict()]})

    daemon.answer_with("nspd.Lookup", answer)
    outcomes = {name: Outcome() for name in "abcdefgh"}
    async with nspd.AsyncClient(daemon.path) as client, anyio.create_task_group() as tasks:
        for name, outcome in outcomes.items():
            tasks.start_soon(outcome.of, partial(client.resolve, name))
    for name, outcome in outcomes.items():
        assert isinstance(outcome.value, LookupResult)
        assert outcome.value.results[0].service_instance_name == name
    assert daemon.connections == 1


async def test_an_error_in_the_body_comes_out_as_it_is(daemon: FakeDaemon) -> None:
    """No exception group is wrapped around what the body raises."""
    with pytest.raises(ZeroDivisionError):
        async with nspd.AsyncClient(daemon.path) as client, client.lookup("a"):
            raise ZeroDivisionError
    assert daemon.count(END) == daemon.count("NSPv2Cleanup") == 1


async def test_a_cancellation_from_outside_passes_through(daemon: FakeDaemon) -> None:
    """The client swallows no cancellation, and leaves without waiting for the daemon."""
    daemon.hold("NSPv2Cleanup")
    with anyio.CancelScope() as scope:
        async with nspd.AsyncClient(daemon.path) as client, client.lookup("a"):
            scope.cancel()
            await client.status()
    assert scope.cancelled_caught


async def test_closing_fails_what_waits_and_leaves_the_body_running(daemon: FakeDaemon) -> None:
    """`aclose` answers waiting calls 10111 and further ones 10093, and cancels no task."""
    waiting = Outcome()
    async with nspd.AsyncClient(daemon.path) as client:
        async with anyio.create_task_group() as tasks:
            records = await client.begin("a")
            tasks.start_soon(waiting.of, records.next)
            await expect(daemon, NEXT)
            await client.aclose()
            await client.aclose()
        assert isinstance(waiting.error, errors.LookupCancelled)
        with pytest.raises(errors.NotInitialised):
            await client.status()
        await checkpoint()


async def test_closing_does_not_wait_for_a_daemon_that_hangs(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The confirmation of the session's end is waited for within a bound."""
    monkeypatch.setattr(aio_connection, "CLOSE_GRACE", 0.01)
    daemon.hold("NSPv2Cleanup")
    async with nspd.AsyncClient(daemon.path) as client, client.lookup("a"):
        pass
    assert (await expect(daemon, "NSPv2Cleanup")).id is not None


async def test_the_clients_own_bound_is_for_calls_that_do_not_wait(daemon: FakeDaemon) -> None:
    """`timeout` ends a silent Status with TimedOut."""
    async with nspd.AsyncClient(daemon.path, timeout=0.05) as client:
        with pytest.raises(errors.TimedOut, match=r"nspd\.Status within 0\.05 s"):
            await client.status()


async def test_a_client_is_entered_once(daemon: FakeDaemon) -> None:
    """Its tasks need a place to run: outside of `async with` it does nothing."""
    client = nspd.AsyncClient(daemon.path)
    with pytest.raises(RuntimeError, match="async with"):
        await client.status()
    async with client:
        await round_trip(daemon, client)
    with pytest.raises(RuntimeError, match="once"):
        await client.__aenter__()


async def test_a_forgotten_lookup_is_ended(daemon: FakeDaemon) -> None:
    """Once nothing refers to it, End is sent with a warning, as files do."""
    daemon.hold(END)
    async with nspd.AsyncClient(daemon.path) as client:
        records = await client.begin("a")
        with pytest.warns(ResourceWarning, match="lookup 7 was not ended"):
            del records
        assert (await expect(daemon, END)).params == {"lookup": 7}


async def test_a_message_that_cannot_be_read_ends_the_connection(daemon: FakeDaemon) -> None:
    """Calls that wait get a RemoteProtocolError, which is a WSAError; the next one is fresh."""
    waiting = Outcome()
    async with nspd.AsyncClient(daemon.path) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waiting.of, client.status)
            (await expect(daemon, "nspd.Status")).reply_to("never asked")
        assert isinstance(waiting.error, RemoteProtocolError)
        await round_trip(daemon, client)
    assert daemon.connections == 2


async def test_events_are_iterated_until_closed(daemon: FakeDaemon) -> None:
    """A monitor yields typed events; closing withdraws its call and stops the iteration."""
    async with nspd.AsyncClient(daemon.path) as client:
        async with client.monitor() as events:
            request = await expect(daemon, "nspd.Monitor")
            request.notify("nspd.Event", {"event": "lookup_begun", "time": 1.5, "lookup": 7})
            event = await anext(events)
            assert (event.event, event.lookup) == ("lookup_begun", 7)
        assert (await expect(daemon, CANCEL)).params == {"id": request.id}
        assert [event async for event in events] == []


async def test_a_monitor_that_is_refused_says_why(daemon: FakeDaemon) -> None:
    """The error of the Monitor call is raised by the iteration, each time it is asked."""
    daemon.refuse("nspd.Monitor", 10013)
    async with nspd.AsyncClient(daemon.path) as client:
        events = client.monitor()
        for _ in range(2):
            with pytest.raises(errors.AccessDenied):
                await anext(events)


async def test_a_slow_reader_of_events_is_bounded(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is past the bound is dropped and counted."""
    monkeypatch.setattr(aio_lookup, "MAX_EVENTS", 2)
    async with nspd.AsyncClient(daemon.path) as client, client.monitor() as events:
        request = await expect(daemon, "nspd.Monitor")
        for moment in range(5):
            request.notify("nspd.Event", {"event": "lookup_begun", "time": float(moment)})
        await round_trip(daemon, client)
        assert [(await anext(events)).time, (await anext(events)).time] == [0.0, 1.0]
        assert events.dropped == 3
