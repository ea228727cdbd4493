"""The provider of the hosts namespace: answers, reloads and watches of a hosts file."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import chain
from typing import NoReturn

import anyio
import anyio.lowlevel
import anyio.to_thread
import structlog

from nspd.core import provider
from nspd.core.provider import Answer, Query, Results
from nspd.model.namespaces import Namespace
from nspd.providers.hosts.asking import (
    NothingToFind,
    RecordMaker,
    families_of,
    is_plain,
    question_of,
    wants_aliases,
)
from nspd.providers.hosts.loading import Loaded
from nspd.providers.hosts.questions import Host, NameQuestion, Question
from nspd.providers.hosts.source import MissingFile, Reading, UnusableFile, read_hosts
from nspd.providers.hosts.table import HostTable
from nspd.providers.hosts.watching import Told

POLL_INTERVAL = 1.0
"""Seconds between two looks at the file."""

_AT_ONCE = 1024
"""Lines that may be read within Begin; a question that needs more gets a task."""

_SLICE = 128  # lines that a task reads before it lets others run: about a millisecond
_KEPT_ANSWERS = 16_384
_BREATH = 0.00005  # seconds; of 0 the waiting threads see nothing, it is over too soon


class HostsProvider(provider.Provider):
    """Names and addresses from a hosts file, read anew whenever the file changes.

    A lookup keeps the contents that it found at its beginning; a watch is told
    of what changes afterwards.
    """

    kind = "hosts"
    namespace = int(Namespace.TCPIP_HOSTS)
    watches = True

    def __init__(
        self,
        *,
        path: str = "/etc/hosts",
        provider_id: str | None = None,
        identifier: str | None = None,
        namespace: int | None = None,
    ) -> None:
        """Make the provider; it reads nothing before it is `running`.

        Args:
            path: the hosts file.
            provider_id: its GUID in the catalog.
            identifier: its name in the catalog.
            namespace: the namespace served, if it is to be another.

        Raises:
            ValueError: the path can be that of no file.
        """
        super().__init__(provider_id=provider_id, identifier=identifier, namespace=namespace)
        if not path or "\0" in path:
            raise ValueError(f"{path!r} is not a path")
        self._path = path
        self._log = structlog.get_logger()
        self._reading: Reading | None = None
        self._complaint: str | None = None
        self._table = HostTable()
        self._answers: tuple[dict[str, Answer], dict[str, Answer]] = ({}, {})

    @asynccontextmanager
    async def running(self, host: provider.Host) -> AsyncIterator[None]:
        """Read the file, then look every `POLL_INTERVAL` whether it has changed."""
        self._log = host.log
        self._limiter = anyio.CapacityLimiter(1)
        self._reloading = anyio.Lock()
        self._changed = anyio.Event()
        self._look_now = anyio.Event()
        await self.reload()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._poll)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def _poll(self) -> None:
        while True:
            with anyio.move_on_after(POLL_INTERVAL):
                await self._look_now.wait()
            self._look_now = anyio.Event()
            await self.reload()

    def flush(self) -> None:
        """Look at the file now instead of within `POLL_INTERVAL`; only while `running`."""
        self._look_now.set()

    async def reload(self) -> bool:
        """Look at the file, and take over its contents if they have changed.

        A file that is not there counts as empty. From one that cannot be read,
        the last contents stay in force. Both are logged when they begin.

        Returns:
            Whether there are new contents.
        """
        async with self._reloading:
            stop = threading.Event()
            try:
                # Not one of the daemon's workers, which are waited for: a file
                # system that hangs must not hold up the shutdown.
                reading = await anyio.to_thread.run_sync(
                    partial(read_hosts, self._path, self._reading, partial(_breathe, stop)),
                    abandon_on_cancel=True,
                    limiter=self._limiter,
                )
            except MissingFile as error:
                self._complain("the hosts file is missing, and counts as empty", error)
                self._reading = None
                return self._publish(HostTable()) if self._table.lines else False
            except UnusableFile as error:
                self._complain("the hosts file cannot be read, its last contents stay", error)
                return False
            finally:
                stop.set()
            self._complaint = None
            self._reading = reading
            if reading.contents.table is self._table:
                return False
            self._report(reading.contents)
            return self._publish(reading.contents.table)

    def _publish(self, table: HostTable) -> bool:
        self._table = table
        self._answers = ({}, {})
        self._changed.set()
        self._changed = anyio.Event()
        return True

    def _complain(self, event: str, error: UnusableFile) -> None:
        complaint = f"{event}: {error}"
        if complaint != self._complaint:
            self._complaint = complaint
            self._log.warning(event, path=self._path, error=str(error))

    def _report(self, contents: Loaded) -> None:
        for line in contents.examples:
            self._log.warning(
                "hosts line passed over", path=self._path, line=line.number, reason=line.reason
            )
        if (more := contents.broken - len(contents.examples)) > 0:
            self._log.warning("more hosts lines passed over", path=self._path, lines=more)
        self._log.info("hosts file read", path=self._path, lines=contents.table.lines)

    def answer(self, query: Query) -> Answer | None:
        """Answer from memory; None for a watch, and for what must read many lines."""
        if query.story is not None:
            lines, problem = self._table.lines, self._complaint
            query.story.note("file", path=self._path, lines=lines, problem=problem)
        if query.watch:
            return None
        name = query.restrictions.service_instance_name or ""
        answers = self._answers[wants_aliases(query)] if is_plain(query) else {}
        if (kept := answers.get(name)) is not None:
            return kept
        question, table = question_of(query), self._table
        if isinstance(question, NothingToFind):
            return Answer((), known=question.known)
        if question.is_long(table, _AT_ONCE):
            return None
        known = any(True for _ in _hosts(question, table))
        if not known:
            return Answer(())
        records = chain.from_iterable(map(self._maker(query).records, _hosts(question, table)))
        if not isinstance(question, NameQuestion):
            return Answer(records, known=True)
        if len(answers) >= _KEPT_ANSWERS:
            answers.clear()
        answers[name] = Answer(tuple(records), known=True)
        return answers[name]

    async def lookup(self, query: Query, results: Results) -> None:
        """Enumerate a file of many lines, or watch a file."""
        question, table = question_of(query), self._table
        if isinstance(question, NothingToFind):
            if question.known:
                results.known()
        else:
            maker = self._maker(query)
            for number, key in enumerate(question.keys(table), start=1):
                host = question.host(table, key) if key is not None else None
                if host is not None:
                    results.known()
                    for record in maker.records(host):
                        await results.send(record)
                if number % _SLICE == 0:
                    await anyio.lowlevel.checkpoint()
        if not query.watch:
            return
        results.synced()
        if isinstance(question, NothingToFind):
            await anyio.sleep_forever()
        else:
            await self._watch(Told(question, maker, table), results)

    async def _watch(self, told: Told, results: Results) -> NoReturn:
        while True:
            if told.table is self._table:
                await self._changed.wait()
            for number, changes in enumerate(told.changes(lambda: self._table), start=1):
                for change in changes:
                    await results.send(change)
                if number % _SLICE == 0:
                    await anyio.lowlevel.checkpoint()

    def _maker(self, query: Query) -> RecordMaker:
        return RecordMaker(
            self.namespace, self.provider_id, families_of(query), wants_aliases(query)
        )


def _hosts(question: Question, table: HostTable) -> Iterator[Host]:
    for key in question.keys(table):
        host = question.host(table, key) if key is not None else None
        if host is not None:
            yield host


def _breathe(stop: threading.Event) -> None:
    if stop.is_set():
        raise _Abandoned
    time.sleep(_BREATH)


class _Abandoned(Exception):
    """Nobody waits any more for what this thread reads."""
