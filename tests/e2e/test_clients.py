"""Both clients, and the Winsock façade, against the real daemon in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

import nspd
from nspd import ws2
from nspd.model import errors
from nspd.wire.results import Census

DEADLINE = 20.0
"""Seconds after which a test that waits in vain fails."""

ROOT = Path(nspd.__file__).parents[1]

CONFIGURATION = """
[daemon]
socket = "{directory}/nspd.sock"
state_dir = "{directory}/state"
backend = "{backend}"

[[provider]]
kind = "hosts"
path = "{directory}/hosts"

[[provider]]
kind = "registry"

[[provider]]
kind = "test"
"""


class Daemon:
    """`nspd serve` on a socket of its own."""

    def __init__(self, directory: Path, backend: str) -> None:
        self.path = str(directory / "nspd.sock")
        self._directory = directory
        (directory / "hosts").write_text("192.0.2.9 printer lp\n")
        text = CONFIGURATION.format(directory=directory, backend=backend)
        (directory / "nspd.toml").write_text(text)

    def start(self) -> None:
        """Start it, and wait until it tells its service manager that it serves."""
        manager = self._directory / "notify.sock"
        manager.unlink(missing_ok=True)
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told,
            (self._directory / "log").open("ab") as log,
        ):
            told.bind(str(manager))
            told.settimeout(DEADLINE)
            program = "from nspd.cli.nspd import main; main()"
            self._process = subprocess.Popen(
                [sys.executable, "-c", program, "serve", "--config", "nspd.toml"],
                cwd=self._directory,
                env={**os.environ, "NOTIFY_SOCKET": str(manager), "PYTHONPATH": str(ROOT)},
                stderr=log,
            )
            assert told.recv(1024).startswith(b"READY=1")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop it, and wait until it is gone."""
        self._process.send_signal(number)
        self._process.wait(timeout=DEADLINE)


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def daemon(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    """A daemon on either event loop."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), request.param)
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def client(daemon: Daemon) -> Iterator[nspd.Client]:
    """A blocking client; after the test the daemon holds what it held before."""
    with nspd.Client(daemon.path, timeout=DEADLINE) as client:
        before = client.status().census
        yield client
        assert settled(client) == held(before)


def held(census: Census) -> tuple[int, ...]:
    """What lookups leave behind if they leak."""
    return census.lookups, census.waiting_calls, census.provider_tasks, census.detached


def settled(client: nspd.Client) -> tuple[int, ...]:
    """What the daemon holds, once the End of every lookup has taken effect."""
    return held(client.status().census)


def waiting(function: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """Run a function that raises in a thread of its own."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except nspd.WSAError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


def test_a_name_of_the_hosts_file(client: nspd.Client) -> None:
    """Iterated and resolved in one round trip, a lookup gives the same record."""
    with client.lookup("printer", namespace=nspd.Namespace.TCPIP_HOSTS) as records:
        found = [record for record in records if not record.output_flags]
    assert records.verdicts[0].outcome == "answered"
    (record,) = found
    assert record.addresses is not None
    assert record.addresses[0].remote == nspd.SocketAddress.inet("192.0.2.9")
    resolution = client.resolve("printer", namespace=nspd.Namespace.TCPIP_HOSTS, limit=1)
    assert resolution.results == (record,)


def test_a_name_that_nobody_knows(client: nspd.Client) -> None:
    """The error says what became of each provider that was asked."""
    with pytest.raises(errors.ServiceNotFound) as caught:
        client.resolve("no-such-name.invalid")
    assert {verdict.identifier for verdict in caught.value.verdicts} == {"hosts", "registry"}


def test_end_in_one_thread_releases_next_in_another(client: nspd.Client) -> None:
    """C2 and C8: the waiter gets LookupCancelled, and End says that work was stopped."""
    records = client.begin(namespace=nspd.Namespace.TEST, query_string="records=0&hang=1")
    thread, raised = waiting(records.next)
    until(lambda: client.status().census.waiting_calls == 1)
    ending = records.end()
    thread.join(DEADLINE)
    assert (ending.cancelled, ending.work) == (1, "stopped")
    assert [type(error) for error in raised] == [errors.LookupCancelled]


def until(condition: Callable[[], bool]) -> None:
    """Ask the daemon again and again until a condition holds."""
    expired = threading.Event()
    timer = threading.Timer(DEADLINE, expired.set)
    timer.start()
    while not condition():
        assert not expired.is_set()
    timer.cancel()


def test_a_registration_is_found_and_deleted(client: nspd.Client) -> None:
    """What one call registers, the next finds, with its members."""
    client.register("café", [("192.0.2.7", 631)], comment="second floor", version=3)
    (record,) = client.resolve("CAFÉ", namespace=nspd.Namespace.REGISTRY).results
    assert (record.service_instance_name, record.comment) == ("café", "second floor")
    assert record.version == nspd.Version(3, "equal")
    client.delete("café")
    with pytest.raises(errors.ServiceNotFound):
        client.delete("café")


def test_management_calls_read_what_the_daemon_says(client: nspd.Client) -> None:
    """Every list and count comes as its type."""
    with client.lookup(namespace=nspd.Namespace.TEST, query_string="records=0&hang=1") as records:
        assert [entry.kind for entry in client.providers()] == ["hosts", "registry", "test"]
        assert records.handle in [entry.lookup for entry in client.lookups()]
        assert len(client.sessions()) >= 1
        assert client.statistics().uptime > 0
        assert "openrpc" in client.discover()
        client.flush_caches()
        assert client.end_lookup(records.handle).cancelled == 0
        with pytest.raises(errors.InvalidHandle):
            records.next()


def test_a_monitor_hears_of_a_lookup(client: nspd.Client) -> None:
    """Begin and End of another client's lookup come as events."""
    with client.monitor() as events, nspd.Client(client.socket) as other:
        client.status()
        with other.lookup("printer") as records:
            handle = records.handle
        seen = [next(event for event in events if event.lookup == handle) for _ in range(2)]
    assert [event.event for event in seen] == ["lookup_begun", "lookup_ended"]


@pytest.fixture
def winsock(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A started Winsock."""
    monkeypatch.setenv("NSPD_SOCKET", daemon.path)
    assert ws2.WSAStartup(ws2.MAKEWORD(2, 2), ws2.WSADATA()) == 0
    yield
    assert ws2.WSACleanup() == 0


@pytest.mark.usefixtures("client", "winsock")
def test_winsock_reads_records_of_growing_size() -> None:
    """Cases 6, 28, 30 and 31: the two-call idiom gets every record of the real daemon."""
    query = ws2.WSAQUERYSET(
        dwSize=ws2.SIZEOF_WSAQUERYSET,
        dwNameSpace=ws2.NS_TEST,
        lpszQueryString="records=120&size=100",
    )
    handle, length, result = ws2.Ref(0), ws2.Ref(0), ws2.WSAQUERYSET()
    assert ws2.WSALookupServiceBegin(query, ws2.LUP_RETURN_ALL, handle) == 0
    names, sizes = [], []
    while True:
        if ws2.WSALookupServiceNext(handle.value, 0, length, result) == 0:
            names.append(result.lpszServiceInstanceName)
        elif ws2.WSAGetLastError() == ws2.WSAEFAULT:
            sizes.append(length.value)
        else:
            break
    assert ws2.WSAGetLastError() == ws2.WSA_E_NO_MORE
    assert names == [f"test-{number}" for number in range(1, 121)]
    assert len(sizes) > 1
    assert sizes == sorted(set(sizes))
    assert ws2.WSALookupServiceEnd(handle.value) == 0


def test_a_restarted_daemon_is_reached_again(daemon: Daemon) -> None:
    """Case 97: killed under a waiting call, the daemon costs it one NetworkDown, and no more."""
    with nspd.Client(daemon.path, timeout=DEADLINE) as client:
        records = client.begin(namespace=nspd.Namespace.TEST, query_string="records=0&hang=1")
        thread, raised = waiting(records.next)
        until(lambda: client.status().census.waiting_calls == 1)
        daemon.stop(signal.SIGKILL)
        thread.join(DEADLINE)
        assert [type(error) for error in raised] == [errors.NetworkDown]
        daemon.start()
        with pytest.raises(errors.InvalidHandle):
            records.next()
        assert client.resolve("printer").results


@pytest.mark.anyio
async def test_no_record_is_lost_wherever_a_call_is_cancelled(daemon: Daemon) -> None:
    """C7, client-side-drop: cancelled before its 1st, 2nd, ... step, the order is complete."""
    names: list[str | None] = []
    async with nspd.AsyncClient(daemon.path, timeout=DEADLINE) as client:
        lookup = client.lookup(namespace=nspd.Namespace.TEST, query_string="records=400")
        async with lookup as records:

            async def take() -> None:
                names.append((await records.next()).service_instance_name)

            for steps in list(range(20)) * 5:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(take)
                    for _ in range(steps):
                        await checkpoint()
                    tasks.cancel_scope.cancel()
            names.extend([record.service_instance_name async for record in records])
    assert names == [f"test-{number}" for number in range(1, 401)]


@pytest.mark.anyio
async def test_cancelled_lookups_leave_nothing_behind(daemon: Daemon) -> None:
    """Fifty lookups left by cancellation, some before their Begin was answered: all are ended."""
    async with nspd.AsyncClient(daemon.path, timeout=DEADLINE) as client:
        before = held((await client.status()).census)

        async def wait() -> None:
            hanging = client.lookup(namespace=nspd.Namespace.TEST, query_string="hang=1")
            async with hanging as records:
                async for _ in records:
                    await checkpoint()

        for steps in range(50):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                for _ in range(steps):
                    await checkpoint()
                tasks.cancel_scope.cancel()
        with anyio.fail_after(DEADLINE):
            while held((await client.status()).census) != before:
                await checkpoint()


@pytest.mark.anyio
async def test_a_watch_reports_changes(daemon: Daemon) -> None:
    """First what exists, then `synced`, then each change as it is made."""
    async with nspd.AsyncClient(daemon.path, timeout=DEADLINE) as client:
        query = "records=2&watch_every=0.001"
        lookup = client.lookup(namespace=nspd.Namespace.TEST, query_string=query, watch=True)
        async with lookup as records:
            present = [await anext(records), await anext(records)]
            assert [record.service_instance_name for record in present] == ["test-1", "test-2"]
            synced = [records.synced]
            change = await anext(records)
            synced.append(records.synced)
    assert synced == [False, True]
    assert change.output_flags
