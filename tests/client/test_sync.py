from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest

import nspd
from nspd.client import sync_connection, sync_lookup
from nspd.client.faults import RemoteProtocolError
from nspd.client.sync import Lookup
from nspd.model import errors
from nspd.wire.results import EndResult, LookupResult
from tests.client.fake import (
    ADDRESS,
    DEADLINE,
    WEB,
    FakeDaemon,
    Request,
    explained,
    newer_address,
    record,
    verdict,
)

NEXT = "NSPv2LookupServiceNextEx"
BEGIN = "NSPv2LookupServiceBegin"
END = "NSPv2LookupServiceEnd"
CANCEL = "$/cancelRequest"


def in_thread(function: Callable[[], object]) -> Future[object]:
    """Run a function in a thread of its own; the future has its outcome."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(function)
    pool.shutdown(wait=False)
    return future


def interrupt_when(arrived: Callable[[], object]) -> threading.Thread:
    """Press Ctrl-C, as it were, once a function that waits for something has returned."""

    main = threading.main_thread().ident
    assert main is not None

    def press() -> None:
        arrived()
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def round_trip(daemon: FakeDaemon, client: nspd.Client) -> None:
    """Make sure that the client has read whatever the daemon sent until now."""
    daemon.answer("nspd.FlushCaches", None)
    client.flush_caches()


def test_a_lookup_begins_on_enter_iterates_and_ends_on_exit(
    daemon: FakeDaemon, client: nspd.Client
) -> None:
    """Entering begins, iteration stops at 10110, leaving ends, and verdicts are kept."""
    replies = iter([record("a", addresses=[{**ADDRESS, "socket_type": 1, "protocol": 6}]), None])

    def next_record() -> None:
        for reply in replies:
            request = daemon.expect(NEXT)
            if reply is not None:
                request.reply(reply)
            else:
                request.fail(10110, verdicts=[verdict()])

    feeder = in_thread(next_record)
    with client.lookup("a", namespace=nspd.Namespace.TEST, timeout=2.5) as records:
        assert records.handle == 7
        names = [found.service_instance_name for found in records]
    feeder.result(DEADLINE)
    assert names == ["a"]
    assert records.verdicts[0].outcome == "answered"
    begin = next(request for request in daemon.seen if request.method == BEGIN)
    assert begin.params["restrictions"] == {"service_instance_name": "a", "namespace": 65537}
    assert begin.params["timeout"] == 2.5
    assert [request.method for request in daemon.seen] == [
        "NSPv2Startup",
        BEGIN,
        NEXT,
        NEXT,
        END,
    ]


def test_records_of_a_newer_daemon_are_read(daemon: FakeDaemon, client: nspd.Client) -> None:
    """Members that the client does not know are let pass in whatever carries records."""
    newer = record("a", addresses=[newer_address()], later={"more": [1]})
    verdicts = [{**verdict(), "later": 1}]
    daemon.answer(NEXT, newer)
    daemon.answer("nspd.Lookup", {"results": [newer], "verdicts": verdicts})
    daemon.answer("nspd.Explain", {"results": [newer], **explained(), "verdicts": verdicts})
    with client.lookup("a") as records:
        found = records.next()
    assert (found.service_instance_name, found.addresses) == ("a", (WEB,))
    assert client.resolve("a").results == client.explain("a").results == (found,)


def test_a_lookup_without_records_raises_the_class_of_its_code(
    daemon: FakeDaemon, client: nspd.Client
) -> None:
    """Iteration does not take 10108 for an end, and the error carries typed verdicts."""
    daemon.refuse(NEXT, 10108, verdicts=[verdict("failed", 11002)])
    with client.lookup("nowhere") as records, pytest.raises(errors.ServiceNotFound) as caught:
        next(records)
    assert caught.value.verdicts[0].error == 11002
    assert records.verdicts[0].outcome == "failed"


@pytest.mark.parametrize(
    ("old", "expected"), [(10102, errors.NoMoreResults), (10103, errors.LookupCancelled)]
)
def test_old_codes_mean_the_same_as_the_new_ones(
    daemon: FakeDaemon, client: nspd.Client, old: int, expected: type[nspd.WSAError]
) -> None:
    """Case 37, C14: 10102 is taken as 10110, and 10103 as 10111."""
    daemon.refuse(NEXT, old)
    with client.lookup("a") as records, pytest.raises(expected) as caught:
        records.next()
    assert caught.value.code == expected.code


def test_a_watch_goes_on_after_its_first_set(daemon: FakeDaemon, client: nspd.Client) -> None:
    """The one 10110 of a watch sets `synced` and does not stop the iteration."""
    with client.lookup("*", watch=True) as records:
        first = in_thread(lambda: next(records))
        daemon.expect(NEXT).reply(record("a"))
        assert first.result(DEADLINE) is not None
        assert not records.synced
        change = in_thread(lambda: next(records))
        daemon.expect(NEXT).fail(10110)
        daemon.expect(NEXT).reply(record("a", output_flags=0x40))
        deleted = change.result(DEADLINE)
        assert isinstance(deleted, nspd.QuerySet)
        assert deleted.output_flags == nspd.ResultFlags.DELETED
        assert records.synced


def test_end_in_one_thread_releases_next_in_another(
    daemon: FakeDaemon, client: nspd.Client
) -> None:
    """C2 as seen by a program: the blocked call raises LookupCancelled."""
    records = client.begin("a")
    waiting = in_thread(records.next)
    held = daemon.expect(NEXT)
    daemon.hold(END)
    ending = in_thread(records.end)
    end = daemon.expect(END)
    held.fail(10111)
    end.reply({"cancelled": 1, "work": "stopped"})
    assert isinstance(waiting.exception(DEADLINE), errors.LookupCancelled)
    result = ending.result(DEADLINE)
    assert result == EndResult(cancelled=1, work="stopped")
    with pytest.raises(errors.InvalidHandle):
        records.next()
    with pytest.raises(errors.InvalidHandle):
        records.end()
    assert daemon.count(NEXT) == daemon.count(END) == 1


def test_calls_of_many_threads_share_one_connection(
    daemon: FakeDaemon, client: nspd.Client
) -> None:
    """Replies in any order reach the thread that asked, and resolving needs no session."""
    waiting = {name: in_thread(partial(client.resolve, name)) for name in "abcdefgh"}
    requests = [daemon.expect("nspd.Lookup") for _ in waiting]
    for request in reversed(requests):
        name = request.params["restrictions"]["service_instance_name"]
        request.reply({"results": [record(name)], "verdicts": [verdict()]})
    for name, future in waiting.items():
        resolution = future.result(DEADLINE)
        assert isinstance(resolution, LookupResult)
        assert resolution.results[0].service_instance_name == name
    assert daemon.connections == 1
    assert daemon.count("NSPv2Startup") == 0


GUID = "5e1d0000-0000-4000-8000-00000000000b"
STATISTICS = {"uptime": 1.0, "counters": {"requests": 3}, "providers": []}


@pytest.mark.parametrize(
    ("call", "method", "params", "result", "value"),
    [
        (lambda c: c.enable_provider(GUID, False), "WSCEnableNSProvider",
         {"provider_id": GUID, "enable": False}, None, None),
        (lambda c: c.write_order([GUID]), "WSCWriteNameSpaceOrder",
         {"provider_ids": [GUID]}, None, None),
        (lambda c: c.wait_config_change(), "WSAProviderConfigChange", {}, None, None),
        (lambda c: c.end_lookup(9), "nspd.EndLookup", {"lookup": 9},
         {"cancelled": 2, "work": "none"}, EndResult(cancelled=2, work="none")),
        (lambda c: c.statistics().counters, "nspd.Statistics", {}, STATISTICS, {"requests": 3}),
        (lambda c: c.sessions(), "nspd.ListSessions", {}, {"sessions": []}, ()),
        (lambda c: c.lookups(), "nspd.ListLookups", {}, {"lookups": []}, ()),
        (lambda c: c.providers(), "WSAEnumNameSpaceProvidersEx", {}, {"providers": []}, ()),
        (lambda c: c.reload(), "nspd.Reload", {}, None, None),
        (lambda c: c.set_log_level("debug"), "nspd.SetLogLevel", {"level": "debug"}, None, None),
        (lambda c: c.discover(), "rpc.discover", {}, {"openrpc": "1.3.2"}, {"openrpc": "1.3.2"}),
        (lambda c: c.call("nspd.New", {"a": 1}), "nspd.New", {"a": 1}, [1, 2], [1, 2]),
    ],
)  # fmt: skip
def test_a_call_sends_its_params_and_reads_its_result(
    daemon: FakeDaemon,
    client: nspd.Client,
    call: Callable[[nspd.Client], object],
    method: str,
    params: dict[str, object],
    result: object,
    value: object,
) -> None:
    """Each method is one request, whose result comes as its own type."""
    daemon.answer(method, result)
    assert call(client) == value
    assert [(request.method, request.params) for request in daemon.seen] == [(method, params)]


@pytest.mark.parametrize(
    ("call", "operation", "control_flags", "members"),
    [
        (lambda c: c.register("a", version=3, blob=b"xyz", comment="c", context="d"), 0, 0,
         {"version": {"version": 3, "how": "equal"}, "blob": "eHl6", "comment": "c",
          "context": "d"}),
        (lambda c: c.deregister("a", [("192.0.2.1", 80)], multiple=True), 1, 1,
         {"addresses": [{**ADDRESS, "socket_type": 1, "protocol": 6}]}),
        (lambda c: c.delete("a"), 2, 0, {}),
    ],
)  # fmt: skip
def test_a_registration_names_its_operation(
    daemon: FakeDaemon,
    client: nspd.Client,
    call: Callable[[nspd.Client], object],
    operation: int,
    control_flags: int,
    members: dict[str, object],
) -> None:
    """Register, deregister and delete are one method with three operations."""
    daemon.answer("NSPv2SetServiceEx", None)
    call(client)
    params = daemon.seen[-1].params
    assert (params["operation"], params["control_flags"]) == (operation, control_flags)
    assert params["registration"] == {
        "service_instance_name": "a",
        "namespace": 65536,
        **members,
    }


@pytest.mark.parametrize(
    ("code", "data", "expected"),
    [
        (-32602, {"detail": "x", "path": "$.y", "wsa": 10022}, errors.InvalidArgument),
        (-32601, {"detail": "no such method"}, errors.NotSupported),
        (-32603, {}, errors.ProviderFailed),
        (10092, {"supported": [1, 1]}, errors.VersionNotSupported),
        (10035, {}, nspd.WSAError),
    ],
)
def test_an_error_becomes_the_class_of_its_code(
    daemon: FakeDaemon,
    client: nspd.Client,
    code: int,
    data: dict[str, object],
    expected: type[nspd.WSAError],
) -> None:
    """Codes of JSON-RPC become what a caller can act on; numbers without a class stay numbers."""
    daemon.refuse("nspd.Status", code, **data)
    with pytest.raises(nspd.WSAError) as caught:
        client.status()
    assert type(caught.value) is expected
    assert code < 0 or caught.value.code == code


def test_an_interrupted_next_is_withdrawn_and_its_record_kept(
    daemon: FakeDaemon, client: nspd.Client
) -> None:
    """C7, client-side-drop: Ctrl-C during the wait; the record that comes all the same stays."""
    held: list[Request] = []
    records = client.begin("a")
    thread = interrupt_when(lambda: held.append(daemon.expect(NEXT)))
    with pytest.raises(KeyboardInterrupt):
        records.next()
    thread.join()
    assert daemon.expect(CANCEL).params == {"id": held[0].id}
    held[0].reply(record("late"))
    round_trip(daemon, client)
    assert records.next().service_instance_name == "late"
    assert daemon.count(NEXT) == 1
    records.end()


def test_an_interrupted_with_block_sends_end_and_waits_for_nothing(
    daemon: FakeDaemon, client: nspd.Client
) -> None:
    """Ctrl-C inside `with`: End goes out as a notification, and the interrupt propagates."""
    daemon.hold(END)
    with pytest.raises(KeyboardInterrupt), client.lookup("a") as records:
        thread = interrupt_when(lambda: daemon.expect(NEXT))
        next(records)
    thread.join()
    end = daemon.expect(END)
    assert (end.id, end.params) == (None, {"lookup": 7})


def test_the_handle_of_an_interrupted_begin_is_ended(
    daemon: FakeDaemon, client: nspd.Client
) -> None:
    """A Begin that was given up leaves no lookup behind in the daemon."""
    daemon.hold(BEGIN)
    daemon.hold(END)
    held: list[Request] = []
    thread = interrupt_when(lambda: held.append(daemon.expect(BEGIN)))
    with pytest.raises(KeyboardInterrupt):
        client.begin("a")
    thread.join()
    held[0].reply({"lookup": 9})
    assert daemon.expect(END).params == {"lookup": 9}


def test_an_interrupted_resolve_is_withdrawn(daemon: FakeDaemon, client: nspd.Client) -> None:
    """The daemon is told that nobody waits for the answer any more."""
    held: list[Request] = []
    thread = interrupt_when(lambda: held.append(daemon.expect("nspd.Lookup")))
    with pytest.raises(KeyboardInterrupt):
        client.resolve("a")
    thread.join()
    assert daemon.expect(CANCEL).params == {"id": held[0].id}


def test_the_clients_own_bound_is_for_calls_that_do_not_wait(daemon: FakeDaemon) -> None:
    """`timeout` ends a silent Status with TimedOut; a NextEx waits on."""
    with nspd.Client(daemon.path, timeout=0.05) as client:
        with pytest.raises(errors.TimedOut, match=r"nspd\.Status within 0\.05 s"):
            client.status()
        records = client.begin("a")
        waiting = in_thread(records.next)
        request = daemon.expect(NEXT)
        with pytest.raises(errors.TimedOut):
            client.reload()
        request.reply(record("a"))
        assert waiting.result(DEADLINE) is not None
        records.end()


def test_a_restarted_daemon_fails_what_waits_once_and_is_reached_again(
    daemon: FakeDaemon, client: nspd.Client
) -> None:
    """Case 97: NetworkDown for each pending call, 6 for the old handle, then all is new."""
    records = client.begin("a")
    waiting = [in_thread(records.next), in_thread(lambda: client.resolve("b"))]
    daemon.expect(NEXT)
    daemon.expect("nspd.Lookup")
    daemon.stop()
    for future in waiting:
        assert isinstance(future.exception(DEADLINE), errors.NetworkDown)
    for call in (records.next, records.end):
        with pytest.raises(errors.InvalidHandle):
            call()
    with pytest.raises(errors.NetworkDown, match="nspd serve"):
        client.begin("a")
    daemon.start()
    with client.lookup("a") as again:
        with pytest.raises(errors.InvalidHandle):
            records.next()
        assert again.handle == records.handle
    assert daemon.count(END) == 1
    assert daemon.count("NSPv2Startup") == 2


def test_leaving_a_with_block_after_the_loss_is_quiet(
    daemon: FakeDaemon, client: nspd.Client
) -> None:
    """The body's own error comes through; there is nothing left to end."""
    with pytest.raises(ZeroDivisionError), client.lookup("a"):
        daemon.stop()
        raise ZeroDivisionError


def test_closing_fails_what_waits_once(daemon: FakeDaemon) -> None:
    """A closed client answers its waiting calls 10111 and further ones 10093."""
    client = nspd.Client(daemon.path)
    records = client.begin("a")
    waiting = in_thread(records.next)
    daemon.expect(NEXT)
    client.close()
    client.close()
    assert isinstance(waiting.exception(DEADLINE), errors.LookupCancelled)
    assert daemon.count("NSPv2Cleanup") == 1
    with pytest.raises(errors.NotInitialised):
        client.status()
    with pytest.raises(errors.InvalidHandle):
        records.next()


def test_closing_does_not_wait_for_a_daemon_that_hangs(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The confirmation of the session's end is waited for within a bound."""
    monkeypatch.setattr(sync_connection, "CLOSE_GRACE", 0.01)
    daemon.hold("NSPv2Cleanup")
    client = nspd.Client(daemon.path)
    with client.lookup("a"):
        client.close()
    assert daemon.expect("NSPv2Cleanup").id is not None


def test_a_forgotten_lookup_is_ended(daemon: FakeDaemon, client: nspd.Client) -> None:
    """Once nothing refers to it, End is sent with a warning, as files do."""
    daemon.hold(END)
    records = client.begin("a")
    with pytest.warns(ResourceWarning, match="lookup 7 was not ended"):
        del records
    assert daemon.expect(END).params == {"lookup": 7}


def test_a_forgotten_client_is_closed(daemon: FakeDaemon) -> None:
    """Once nothing refers to it, the connection is closed with a warning."""
    daemon.answer("nspd.FlushCaches", None)
    client = nspd.Client(daemon.path)
    client.flush_caches()
    with pytest.warns(ResourceWarning, match="was not closed"):
        del client


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_opens_its_own_connection(daemon: FakeDaemon, client: nspd.Client) -> None:
    """The child's calls do not mix with the parent's; the parent's handle is not its own."""
    daemon.answer("nspd.FlushCaches", None)
    with client.lookup("a") as records:
        child = os.fork()
        if child == 0:
            os._exit(in_child(client, records))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert daemon.count(END) == 0
        client.flush_caches()
    assert daemon.connections == 2
    assert daemon.count(END) == 1


def in_child(client: nspd.Client, records: Lookup) -> int:
    """What the forked child does; its exit status says how far it came."""
    try:
        records.next()
    except errors.InvalidHandle:
        client.flush_caches()
        return 0
    except nspd.WSAError:
        return 2
    return 1


def test_a_message_that_cannot_be_read_ends_the_connection(
    daemon: FakeDaemon, client: nspd.Client
) -> None:
    """Calls that wait get a RemoteProtocolError, which is a WSAError; the next one is fresh."""
    waiting = in_thread(client.status)
    request = daemon.expect("nspd.Status")
    request.reply_to("never asked")
    assert isinstance(waiting.exception(DEADLINE), RemoteProtocolError)
    round_trip(daemon, client)
    assert daemon.connections == 2


def test_events_are_iterated_until_closed(daemon: FakeDaemon, client: nspd.Client) -> None:
    """A monitor yields typed events; closing withdraws its call and stops the iteration."""
    with client.monitor() as events:
        request = daemon.expect("nspd.Monitor")
        request.notify("nspd.Event", {"event": "lookup_begun", "time": 1.5, "lookup": 7})
        event = next(events)
        assert (event.event, event.lookup) == ("lookup_begun", 7)
        waiting = in_thread(lambda: list(events))
    assert waiting.result(DEADLINE) == []
    assert daemon.expect(CANCEL).params == {"id": request.id}
    assert list(events) == []


def test_a_monitor_that_is_refused_says_why(daemon: FakeDaemon, client: nspd.Client) -> None:
    """The error of the Monitor call is raised by the iteration."""
    daemon.refuse("nspd.Monitor", 10013)
    events = client.monitor()
    for _ in range(2):
        with pytest.raises(errors.AccessDenied):
            next(events)


def test_a_slow_reader_of_events_is_bounded(
    daemon: FakeDaemon, client: nspd.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is past the bound is dropped and counted."""
    monkeypatch.setattr(sync_lookup, "MAX_EVENTS", 2)
    with client.monitor() as events:
        request = daemon.expect("nspd.Monitor")
        for moment in range(5):
            request.notify("nspd.Event", {"event": "lookup_begun", "time": float(moment)})
        round_trip(daemon, client)
        assert [next(events).time, next(events).time] == [0.0, 1.0]
        assert events.dropped == 3


def test_a_lookup_that_has_not_begun_has_no_handle(client: nspd.Client) -> None:
    """`lookup` alone begins nothing."""
    with pytest.raises(errors.InvalidHandle, match="begin"):
        _ = client.lookup("a").handle


def test_begin_twice_is_refused(client: nspd.Client) -> None:
    """A second begin would leave the first handle behind; `with` takes a begun lookup."""
    with client.begin("a") as records, pytest.raises(errors.InvalidArgument):
        records.begin()


def test_an_unencodable_member_leaves_the_connection_usable(
    daemon: FakeDaemon, client: nspd.Client
) -> None:
    """A request that cannot be written is refused before anything is sent."""
    with pytest.raises(errors.InvalidArgument):
        client.resolve("\udc80")
    round_trip(daemon, client)
    assert daemon.count("nspd.Lookup") == 0
