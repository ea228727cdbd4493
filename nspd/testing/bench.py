"""A provider on a test bench: running, without a router, asked one lookup at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
from anyio.lowlevel import checkpoint
from msgspec import Struct

from nspd.core.backend import threadsafe_caller
from nspd.core.catalog import Entry
from nspd.core.provider import Provider, Query
from nspd.core.workers import Workers
from nspd.model.errors import WSAError
from nspd.model.flags import FIELD_BITS
from nspd.model.queryset import QuerySet
from nspd.testing.violation import ContractViolation

_T = TypeVar("_T")

_DEFAULT_WORKERS = 40


def asked(
    name: str | None = None,
    query_string: str | None = None,
    *,
    control_flags: int = FIELD_BITS,
    watch: bool = False,
    uid: int = 60_001,
    **members: Any,
) -> Query:
    """One lookup, as a provider is asked it.

    Args:
        name: ``service_instance_name``.
        query_string: the member of that name.
        control_flags: LUP_*; by default every field.
        watch: whether changes are wanted.
        uid: the user who asks.
        members: further members of the query set.
    """
    query_set = QuerySet(service_instance_name=name, query_string=query_string, **members)
    return Query(restrictions=query_set, control_flags=control_flags, watch=watch, uid=uid)


class Found(Struct, frozen=True):
    """How one lookup went."""

    records: list[QuerySet]
    known: bool = False
    """The provider said that it knows the name."""
    synced_at: int | None = None
    """How many records came before the end of a watch's existing set was told."""
    error: WSAError | None = None
    at_once: bool = False
    """It was answered, or refused, by ``answer``."""


class Recorder:
    """Takes a lookup's records (`nspd.core.provider.Results`)."""

    def __init__(self, pace: Callable[[], Any] = checkpoint) -> None:
        """Make one.

        Args:
            pace: awaited in each ``send``, before the record counts as taken.
        """
        self.records: list[QuerySet] = []
        self.is_known = False
        self.synced_at: int | None = None
        self.times_synced = 0
        self.sending = 0
        """Records that are being handed over."""
        self.most_sending = 0
        self._pace = pace
        self._let_go: Callable[[], object] | None = None
        self._returns = False
        self._is_cancelled = False
        self.cancel_sender: Callable[[], None] = lambda: None
        """Called when something is sent after the cancellation: nobody wants it."""

    async def send(self, record: QuerySet) -> None:
        if self._is_cancelled:
            self.cancel_sender()
        self.sending += 1
        self.most_sending = max(self.most_sending, self.sending)
        try:
            await self._pace()
        finally:
            self.sending -= 1
        self.records.append(record)

    def known(self) -> None:
        self.is_known = True

    def synced(self) -> None:
        self.times_synced += 1
        if self.synced_at is None:
            self.synced_at = len(self.records)

    def on_cancel(self, let_go: Callable[[], object], *, returns: bool = False) -> None:
        if self._is_cancelled:
            let_go()
        else:
            self._let_go = let_go
            self._returns = returns

    def cancel(self) -> None:
        """Cancel the lookup as the daemon does: who returns by himself is only told."""
        if self._let_go is not None:
            self._let_go()
        self._is_cancelled = True
        if self.sending or not self._returns:
            self.cancel_sender()

    def found(self, error: WSAError | None = None) -> Found:
        """What has come."""
        return Found(self.records, self.is_known, self.synced_at, error)


class Log:
    """Takes a provider's log and forgets it (structlog's manner of calling)."""

    def bind(self, **values: Any) -> Log:
        return self

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda event, *args, **values: None


class Bench:
    """A running provider. Opened and closed by `running`."""

    def __init__(self, provider: Provider, workers: Workers) -> None:
        self.provider = provider
        self.entry = Entry(provider)
        self.workers = workers

    async def find(self, query: Query) -> Found:
        """Ask a lookup that comes to an end.

        Raises:
            ContractViolation: the provider raised what is no `WSAError`.
        """
        answered = await self.answer(query)
        if answered is not None:
            return answered
        recorder = Recorder()
        return recorder.found(await self.perform(query, recorder))

    async def answer(self, query: Query) -> Found | None:
        """What is answered at once; None: `Provider.lookup` has to run."""
        await checkpoint()
        try:
            answer = self.provider.answer(query)
            if answer is None:
                return None
            return Found(list(answer.records), answer.known, at_once=True)
        except WSAError as error:
            return Found([], error=error, at_once=True)
        except Exception as error:
            raise ContractViolation(
                f"for {described(query)} answer raised {error!r}, which is no WSAError"
            ) from error

    async def perform(self, query: Query, recorder: Recorder) -> WSAError | None:
        """Run `Provider.lookup` to its end; the error that it ended with, if any.

        Raises:
            ContractViolation: it raised what is no `WSAError`.
        """
        failed = f"for {described(query)} lookup raised"
        try:
            await self.provider.lookup(query, recorder)
        except WSAError as error:
            return error
        except ExceptionGroup as group:
            cause = cause_of(group)
            if not isinstance(cause, WSAError):
                raise ContractViolation(f"{failed} {cause!r}, which is no WSAError") from cause
            return cause
        except Exception as error:
            raise ContractViolation(f"{failed} {error!r}, which is no WSAError") from error
        return None


class _Host:
    """What a daemon offers its provider (`nspd.core.provider.Host`)."""

    log = Log()

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def run_blocking(self, function: Callable[..., _T], *args: Any) -> _T:
        return await self._workers.run(function, *args)


@asynccontextmanager
async def running(provider: Provider) -> AsyncIterator[Bench]:
    """Run a provider as a daemon does."""
    workers = Workers(provider.workers or _DEFAULT_WORKERS, threadsafe_caller())
    async with provider.running(_Host(workers)):
        yield Bench(provider, workers)


def cause_of(error: BaseException) -> BaseException:
    """The one error inside groups of one: a provider's own task group wraps it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def described(query: Query) -> str:
    """A query for people."""
    restrictions = query.restrictions
    parts = [repr(restrictions.service_instance_name)]
    if restrictions.query_string is not None:
        parts.append(f"query_string {restrictions.query_string!r}")
    if query.watch:
        parts.append("watch")
    if query.control_flags != FIELD_BITS:
        parts.append(f"flags {query.control_flags:#x}")
    return " ".join(parts)


async def eventually(condition: Callable[[], object], within: float) -> bool:
    """Wait until something is so, for so many seconds; whether it is."""
    with anyio.move_on_after(within):
        while not condition():  # noqa: ASYNC110 - what is watched sets no event
            await anyio.sleep(0.001)
    return bool(condition())
