"""The faults: how each is put into each provider, and what must be said of it.

A cell that cannot exist has the reason in its place.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from functools import partial
from typing import Any, NoReturn

import pytest
from msgspec import Struct

from nspd.model.errors import TryAgain
from nspd.model.queryset import QuerySet
from nspd.model.setservice import Registered
from nspd.providers.dns.resolver import open_resolver
from nspd.providers.hosts import provider as hosts_provider
from nspd.providers.hosts import source
from nspd.providers.hosts.table import HostTable
from nspd.providers.registry.store import Row, Store
from tests.cases.harness import code_of, until
from tests.providers.dns.fakes import Asked, failing, half_a_reply, silence
from tests.providers.faults.catalog import (
    DNS,
    EMAIL,
    HOST,
    HOSTS,
    MAILBOX,
    NUMBERS,
    REGISTRY,
    Bench,
    healthy,
)

FAULTS = ("silent", "slow", "refused", "crash", "truncated", "NXDOMAIN", "over budget")

ANY = -1
"""How many records there are is left open."""

Strike = Callable[[Bench, pytest.MonkeyPatch], None]
Meanwhile = Callable[[Bench], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def nothing(bench: Bench) -> AsyncIterator[None]:
    """The fault is there from the start."""
    yield


class Cell(Struct, frozen=True, kw_only=True):
    """One fault in one provider."""

    strike: Strike
    """Puts the fault in, before the daemon starts."""
    meanwhile: Meanwhile = nothing
    """Puts it in once the daemon runs, and takes it out."""
    name: str = HOST
    """What is looked up."""
    outcome: str = "answered"
    error: int | None = None
    setting: str | None = None
    alone: int | None = 0
    """What a lookup at this provider alone ends with, if not with records; None: see `records`."""
    records: int | None = None
    """Records from the provider; None: any number but none; `ANY`: also none."""
    told: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Events that the explanation has of this provider, in this order, with these facts."""
    at_least: float = 0.0
    """Seconds that the provider takes at least."""
    logged: str | None = None
    """What is logged at error level."""


def at_hand(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change nothing: it is done while the daemon runs."""


def server_that(script: Callable[[Asked], None], provider: str, **options: Any) -> Strike:
    """A DNS server that does this, for one provider."""

    def strike(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        bench.scripts[provider] = script
        bench.options[provider] |= options

    return strike


DELAY = 0.1


def slowly(ask: Asked) -> None:
    """Answer rightly, after a while."""
    threading.Timer(DELAY, healthy, (ask,)).start()


class Crashing:
    """In place of the servers: fails in a way that nobody planned."""

    def __init__(self, **settings: Any) -> None:
        pass

    def change(self, **settings: Any) -> None:
        """Nothing to take over."""

    async def ask(self, *question: Any, **options: Any) -> NoReturn:
        """Fail."""
        raise ZeroDivisionError("planted")


def crashing(*args: Any, **kwargs: Any) -> NoReturn:
    """A function with a bug."""
    raise ZeroDivisionError("planted")


def over_budget(provider: str) -> Strike:
    """A budget shorter than the patience with a silent server."""

    def strike(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        server_that(silence, provider, timeout=30.0)(bench, monkeypatch)
        bench.budgets[provider] = 0.1

    return strike


def over_dns(
    provider: str, crash: dict[str, Any], name: str, registered: int
) -> dict[str, Cell | str]:
    """The cells of a provider that asks DNS servers.

    Args:
        provider: its identifier.
        crash: options that make it fail by a bug.
        name: what is looked up.
        registered: records that it has without the DNS.
    """
    make = partial(Cell, name=name, records=registered)

    def attempt(outcome: str, transport: str = "udp") -> tuple[str, dict[str, Any]]:
        return "attempt", {"outcome": outcome, "transport": transport}

    def unless_registered(code: int) -> int:
        return 0 if registered else code

    def crashed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        bench.options[provider] |= crash

    return {
        "silent": make(
            strike=server_that(silence, provider, timeout=0.1),
            outcome="timed_out",
            error=10060,
            setting="timeout",
            alone=unless_registered(10060),
            at_least=0.1,
            told=(attempt("timed out"), ("ended", {"setting": "timeout", "error": 10060})),
        ),
        "slow": Cell(
            name=name,
            strike=server_that(slowly, provider),
            at_least=DELAY,
            told=(attempt("NOERROR"), ("ended", {"outcome": "answered"})),
        ),
        "refused": make(
            strike=server_that(failing("REFUSED"), provider),
            outcome="failed",
            error=11002,
            alone=unless_registered(11002),
            told=(attempt("REFUSED"), ("ended", {"error": 11002})),
        ),
        "crash": make(
            strike=crashed,
            outcome="failed",
            error=10107,
            alone=unless_registered(10107),
            told=(("ended", {"outcome": "failed", "error": 10107}),),
            logged="provider failed",
        ),
        "truncated": make(
            strike=server_that(half_a_reply, provider),
            outcome="failed",
            error=11002,
            alone=unless_registered(11002),
            told=(
                attempt("truncated"),
                attempt("broken: the connection was closed amid the answer", "tcp"),
                ("ended", {"error": 11002}),
            ),
        ),
        "NXDOMAIN": make(
            strike=server_that(failing("NXDOMAIN"), provider),
            outcome="answered" if registered else "empty",
            alone=unless_registered(10108),
            told=(attempt("NXDOMAIN"), ("ended", {})),
        ),
        "over budget": make(
            strike=over_budget(provider),
            outcome="timed_out",
            error=10060,
            setting="budget",
            alone=unless_registered(10060),
            at_least=0.1,
            told=(("ended", {"setting": "budget"}),),
        ),
    }


# hosts


def hangs_on_reload(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the hosts file hangs, but for the first time."""
    plain = source.read_hosts
    readings = []

    def replaced(*args: Any) -> Any:
        readings.append(args)
        if len(readings) > 1:
            bench.stuck()
        return plain(*args)

    monkeypatch.setattr(hosts_provider, "read_hosts", replaced)


def logged(bench: Bench, event: str) -> list[dict[str, Any]]:
    """What the log says under this heading."""
    return [values for _, each, values in bench.house.log.entries if each == event]


@asynccontextmanager
async def hung_file(bench: Bench) -> AsyncIterator[None]:
    """The file system hangs on a reload: the contents read before still answer."""
    bench.house.router.flush_caches()
    async with bench.stuck.hanging():
        yield


@asynccontextmanager
async def slow_file(bench: Bench) -> AsyncIterator[None]:
    """It answers late: until then the old contents hold, then the new ones."""
    bench.hosts_file.write_text(f"192.0.2.77 {HOST}\n")
    bench.house.router.flush_caches()
    async with bench.stuck.hanging():
        assert await first_host(bench) == "192.0.2.1"
        yield
    await until(lambda: len(logged(bench, "hosts file read")) == 2)
    assert await first_host(bench) == "192.0.2.77"


async def first_host(bench: Bench) -> str:
    """The address that the hosts file has for the host."""
    told = await bench.explain(HOST, namespace=NUMBERS[HOSTS])
    return str(told["results"][0]["addresses"][0]["remote"]["host"])


@asynccontextmanager
async def unreadable(bench: Bench) -> AsyncIterator[None]:
    """Put something in the file's place that cannot be read as one."""
    bench.hosts_file.unlink()
    bench.hosts_file.mkdir()
    bench.house.router.flush_caches()
    await until(lambda: logged(bench, "the hosts file cannot be read, its last contents stay"))
    yield


@asynccontextmanager
async def cut_line_is_told(bench: Bench) -> AsyncIterator[None]:
    """The line that was cut is logged with its number."""
    assert [values["line"] for values in logged(bench, "hosts line passed over")] == [2]
    yield


def hosts_say(text: str, budget: float | None = None) -> Strike:
    """A hosts file with these contents."""

    def strike(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        bench.hosts_file.write_text(text)
        if budget is not None:
            bench.budgets[HOSTS] = budget

    return strike


def broken_table(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug where names are looked for."""
    monkeypatch.setattr(HostTable, "named", crashing)


Told = tuple[tuple[str, dict[str, Any]], ...]
AT_HAND: Told = (("at_hand", {}), ("ended", {"outcome": "answered"}))
NOT_FOUND: Told = (("at_hand", {"records": 0}), ("ended", {"outcome": "empty"}))
BROKEN: Told = (("ended", {"outcome": "failed", "error": 10107}),)

OF_HOSTS: dict[str, Cell | str] = {
    "silent": Cell(strike=hangs_on_reload, meanwhile=hung_file, told=AT_HAND),
    "slow": Cell(strike=hangs_on_reload, meanwhile=slow_file, told=AT_HAND),
    "refused": Cell(strike=at_hand, meanwhile=unreadable, told=AT_HAND),
    "crash": Cell(
        strike=broken_table,
        outcome="failed",
        error=10107,
        alone=10107,
        records=0,
        told=BROKEN,
        logged="provider failed",
    ),
    "truncated": Cell(
        strike=hosts_say(f"192.0.2.1 {HOST}\n192.0.2."), meanwhile=cut_line_is_told, told=AT_HAND
    ),
    "NXDOMAIN": Cell(
        strike=hosts_say("192.0.2.1 other\n"),
        outcome="empty",
        alone=10108,
        records=0,
        told=NOT_FOUND,
    ),
    "over budget": Cell(
        # To tell all of them takes a hundred times as long.
        strike=hosts_say("".join(f"192.0.2.1 h{n}\n" for n in range(30_000)), budget=0.001),
        name="*",
        outcome="timed_out",
        error=10060,
        setting="budget",
        alone=None,
        records=ANY,
        told=(("started", {}), ("ended", {"setting": "budget", "error": 10060})),
    ),
}


# registry


NEW = "new.example.org"


def hangs_on_write(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk hangs while one registration is written."""
    plain = Store.write

    def write(store: Store, rows: Iterable[Row], deleted: Iterable[int]) -> None:
        rows = list(rows)
        if NEW in {row.registered.entry.service_instance_name for row in rows}:
            bench.stuck()
        plain(store, rows, deleted)

    monkeypatch.setattr(Store, "write", write)


@asynccontextmanager
async def hung_disk(bench: Bench) -> AsyncIterator[None]:
    """Lookups are answered from memory, without the change that is not on disk yet."""
    change = bench.client.register(NEW, "192.0.2.9")
    async with bench.stuck.hanging():
        assert code_of(await bench.look_up(NEW, namespace=NUMBERS[REGISTRY])) == 10108
        yield
        assert bench.client.told(change) is None
    assert await bench.client.code(change) == 0


@asynccontextmanager
async def slow_disk(bench: Bench) -> AsyncIterator[None]:
    """Once it is on disk, the change is seen."""
    async with hung_disk(bench):
        yield
    assert code_of(await bench.look_up(NEW, namespace=NUMBERS[REGISTRY])) == 0


@asynccontextmanager
async def full_disk(bench: Bench) -> AsyncIterator[None]:
    """A change is refused by the disk, and leaves what there was."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Store, "write", disk_full)
        assert await bench.register(HOST, REGISTRY) == 11002
        yield


def disk_full(*args: Any) -> NoReturn:
    """No room."""
    raise TryAgain("the disk is full")


@asynccontextmanager
async def broken_registry(bench: Bench) -> AsyncIterator[None]:
    """A bug in the registry's own answers."""
    (entry,) = [each for each in bench.house.router.catalog if each.identifier == REGISTRY]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(entry.provider, "answer", crashing)
        yield


def cut_row(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database in which one of two rows was cut short."""
    path = bench.directory / "registry.db"
    store = Store(path)
    store.open(0.0)
    rows = [
        Row(
            id=n,
            user=None,
            maker=0,
            registered=Registered(QuerySet(service_instance_name=name)),
            expires=None,
        )
        for n, name in ((1, "whole.example.org"), (2, "cut.example.org"))
    ]
    store.write(rows, [])
    store.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE registration SET entry = substr(entry, 1, 20) WHERE id = 2")


@asynccontextmanager
async def cut_row_is_told(bench: Bench) -> AsyncIterator[None]:
    """The broken row is logged, and alone missing."""
    (told,) = logged(bench, "a stored registration cannot be read")
    assert told["row"] == 2
    only = {"namespace": NUMBERS[REGISTRY]}
    assert code_of(await bench.look_up("whole.example.org", **only)) == 0
    assert code_of(await bench.look_up("cut.example.org", **only)) == 10108
    yield


OF_REGISTRY: dict[str, Cell | str] = {
    "silent": Cell(strike=hangs_on_write, meanwhile=hung_disk, told=AT_HAND),
    "slow": Cell(strike=hangs_on_write, meanwhile=slow_disk, told=AT_HAND),
    "refused": Cell(strike=at_hand, meanwhile=full_disk, told=AT_HAND),
    "crash": Cell(
        strike=at_hand,
        meanwhile=broken_registry,
        outcome="failed",
        error=10107,
        alone=10107,
        records=0,
        told=BROKEN,
        logged="provider failed",
    ),
    "truncated": Cell(strike=cut_row, meanwhile=cut_row_is_told, told=AT_HAND),
    "NXDOMAIN": Cell(
        strike=at_hand,
        name="nobody.example.org",
        outcome="empty",
        alone=10108,
        records=0,
        told=NOT_FOUND,
    ),
    "over budget": "its answers are at hand within Begin: there is no work that takes time",
}

TABLE: dict[str, dict[str, Cell | str]] = {
    HOSTS: OF_HOSTS,
    REGISTRY: OF_REGISTRY,
    EMAIL: over_dns(
        EMAIL, {"open_resolver": partial(open_resolver, upstream=Crashing)}, MAILBOX, registered=1
    ),
    DNS: over_dns(DNS, {"upstream": Crashing}, HOST, registered=0),
}
"""Each provider, each fault: the cell, or why there is none."""
