"""The registry on its database: what lasts, when it is seen, and what failures leave."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
import structlog.testing

from nspd.core.provider import Host
from nspd.model.errors import AccessDenied, NotReady, TryAgain
from nspd.model.flags import ServiceOperation
from nspd.model.queryset import QuerySet
from nspd.providers.registry import RegistryProvider
from nspd.providers.registry.store import Store
from tests.providers.registry.calls import (
    BOB,
    DELETE,
    DEREGISTER,
    ONE,
    REGISTER,
    TWO,
    WITHOUT_ADDRESSES,
    address,
    addresses,
    change,
    found,
    named,
    names,
)
from tests.providers.registry.conftest import WallClock

_T = TypeVar("_T")

pytestmark = pytest.mark.anyio


class SlowDisk:
    """A host whose worker can be held up, to look at what is so in the meantime."""

    def __init__(self, host: Host) -> None:
        self.log = host.log
        self._host = host
        self._free = anyio.Event()
        self._free.set()
        self.reached = anyio.Event()
        """Somebody has been held up."""

    async def run_blocking(self, function: Callable[..., _T], *args: Any) -> _T:
        if not self._free.is_set():
            self.reached.set()
            await self._free.wait()
        return await self._host.run_blocking(function, *args)

    def hold(self) -> None:
        """Hold up the calls that come from now on."""
        self._free = anyio.Event()

    def release(self) -> None:
        """Let them go on."""
        self._free.set()


async def test_registrations_last(
    stored: RegistryProvider, host: Host, wall_clock: WallClock
) -> None:
    """What was permanent or leased is there after a restart, in its order, and as it was."""
    async with stored.running(host):
        await change(stored, named("c", address(1, protocol=0)))
        await change(stored, named("a", ONE), machine=True, uid=BOB)
        await change(stored, named("gone", ONE))
        await change(stored, named("gone"), DELETE)
        await change(stored, named("b", ONE), ttl=10.0)
        await change(stored, named("lapsed", ONE), ttl=5.0)
        await change(stored, named("empty", ONE))
        await change(stored, named("empty"), DEREGISTER)
        await change(stored, named("bound", ONE), session=1)
        await change(stored, named("rebound", ONE))
        await change(stored, named("rebound", ONE), session=1)
        before = found(stored, named("*"), flags=WITHOUT_ADDRESSES)
        assert len(before) == 7
    wall_clock.now += 5
    async with stored.running(host):
        after = found(stored, named("*"), flags=WITHOUT_ADDRESSES)
        assert names(after) == ["c", "b", "empty", "a"]
        assert all(record in before for record in after)
        with pytest.raises(AccessDenied):
            await change(stored, named("a", TWO), machine=True)
        await change(stored, named("c", ONE), DELETE, multiple=True)
        await change(stored, named("new", ONE))
        wall_clock.now += 5
    async with stored.running(host):
        after = found(stored, named("*"), flags=WITHOUT_ADDRESSES)
        assert names(after) == ["empty", "new", "a"]


async def test_rows_do_not_pile_up(
    stored: RegistryProvider, host: Host, database: Path, wall_clock: WallClock
) -> None:
    """The rows of leases that ended are deleted along with a later change."""
    async with stored.running(host):
        for index in range(3):
            await change(stored, named(f"leased-{index}", ONE), ttl=1.0)
        await change(stored, named("leased-0", ONE), ttl=9.0)
        wall_clock.now += 1
        await change(stored, named("leased-1", ONE))
    assert stored_names(database) == ["leased-0", "leased-1"]


async def test_what_is_bound_to_a_session_is_never_stored(
    stored: RegistryProvider, host: Host, database: Path
) -> None:
    """A crash of the daemon ends sessions too, so the database must not hold their names."""
    async with stored.running(host):
        await change(stored, named("permanent", ONE))
        await change(stored, named("bound", ONE), session=1)
        await change(stored, named("bound", TWO), session=1, multiple=True)
        await change(stored, named("permanent", ONE), session=1)
    assert stored_names(database) == []


async def test_concurrent_changes(stored: RegistryProvider, host: Host) -> None:
    """Many changes at a time, stored in groups, come out as if one after the other."""

    async def add(port: int) -> None:
        await change(stored, named("web", address(port)), multiple=True)

    async with stored.running(host):
        async with anyio.create_task_group() as tasks:
            for port in range(600):
                tasks.start_soon(add, port)
        [record] = found(stored, named("web"))
    async with stored.running(host):
        assert found(stored, named("web")) == [record]
    assert record.addresses is not None
    assert {a.remote.port for a in record.addresses if a.remote} == set(range(600))


async def test_a_failed_write_changes_nothing(
    stored: RegistryProvider, host: Host, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is told to the client, the old entry stays, and later changes work. Case 110."""
    limited_to(monkeypatch, pages=16)
    large = QuerySet(service_instance_name="web", blob=bytes(65536))
    async with stored.running(host):
        await change(stored, named("web", ONE))
        with pytest.raises(TryAgain, match="full"):
            await change(stored, large)
        assert addresses(stored, "web") == [(ONE,)]
        await change(stored, named("mail", ONE))
        before = found(stored, named("*"))
    async with stored.running(host):
        assert found(stored, named("*")) == before


async def test_a_failed_write_fails_the_whole_group(
    stored: RegistryProvider, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No change is refused because of another that was in the end not made.

    Of two DELETEs that are stored together one is decided to find nothing; as
    nothing is stored, both learn that instead.
    """
    limited_to(monkeypatch, pages=16)
    large = QuerySet(service_instance_name="large", blob=bytes(65536))
    failed: list[ServiceOperation] = []

    async def attempt(registration: QuerySet, operation: ServiceOperation) -> None:
        with pytest.raises(TryAgain):
            await change(stored, registration, operation)
        failed.append(operation)

    async with stored.running(host):
        await change(stored, named("web", ONE))
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(attempt, named("web"), DELETE)
            tasks.start_soon(attempt, large, REGISTER)
        assert sorted(failed) == [REGISTER, DELETE, DELETE]
        assert addresses(stored, "web") == [(ONE,)]


async def test_a_change_is_seen_once_it_is_stored(stored: RegistryProvider, host: Host) -> None:
    """Until the transaction has committed, lookups find what was there before."""
    slow = SlowDisk(host)
    async with stored.running(slow):
        await change(stored, named("web", ONE))
        async with anyio.create_task_group() as tasks:
            slow.hold()
            tasks.start_soon(change, stored, named("web", TWO))
            tasks.start_soon(change, stored, named("mail", TWO))
            await slow.reached.wait()
            assert addresses(stored, "*") == [(ONE,)]
            slow.release()
        assert addresses(stored, "*") == [(TWO,), (TWO,)]


async def test_a_session_that_ends_while_its_change_is_stored(
    stored: RegistryProvider, host: Host
) -> None:
    """A registration whose session ends meanwhile is made, and gone. Case 114."""
    slow = SlowDisk(host)
    async with stored.running(slow):
        await change(stored, named("web", ONE))
        async with anyio.create_task_group() as tasks:
            slow.hold()
            tasks.start_soon(lambda: change(stored, named("web", TWO), session=1))
            await slow.reached.wait()
            stored.session_ended(1)
            slow.release()
        assert found(stored, named("*")) == []


async def test_a_session_that_ends_while_its_change_waits(
    stored: RegistryProvider, host: Host
) -> None:
    """A registration that is decided after its session has ended leaves nothing to count."""
    slow = SlowDisk(host)
    async with stored.running(slow):
        slow.hold()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(change, stored, named("web", ONE))
            await slow.reached.wait()
            tasks.start_soon(lambda: change(stored, named("bound", ONE), session=1))
            await anyio.wait_all_tasks_blocked()
            stored.session_ended(1)
            slow.release()
        await change(stored, named("new", ONE), limit=2)
        assert names(found(stored, named("*"))) == ["web", "new"]


async def test_a_change_outlives_its_client(stored: RegistryProvider, host: Host) -> None:
    """A change whose caller is cancelled while it is stored is made entirely. Case 114."""
    slow = SlowDisk(host)
    async with stored.running(slow):
        slow.hold()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(change, stored, named("web", ONE, TWO))
            await slow.reached.wait()
            tasks.cancel_scope.cancel()
        slow.release()
    async with stored.running(host):
        assert addresses(stored, "web") == [(ONE, TWO)]


async def test_stopping_finishes_what_has_begun(stored: RegistryProvider, host: Host) -> None:
    """The store closes after the changes under way, even if its owner is cancelled."""
    slow = SlowDisk(host)
    done: list[str] = []

    async def register(name: str) -> None:
        await change(stored, named(name, ONE))
        done.append(name)

    async def release_when_stopping() -> None:
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(NotReady):
            await change(stored, named("late", ONE))
        slow.release()

    async with anyio.create_task_group() as clients:
        with anyio.CancelScope() as scope:
            async with stored.running(slow):
                slow.hold()
                clients.start_soon(register, "first")
                await slow.reached.wait()
                clients.start_soon(register, "second")
                await anyio.wait_all_tasks_blocked()
                clients.start_soon(release_when_stopping)
                scope.cancel()
                await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert done == ["first", "second"]
    async with stored.running(host):
        assert names(found(stored, named("*"))) == ["first", "second"]


async def test_broken_entries_are_passed_over(
    stored: RegistryProvider, host: Host, database: Path
) -> None:
    """One broken entry is logged, without its name, and the good ones are served. Case 118."""
    async with stored.running(host):
        for name in ("a", "b", "c"):
            await change(stored, named(name, ONE))
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE registration SET entry = x'7b' WHERE id = 2")
    connection.close()
    with structlog.testing.capture_logs() as logs:
        async with stored.running(host):
            assert names(found(stored, named("*"))) == ["a", "c"]
            await change(stored, named("d", ONE))
    assert [(entry["log_level"], entry["row"]) for entry in logs] == [("warning", 2)]


async def test_a_name_stored_twice(stored: RegistryProvider, host: Host, database: Path) -> None:
    """Of two rows that are now the same name the later one counts, and alone remains."""
    async with stored.running(host):
        await change(stored, named("a", ONE))
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(
            "INSERT INTO registration SELECT 7, user, maker, registered, expires,"
            """ '{"service_instance_name": "A"}' FROM registration"""
        )
        connection.execute("UPDATE registration SET entry = CAST(entry AS BLOB)")
    connection.close()
    async with stored.running(host):
        assert names(found(stored, named("*"))) == ["A"]
        await change(stored, named("b", ONE))
    assert stored_names(database) == ["A", "b"]


async def test_a_database_that_cannot_be_used(
    stored: RegistryProvider, host: Host, database: Path
) -> None:
    """The provider does not start on a file that is no database, and names it."""
    await anyio.Path(database).write_bytes(b"no database" * 1000)
    with pytest.raises(OSError, match=str(database)):
        async with stored.running(host):
            pytest.fail("it started")


def limited_to(monkeypatch: pytest.MonkeyPatch, *, pages: int) -> None:
    """Have every database opened from now on find the disk full at that size."""
    connect = sqlite3.connect

    def small(*args: Any, **kwargs: Any) -> Any:
        connection = connect(*args, **kwargs)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)


def stored_names(database: Path) -> list[str | None]:
    """The names in the database, in order."""
    store = Store(database)
    contents = store.open(0.0)
    store.close()
    return [row.registered.entry.service_instance_name for row in contents.rows]
