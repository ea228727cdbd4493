"""The provider of the hosts namespace."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
import structlog
import trio.testing
from structlog.testing import CapturingLogger

from nspd.core.provider import Answer, Query
from nspd.model.flags import LookupFlags, ResultFlags
from nspd.model.queryset import AfProtocol, QuerySet
from nspd.providers.hosts import HostsProvider, provider
from nspd.providers.hosts.provider import POLL_INTERVAL

pytestmark = pytest.mark.anyio

_T = TypeVar("_T")

DEADLINE = 30
"""Seconds after which a test that waits for what never comes fails."""


class FakeHost:
    """What the daemon offers the provider; keeps what is logged."""

    def __init__(self) -> None:
        self.lines = CapturingLogger()
        self.log = structlog.wrap_logger(self.lines, processors=[])

    async def run_blocking(self, function: Callable[..., _T], *args: Any) -> _T:
        """Call the function; nothing here blocks for long."""
        return function(*args)

    def events(self, level: str = "warning") -> list[dict[str, object]]:
        """What was logged at a level."""
        return [dict(call.kwargs) for call in self.lines.calls if call.method_name == level]


class Received:
    """The reader of one lookup."""

    def __init__(self) -> None:
        self.records: list[tuple[str | None, int | None]] = []
        self.is_known = False
        self.synced_at: int | None = None
        self._more = anyio.Condition()

    async def send(self, record: QuerySet) -> None:
        """Take a record."""
        self.records.append((record.service_instance_name, record.output_flags))
        async with self._more:
            self._more.notify_all()

    def known(self) -> None:
        """Note that the name exists."""
        self.is_known = True

    def synced(self) -> None:
        """Note where the existing set ended."""
        self.synced_at = len(self.records)

    def on_cancel(self, let_go: Callable[[], object], *, returns: bool = False) -> None:
        """Take no note: nothing is to be let go of."""

    async def has(self, count: int) -> None:
        """Wait until so many records have come."""
        async with self._more:
            while len(self.records) < count:
                await self._more.wait()


class Setting:
    """A running provider, its file, and what it logs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.host = FakeHost()
        self.provider = HostsProvider(path=str(path))

    def write(self, text: str) -> None:
        """Replace the file."""
        new = self.path.with_name("new")
        new.write_text(text)
        os.replace(new, self.path)

    def ask(
        self,
        name: str | None,
        flags: int = LookupFlags.RETURN_ALL,
        protocols: tuple[AfProtocol, ...] | None = None,
        query_string: str | None = None,
    ) -> Answer | None:
        """Ask for a name."""
        restrictions = QuerySet(
            service_instance_name=name, protocols=protocols, query_string=query_string
        )
        return self.provider.answer(Query(restrictions=restrictions, control_flags=int(flags)))

    def found(self, name: str, flags: int = LookupFlags.RETURN_ALL) -> list[str]:
        """The addresses found for a name, after the canonical name."""
        answer = self.ask(name, flags)
        assert answer is not None
        return [
            text
            for record in answer.records
            for text in (
                record.service_instance_name or "",
                *(pair.remote.host or "" for pair in record.addresses or () if pair.remote),
            )
        ]


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    """A provider that does not run yet, and a small file."""
    setting = Setting(tmp_path / "hosts")
    setting.write("127.0.0.1 localhost loop\n::1 localhost\n10.0.0.1 four\n")
    return setting


@asynccontextmanager
async def started(setting: Setting) -> AsyncIterator[None]:
    """The provider runs, and the test ends in time."""
    with anyio.fail_after(DEADLINE):
        async with setting.provider.running(setting.host):
            yield


def test_the_entry_point_gives_the_provider() -> None:
    """It is found by its place, with the number and GUID of its namespace."""
    entry = EntryPoint("hosts", "nspd.providers.hosts:HostsProvider", "nspd.providers")
    hosts = entry.load()(path="/etc/hosts", identifier="files")
    assert (hosts.kind, hosts.identifier, hosts.namespace) == ("hosts", "files", 11)
    assert hosts.provider_id == "5e1d0000-0000-4000-8000-00000000000b"
    assert hosts.watches
    assert not hosts.registers


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_an_impossible_path_is_refused(path: str) -> None:
    """It is a mistake of the configuration, found before anything runs."""
    with pytest.raises(ValueError, match="is not a path"):
        HostsProvider(path=path)


async def test_a_name_is_answered_at_once(setting: Setting) -> None:
    """One record with all addresses of both families, then the aliases if asked for."""
    async with started(setting):
        assert setting.found("LocalHost.") == ["localhost", "127.0.0.1", "::1", "loop"]
        assert setting.found("localhost", LookupFlags.RETURN_ADDR) == [
            "localhost",
            "127.0.0.1",
            "::1",
        ]
        assert setting.found("*r") == ["four", "10.0.0.1"]
        assert setting.found("10.0.0.1") == ["four", "10.0.0.1"]
        assert setting.ask("none") == Answer(())
        assert setting.found("") == setting.found("*")


async def test_a_name_without_what_is_asked_for_is_known(setting: Setting) -> None:
    """No address of the family, a service, or containers (case 14): known, and no record."""
    inet6 = (AfProtocol("inet6", 0),)
    async with started(setting):
        nothing = [
            setting.ask("four", protocols=inet6),
            setting.ask("f*", protocols=inet6),
            setting.ask("10.0.0.1", protocols=inet6),
            setting.ask("four", query_string="ftp/tcp"),
            setting.ask("none", LookupFlags.CONTAINERS),
        ]
        for answer in nothing:
            assert answer is not None
            assert (list(answer.records), answer.known) == ([], True)
        unknown = setting.ask("none", query_string="ftp/tcp")
        assert unknown == Answer(())


async def test_an_answer_is_made_once(setting: Setting) -> None:
    """Asked again, a name gives the same records, without making them anew."""
    async with started(setting):
        assert setting.ask("four") is setting.ask("four")
        assert setting.ask("four") is not setting.ask("four", LookupFlags.RETURN_ADDR)


async def test_kept_answers_are_bounded(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spelling a name in ever new ways cannot fill the memory."""
    monkeypatch.setattr(provider, "_KEPT_ANSWERS", 2)
    async with started(setting):
        first = setting.ask("four")
        for name in ("Four", "fOur"):
            assert setting.ask(name) == first
        assert setting.ask("four") == first
        assert setting.ask("four") is not first


async def test_an_enumeration_keeps_what_it_began_with(setting: Setting) -> None:
    """A reload in the middle of it changes none of its records."""
    async with started(setting):
        answer = setting.ask("*", LookupFlags.RETURN_NAME)
        assert answer is not None
        records = iter(answer.records)
        names = [next(records).service_instance_name]
        setting.write("10.0.0.9 nine\n")
        assert await setting.provider.reload()
        names += [record.service_instance_name for record in records]
        assert names == ["localhost", "four"]
        assert setting.found("*") == ["nine", "10.0.0.9"]


@pytest.mark.parametrize("name", ["host-*", "0.0.0.0"])
async def test_an_enumeration_of_many_lines_gets_a_task(setting: Setting, name: str) -> None:
    """It is not answered at once, for then others would have to wait; it gives the same."""
    setting.write("".join(f"0.0.0.0 host-{number}\n" for number in range(3000)))
    query = Query(
        restrictions=QuerySet(service_instance_name=name),
        control_flags=int(LookupFlags.RETURN_ALL),
    )
    received = Received()
    async with started(setting):
        assert setting.provider.answer(query) is None
        await setting.provider.lookup(query, received)
    assert received.records == [(f"host-{number}", 0) for number in range(3000)]
    assert received.is_known
    assert received.synced_at is None


async def test_a_long_search_for_nothing_lets_others_run(setting: Setting) -> None:
    """A pattern that matches nothing in a large file gives way again and again."""
    setting.write("".join(f"0.0.0.0 host-{number}\n" for number in range(3000)))
    query = Query(restrictions=QuerySet(service_instance_name="none*"), control_flags=0)
    turns = 0
    done = False

    async def search() -> None:
        nonlocal done
        await setting.provider.lookup(query, Received())
        done = True

    async with started(setting), anyio.create_task_group() as tasks:
        tasks.start_soon(search)
        while not done:
            await anyio.lowlevel.checkpoint()
            turns += 1
    assert turns > 10


async def test_broken_lines_are_logged_once_for_each_load(setting: Setting) -> None:
    """By number and reason, the first twenty; of the rest only how many there are."""
    setting.write("10.0.0.1 a\n" + "rubbish\n" * 23)
    async with started(setting):
        await setting.provider.reload()
        events = setting.host.events()
        assert [event.get("line") for event in events[:-1]] == list(range(2, 22))
        assert {event["reason"] for event in events[:-1]} == {"there is no name after the address"}
        assert events[-1]["lines"] == 3
        assert setting.found("a") == ["a", "10.0.0.1"]


async def test_a_missing_file_is_empty_and_may_appear_later(setting: Setting) -> None:
    """The warning comes once, and again when the file goes missing again."""
    setting.path.unlink()
    async with started(setting):
        await setting.provider.reload()
        assert len(setting.host.events()) == 1
        assert setting.ask("four") == Answer(())
        setting.write("10.0.0.1 four\n")
        assert await setting.provider.reload()
        assert setting.found("four") == ["four", "10.0.0.1"]
        setting.path.unlink()
        assert await setting.provider.reload()
        assert setting.ask("four") == Answer(())
        assert len(setting.host.events()) == 2


async def test_an_unreadable_file_leaves_the_last_contents(setting: Setting) -> None:
    """The reason is logged once; when it is over, the file is read again."""
    async with started(setting):
        setting.path.unlink()
        setting.path.mkdir()
        for _ in range(2):
            assert not await setting.provider.reload()
        assert setting.found("four") == ["four", "10.0.0.1"]
        assert len(setting.host.events()) == 1
        setting.path.rmdir()
        setting.write("10.0.0.2 four\n")
        assert await setting.provider.reload()
        assert setting.found("four") == ["four", "10.0.0.2"]


async def test_a_comment_is_no_news_for_a_watch(setting: Setting) -> None:
    """New contents that say the same of a name are not reported."""
    async with watched(setting, "four") as received:
        setting.write("# hello\n10.0.0.1 four\n")
        assert await setting.provider.reload()
        setting.write("10.0.0.2 four\n")
        assert await setting.provider.reload()
        await received.has(2)
    assert received.records == [("four", 0), ("four", ResultFlags.CHANGED)]


@asynccontextmanager
async def watched(setting: Setting, name: str, flags: int = 0) -> AsyncIterator[Received]:
    """A watch of the name, past its existing set."""
    query = Query(
        restrictions=QuerySet(service_instance_name=name), control_flags=flags, watch=True
    )
    received = Received()
    async with started(setting), anyio.create_task_group() as tasks:
        assert setting.provider.answer(query) is None
        tasks.start_soon(setting.provider.lookup, query, received)
        while received.synced_at is None:
            await anyio.lowlevel.checkpoint()
        yield received
        tasks.cancel_scope.cancel()


async def test_a_watch_tells_the_existing_set_and_then_changes(setting: Setting) -> None:
    """Case 116: the present set at once; then what a reload adds, changes and deletes."""
    async with watched(setting, "*") as received:
        assert received.records == [("localhost", 0), ("four", 0)]
        assert received.synced_at == 2
        setting.write("127.0.0.1 localhost\n10.0.0.5 five\n")
        assert await setting.provider.reload()
        await received.has(5)
    assert received.records[2:] == [
        ("localhost", ResultFlags.CHANGED),
        ("four", ResultFlags.DELETED),
        ("five", ResultFlags.ADDED),
    ]


async def test_every_watch_is_told(setting: Setting) -> None:
    """Case 117: two watches of one name get the same change, each once."""
    async with watched(setting, "four") as first:
        query = Query(
            restrictions=QuerySet(service_instance_name="four"), control_flags=0, watch=True
        )
        second = Received()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(setting.provider.lookup, query, second)
            await second.has(1)
            setting.write("")
            assert await setting.provider.reload()
            await first.has(2)
            await second.has(2)
            tasks.cancel_scope.cancel()
    assert first.records == second.records == [("four", 0), ("four", ResultFlags.DELETED)]


async def test_a_watch_for_what_can_never_come_waits(setting: Setting) -> None:
    """It is synced with nothing to tell, and says what a lookup would have said."""
    async with watched(setting, "four", LookupFlags.CONTAINERS) as received:
        setting.write("")
        assert await setting.provider.reload()
    assert received.records == []
    assert received.is_known


async def test_a_reload_that_is_cancelled_leaves_everything_as_it_was(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread stops at the next pause; the next reload reads the file from the start."""
    async with started(setting):
        setting.write("10.0.0.2 four\n" * 1000)
        scope = anyio.CancelScope()
        in_thread: list[Callable[[], bool]] = []
        breathe = provider._breathe

        def cancel_and_breathe(stop: threading.Event) -> None:
            in_thread.append(stop.is_set)
            anyio.from_thread.run_sync(scope.cancel)
            breathe(stop)

        with monkeypatch.context() as patched, scope:
            patched.setattr(provider, "_breathe", cancel_and_breathe)
            await setting.provider.reload()
        assert scope.cancelled_caught
        assert in_thread[0]()
        assert setting.found("four") == ["four", "10.0.0.1"]
        assert await setting.provider.reload()
        assert setting.found("four") == ["four", "10.0.0.2"]


async def test_flush_looks_at_the_file_at_once(setting: Setting) -> None:
    """LUP_FLUSHCACHE does not wait for the next look."""
    async with watched(setting, "four") as received:
        setting.write("10.0.0.2 four\n")
        setting.provider.flush()
        await received.has(2)


CLOCK = trio.testing.MockClock(rate=1.0)


@pytest.mark.parametrize("anyio_backend", [pytest.param(("trio", {"clock": CLOCK}), id="trio")])
async def test_a_change_is_found_within_a_second(setting: Setting) -> None:
    """Nobody has to tell the provider: one look each interval is enough."""
    async with watched(setting, "four") as received:
        setting.write("10.0.0.2 four\n")
        CLOCK.jump(POLL_INTERVAL)
        await received.has(2)
    assert received.records == [("four", 0), ("four", ResultFlags.CHANGED)]
