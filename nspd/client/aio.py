"""The asynchronous client, on asyncio (with or without uvloop) and trio.

    async with nspd.AsyncClient() as client:
        async with client.lookup("localhost") as records:
            async for record in records:
                print(record.service_instance_name, record.addresses)

One `AsyncClient` has one connection, which the tasks of its event loop share; it
is made when the first call needs it, and anew after the daemon was restarted.

The blocking client is the one to go by: what is changed here is changed there first
(docs/clients.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
from anyio.abc import TaskGroup

import nspd
from nspd.client import calls
from nspd.client.address import socket_path
from nspd.client.aio_connection import Connection, connected
from nspd.client.aio_lookup import Events, Lookup
from nspd.client.calls import Address, Call
from nspd.client.exchange import ConnectionLost
from nspd.client.pending import MonitorCall
from nspd.model.errors import NotInitialised
from nspd.model.flags import LookupFlags, ServiceOperation
from nspd.model.namespaces import Namespace
from nspd.model.queryset import QuerySet
from nspd.wire.params import Lifetime, LogLevel, Policy, StartupParams, Visibility
from nspd.wire.results import (
    CacheResult,
    EndResult,
    ExplainResult,
    LookupEntry,
    LookupResult,
    ProviderEntry,
    SessionEntry,
    StatisticsResult,
    StatusResult,
)
from nspd.wire.types import METHODS

T = TypeVar("T")

__all__ = ["AsyncClient", "Events", "Lookup"]


class AsyncClient:
    """A client of the daemon, for programs that wait in tasks.

    It is used with ``async with``, entered and left in one task; its methods may
    be called from any task of that event loop. Leaving it fails whatever still
    waits (10111) and ends the session.

    Every method raises a `nspd.WSAError`: the subclass for the number that the
    daemon answered, `NetworkDown` (10050) if the daemon cannot be reached or
    goes away during the call, `NotInitialised` (10093) after `aclose`. After
    `NetworkDown` the next call connects anew; registrations with lifetime
    "session" and lookups are those of the old connection, and gone with it.

    Cancelling a task that waits for the daemon withdraws the call in the same
    step, and never waits for the socket: a record that comes all the same goes
    to that lookup's next call, and a handle is ended.
    """

    def __init__(
        self,
        socket: str | os.PathLike[str] | None = None,
        *,
        name: str | None = None,
        cancel_on_begin: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Make a client; nothing is connected yet.

        Args:
            socket: path of the daemon's socket; by default ``NSPD_SOCKET``, the
                user's daemon, or the system's, whichever is found first.
            name: what the daemon shows to operators, as "program/version".
            cancel_on_begin: a Begin ends those lookups of this client on which
                a call waits (C12).
            timeout: seconds after which a call that does not wait by its nature
                raises `TimedOut`; None: as long as it takes. Connecting takes
                10 seconds at most, unless this says otherwise.
        """
        self._closed = False
        self._connection: Connection | None = None
        self._connecting = anyio.Lock()
        self._tasks: TaskGroup | None = None
        self._path = socket_path(socket)
        self._timeout = timeout
        self._startup = StartupParams(
            client=name if name is not None else f"nspd-client/{nspd.__version__}",
            cancel_on_begin=cancel_on_begin,
        )

    @property
    def socket(self) -> str:
        """The path of the daemon's socket."""
        return self._path

    async def aclose(self) -> None:
        """End the session and every lookup of this client; harmless if done before.

        Calls that wait in other tasks raise `LookupCancelled`.
        """
        connection, self._connection = self._connection, None
        self._closed = True
        if connection is not None:
            await connection.aclose()

    async def __aenter__(self) -> Self:
        if self._tasks is not None or self._closed:
            raise RuntimeError("an AsyncClient is entered once")
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._tasks is not None
        try:
            # One who was cancelled must not wait for a reply; closing the socket does as well.
            if kind is None or issubclass(kind, Exception):
                await self.aclose()
        finally:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
            self._tasks.cancel_scope.cancel()
            # The task group is not told of the body's exception, which it would
            # wrap in a group; its own tasks have none to add.
            await self._tasks.__aexit__(None, None, None)

    def lookup(
        self,
        name: str | None = None,
        *,
        namespace: int | None = None,
        query_string: str | None = None,
        restrictions: QuerySet | None = None,
        control_flags: int = LookupFlags.RETURN_ALL,
        provider_id: str | None = None,
        policy: Policy = "all",
        watch: bool = False,
        timeout: float | None = None,
    ) -> Lookup:
        """A lookup to enter with ``async with``, which begins it.

        Args:
            name: what to look for; "*" and "?" are wildcards where a provider
                can enumerate.
            namespace: ask the providers of this namespace; by default all.
            query_string: what of it, in the provider's syntax ("imaps/tcp", "MX").
            restrictions: a whole query set; the three above win over its members.
            control_flags: LUP_* bits: what to cover, and what records carry.
            provider_id: ask this provider only (GUID).
            policy: "all" providers at once, or the "first" that answers.
            watch: after what exists, wait for changes.
            timeout: seconds that the whole lookup may take.

        Raises:
            InvalidArgument: ``timeout`` is negative or not finite.
        """
        query = calls.restrictions(restrictions, name, namespace, query_string)
        call = calls.begin(
            query,
            control_flags=control_flags,
            provider_id=provider_id,
            policy=policy,
            watch=watch,
            timeout=timeout,
        )
        return Lookup(self._begin, call, watch=watch)

    async def begin(
        self,
        name: str | None = None,
        *,
        namespace: int | None = None,
        query_string: str | None = None,
        restrictions: QuerySet | None = None,
        control_flags: int = LookupFlags.RETURN_ALL,
        provider_id: str | None = None,
        policy: Policy = "all",
        watch: bool = False,
        timeout: float | None = None,
    ) -> Lookup:
        """Begin a lookup at once; `Lookup.end` is the caller's to call. Takes what `lookup` takes.

        Raises:
            ServiceNotFound: no provider serves the namespace or has the GUID.
            InvalidArgument: a member is malformed or too long.
            NotSupported: no provider can report changes, and ``watch`` is set.
            NotEnoughMemory: a limit of the daemon is reached.
            NotReady: the daemon is going away.
        """
        return await self.lookup(
            name,
            namespace=namespace,
            query_string=query_string,
            restrictions=restrictions,
            control_flags=control_flags,
            provider_id=provider_id,
            policy=policy,
            watch=watch,
            timeout=timeout,
        ).begin()

    async def resolve(
        self,
        name: str | None = None,
        *,
        namespace: int | None = None,
        query_string: str | None = None,
        restrictions: QuerySet | None = None,
        control_flags: int = LookupFlags.RETURN_ALL,
        provider_id: str | None = None,
        policy: Policy = "all",
        timeout: float | None = None,
        limit: int | None = None,
    ) -> LookupResult:
        """A whole lookup in one round trip: its ``results`` and its ``verdicts``.

        Takes what `lookup` takes, and:

        Args:
            limit: stop after this many records.

        Raises:
            ServiceNotFound, NoData, TimedOut, ProviderFailed: there was no record.
            NoBuffers: more than 10,000 records, or more than 1 MiB of them.
        """
        query = calls.restrictions(restrictions, name, namespace, query_string)
        return await self._perform(
            calls.resolve(
                query,
                control_flags=control_flags,
                provider_id=provider_id,
                policy=policy,
                timeout=timeout,
                limit=limit,
            )
        )

    async def explain(
        self,
        name: str | None = None,
        *,
        namespace: int | None = None,
        query_string: str | None = None,
        restrictions: QuerySet | None = None,
        control_flags: int = LookupFlags.RETURN_ALL,
        provider_id: str | None = None,
        policy: Policy = "all",
        timeout: float | None = None,
        limit: int | None = None,
    ) -> ExplainResult:
        """A whole lookup and its story: whom the daemon asked, why, and what became of it.

        Takes what `resolve` takes. A lookup that finds nothing is told of, too:
        its ``error`` says what `resolve` would have raised.

        Raises:
            InvalidArgument, AccessDenied, NotEnoughMemory, NotReady: there was no lookup.
        """
        query = calls.restrictions(restrictions, name, namespace, query_string)
        return await self._perform(
            calls.explain(
                query,
                control_flags=control_flags,
                provider_id=provider_id,
                policy=policy,
                timeout=timeout,
                limit=limit,
            )
        )

    async def set_service(
        self,
        registration: QuerySet,
        operation: int,
        *,
        control_flags: int = 0,
        provider_id: str | None = None,
        visibility: Visibility = "user",
        lifetime: Lifetime = "permanent",
        ttl: float | None = None,
    ) -> None:
        """Register, deregister or delete; returns once the change is durable.

        If the connection is lost during the call, the change is made entirely
        or not at all, and which of the two is not known.

        Args:
            registration: the object, and the addresses concerned.
            operation: a `ServiceOperation`.
            control_flags: 1 (SERVICE_MULTIPLE): act on the given addresses only.
            provider_id: the provider that takes it; by default all of the namespace.
            visibility: "user": lookups of the same user; "machine": everyone's.
            lifetime: "permanent", or "session": gone when this connection is.
            ttl: seconds after which it lapses unless registered again.

        Raises:
            ServiceNotFound: there is nothing of that name to deregister or delete.
            AccessDenied: it is another user's, or not allowed.
            NotSupported: no such operation, or the provider takes no registrations.
            NotEnoughMemory: the user has too many registrations.
        """
        await self._perform(
            calls.set_service(
                registration,
                operation,
                control_flags=control_flags,
                provider_id=provider_id,
                visibility=visibility,
                lifetime=lifetime,
                ttl=ttl,
            )
        )

    async def register(
        self,
        name: str,
        addresses: Iterable[Address] = (),
        *,
        comment: str | None = None,
        version: int | None = None,
        context: str | None = None,
        blob: bytes | None = None,
        namespace: int = Namespace.REGISTRY,
        multiple: bool = False,
        provider_id: str | None = None,
        visibility: Visibility = "user",
        lifetime: Lifetime = "permanent",
        ttl: float | None = None,
    ) -> None:
        """Register a service, replacing what has its name; see `set_service`.

        Args:
            name: the service's name.
            addresses: each a `CsAddr`, or ``(host, port)`` of a TCP service.
            comment: text shown with it.
            version: its version number.
            context: where it sits; by default the default context.
            blob: at most 64 KiB of data returned with it.
            namespace: where to register.
            multiple: add the addresses to those registered.
            provider_id, visibility, lifetime, ttl: as for `set_service`.
        """
        await self._perform(
            calls.change(
                ServiceOperation.REGISTER,
                name,
                addresses,
                namespace=namespace,
                context=context,
                comment=comment,
                version=version,
                blob=blob,
                multiple=multiple,
                provider_id=provider_id,
                visibility=visibility,
                lifetime=lifetime,
                ttl=ttl,
            )
        )

    async def deregister(
        self,
        name: str,
        addresses: Iterable[Address] = (),
        *,
        context: str | None = None,
        namespace: int = Namespace.REGISTRY,
        multiple: bool = False,
        provider_id: str | None = None,
        visibility: Visibility = "user",
    ) -> None:
        """Take a service's addresses away and keep its name; see `set_service`.

        Args:
            name, context, namespace, provider_id, visibility: as registered.
            addresses: with ``multiple``, the addresses to take away.
            multiple: only the given addresses, instead of all.
        """
        await self._perform(
            calls.change(
                ServiceOperation.DEREGISTER,
                name,
                addresses,
                namespace=namespace,
                context=context,
                multiple=multiple,
                provider_id=provider_id,
                visibility=visibility,
            )
        )

    async def delete(
        self,
        name: str,
        addresses: Iterable[Address] = (),
        *,
        context: str | None = None,
        namespace: int = Namespace.REGISTRY,
        multiple: bool = False,
        provider_id: str | None = None,
        visibility: Visibility = "user",
    ) -> None:
        """Remove a service; see `set_service`.

        Args:
            name, context, namespace, provider_id, visibility: as registered.
            addresses: with ``multiple``, the addresses to remove.
            multiple: remove only the given addresses, and the name with the last.
        """
        await self._perform(
            calls.change(
                ServiceOperation.DELETE,
                name,
                addresses,
                namespace=namespace,
                context=context,
                multiple=multiple,
                provider_id=provider_id,
                visibility=visibility,
            )
        )

    async def providers(self) -> tuple[ProviderEntry, ...]:
        """The catalog, in the order in which providers are asked, inactive ones too."""
        return await self._perform(calls.providers())

    async def enable_provider(self, provider_id: str, enable: bool) -> None:
        """Put a provider in use or out of it, until the daemon reloads; for administrators."""
        await self._perform(calls.enable_provider(provider_id, enable))

    async def write_order(self, provider_ids: Iterable[str]) -> None:
        """Set the catalog's order, naming every provider once; for administrators."""
        await self._perform(calls.write_order(provider_ids))

    async def wait_config_change(self) -> None:
        """Wait for the next change of the catalog."""
        await self._perform(calls.wait_config_change())

    async def status(self) -> StatusResult:
        """What the daemon is, and how many there are of what it holds."""
        return await self._perform(calls.status())

    async def sessions(self) -> tuple[SessionEntry, ...]:
        """The user's sessions; for an administrator, everyone's."""
        return await self._perform(calls.sessions())

    async def lookups(self) -> tuple[LookupEntry, ...]:
        """The user's lookups; for an administrator, everyone's."""
        return await self._perform(calls.lookups())

    async def end_lookup(self, handle: int) -> EndResult:
        """End a lookup of any connection, as its user or an administrator.

        Raises:
            InvalidHandle: there is no such lookup.
            AccessDenied: it is another user's.
        """
        return await self._perform(calls.end_lookup(handle))

    async def statistics(self) -> StatisticsResult:
        """Counts since the daemon started."""
        return await self._perform(calls.statistics())

    async def flush_caches(self) -> None:
        """Have providers forget what they cached; for administrators."""
        await self._perform(calls.flush_caches())

    async def show_cache(self, name: str | None = None, limit: int = 1_000) -> CacheResult:
        """What the providers have cached; for administrators.

        Args:
            name: only what was asked for by this name.
            limit: stop after so many entries, at most 10,000.
        """
        return await self._perform(calls.show_cache(name, limit))

    async def reload(self) -> None:
        """Have the daemon read its configuration again; for administrators."""
        await self._perform(calls.reload())

    async def set_log_level(self, level: LogLevel) -> None:
        """Set how much the daemon logs; for administrators."""
        await self._perform(calls.set_log_level(level))

    def monitor(self) -> Events:
        """What happens in the daemon, as it happens, to iterate over."""
        return Events(self._monitor)

    async def discover(self) -> dict[str, Any]:
        """The OpenRPC document of the protocol."""
        return await self._perform(calls.discover())

    async def call(
        self, method: str, params: dict[str, Any] | None = None, timeout: float | None = None
    ) -> Any:
        """Any method of the protocol, with params and result as plain JSON values.

        Args:
            method: its name.
            params: its params by name.
            timeout: seconds to wait for the reply; by default the client's own
                bound, and none for the methods that wait.
        """
        return await self._perform(calls.raw(method, params), timeout)

    async def _begin(self, call: Call[int]) -> tuple[Connection, int]:
        while True:
            connection = await self._connected()
            try:
                return connection, await connection.perform(call, self._timeout)
            except ConnectionLost:
                continue

    async def _perform(self, call: Call[T], timeout: float | None = None) -> T:
        if timeout is None and not (call.method in METHODS and METHODS[call.method].waiting):
            timeout = self._timeout
        while True:
            connection = await self._connected()
            try:
                return await connection.perform(call, timeout)
            except ConnectionLost:
                continue

    async def _monitor(self, call: Call[None], pending: MonitorCall) -> Connection:
        while True:
            connection = await self._connected()
            try:
                connection.monitor(call, pending)
            except ConnectionLost:
                continue
            return connection

    async def _connected(self) -> Connection:
        connection = self._connection
        if connection is not None and not connection.lost:
            return connection
        async with self._connecting:
            self._check_open()
            if self._tasks is None:
                raise RuntimeError("an AsyncClient is used with `async with`")
            if self._connection is None or self._connection.lost:
                sock = await connected(self._path, self._timeout)
                try:
                    self._check_open()
                except NotInitialised:
                    sock.close()
                    raise
                self._connection = Connection(sock, self._path, self._startup, self._timeout)
                self._tasks.start_soon(self._connection.serve)
            return self._connection

    def _check_open(self) -> None:
        if self._closed:
            raise NotInitialised("the client is closed")
