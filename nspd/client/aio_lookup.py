"""Lookups and event streams of the asynchronous client."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import anyio
from anyio import lowlevel
from msgspec import Raw

from nspd.client import calls
from nspd.client.aio_connection import Connection
from nspd.client.calls import Call
from nspd.client.pending import MonitorCall
from nspd.client.records import Records
from nspd.model.errors import (
    InvalidArgument,
    InvalidHandle,
    LookupCancelled,
    NetworkDown,
    NoMoreResults,
    WSAError,
)
from nspd.model.queryset import QuerySet
from nspd.model.verdict import Verdict
from nspd.wire.results import EndResult, Event

MAX_EVENTS = 10_000
"""Events that a reader may leave unread before further ones are dropped."""


class Lookup:
    """One lookup: begun on entering ``async with``, ended on leaving it, iterated for its records.

    Iteration stops where the daemon says that there is no more; if there was no
    record at all, it raises the error that says why (`ServiceNotFound`,
    `NoData`, `TimedOut`, ...). A watch goes on with changes instead: when its
    first set is complete, `synced` turns true and iteration waits.

    Any task may call any method; `end` in one releases `next` in another. A
    lookup lives on the connection over which it was begun: once that is lost,
    the waiting calls raise `NetworkDown` and every later one `InvalidHandle`. A
    lookup that is forgotten is ended when it is collected, with a
    `ResourceWarning`.
    """

    def __init__(
        self,
        begin: Callable[[Call[int]], Awaitable[tuple[Connection, int]]],
        call: Call[int],
        *,
        watch: bool,
    ) -> None:
        """Made by `AsyncClient.lookup` and `AsyncClient.begin`."""
        self._connection: Connection | None = None
        self._handle = 0
        self._begin = begin
        self._call = call
        self._watch = watch
        self._records = Records(watch=watch)
        self.synced = False
        """A watch has delivered all that existed at first; what follows are changes."""
        self.verdicts: tuple[Verdict, ...] = ()
        """What became of each provider; known from the end of the records on."""

    @property
    def handle(self) -> int:
        """The handle by which the daemon knows the lookup.

        Raises:
            InvalidHandle: it has not begun.
        """
        self._begun()
        return self._handle

    async def begin(self) -> Self:
        """Begin now, instead of on entering ``async with``.

        Raises:
            WSAError: the daemon refuses; see `AsyncClient.begin`.
        """
        if self._connection is not None:
            raise InvalidArgument("the lookup has begun already")
        self._connection, self._handle = await self._begin(self._call)
        return self

    async def next(
        self,
        control_flags: int = 0,
        buffer_length: int | None = None,
        timeout: float | None = None,
    ) -> QuerySet:
        """The next record; waits until there is one.

        A cancelled wait loses nothing: the record is there for the next call.

        Args:
            control_flags: field flags that narrow this one record; FLUSHPREVIOUS
                drops the record that did not fit last.
            buffer_length: the most bytes that the record may have in its native form.
            timeout: seconds that the call may wait; 0 takes only what is ready.

        Raises:
            NoMoreResults: every record was delivered; in a watch, once, where
                the existing set ends and changes begin.
            BufferTooSmall: the record needs ``error.needed`` bytes, and stays.
            TimedOut: nothing came in time, or the lookup's own budget ran out.
            LookupCancelled: the lookup was ended meanwhile.
            InvalidHandle: it was ended before, or its connection is lost.
            NetworkDown: the connection was lost during the call.
            WSAError: there was no record, and this says why.
        """
        connection = self._begun()
        call = calls.next_ex(self._handle, control_flags, buffer_length, timeout)
        try:
            return await connection.next(call, self._records)
        except WSAError as error:
            self._note(error)
            raise

    async def end(self) -> EndResult:
        """End the lookup: its waiting calls are cancelled, its work is stopped.

        Raises:
            InvalidHandle: it was ended before, or its connection is lost.
            NetworkDown: the connection was lost during the call.
        """
        return await self._begun().end(calls.end(self._handle), self._records)

    async def __aenter__(self) -> Self:
        return self if self._connection is not None else await self.begin()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._records.ended or self._connection is None:
            return
        if kind is not None and not issubclass(kind, Exception):
            # Cancelled: End leaves in this step, and its reply is nobody's.
            self._connection.end_unheard(self._handle, self._records)
            return
        try:
            await self.end()
        except (InvalidHandle, LookupCancelled, NetworkDown):
            # Ended by an operator, or gone with its client or connection: over in any case.
            return

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> QuerySet:
        while True:
            marked = self._watch and not self.synced
            try:
                return await self.next()
            except NoMoreResults:
                if not marked:
                    raise StopAsyncIteration from None

    def __del__(self) -> None:
        connection = self._connection
        if connection is None or self._records.ended or connection.lost:
            return
        connection.end_unheard(self._handle, self._records)
        warnings.warn(
            f"lookup {self._handle} was not ended", ResourceWarning, stacklevel=2, source=self
        )

    def _begun(self) -> Connection:
        if self._connection is None:
            raise InvalidHandle("the lookup has not begun: use `async with`, or begin()")
        return self._connection

    def _note(self, error: WSAError) -> None:
        if error.verdicts:
            self.verdicts = tuple(error.verdicts)
        if self._watch and isinstance(error, NoMoreResults):
            self.synced = True


class Events:
    """What happens in the daemon, as it happens: an iterator that waits for events.

    It listens from entering ``async with``, or from the first iteration, until it is
    closed. Of a reader that leaves `MAX_EVENTS` unread, further events are
    dropped and counted.
    """

    def __init__(self, start: Callable[[Call[None], MonitorCall], Awaitable[Connection]]) -> None:
        """Made by `AsyncClient.monitor`."""
        self._start = start
        self._connection: Connection | None = None
        self._closed = False
        # The call must not hold the iterator, so that a forgotten one is collected.
        self._inbox = _Inbox()
        self._pending = MonitorCall(self._inbox.wake, self._inbox.take)

    @property
    def dropped(self) -> int:
        """Events that were dropped because the reader was too slow."""
        return self._inbox.dropped

    def close(self) -> None:
        """Stop listening; a waiting iteration stops."""
        if self._closed:
            return
        self._closed = True
        if self._connection is not None:
            self._connection.abandon(self._pending, calls.MONITOR)
        self._inbox.wake()

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        await self._listen()
        event = await self._inbox.get()
        if event is not None:
            return calls.read_event(event)
        if self._closed or isinstance(self._pending.error, LookupCancelled):
            raise StopAsyncIteration
        raise self._pending.error or StopAsyncIteration

    def __del__(self) -> None:
        if self._connection is not None and not self._closed and not self._connection.lost:
            self._connection.withdraw(self._pending)

    async def _listen(self) -> None:
        if self._connection is None and not self._closed:
            self._connection = await self._start(calls.monitor(), self._pending)


class _Inbox:
    """Events that nobody has taken yet."""

    def __init__(self) -> None:
        self.dropped = 0
        self._events: deque[Raw] = deque()
        self._over = False
        self._changed = anyio.Event()

    def take(self, event: Raw) -> None:
        if len(self._events) >= MAX_EVENTS:
            self.dropped += 1
            return
        self._events.append(event)
        self._changed.set()

    def wake(self) -> None:
        """No further event comes."""
        self._over = True
        self._changed.set()

    async def get(self) -> Raw | None:
        """The next event; None: no further one comes."""
        await lowlevel.checkpoint()
        while not self._events:
            if self._over:
                return None
            if self._changed.is_set():
                self._changed = anyio.Event()
            await self._changed.wait()
        return self._events.popleft()
