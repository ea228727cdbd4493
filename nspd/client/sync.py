"""The blocking client.

    with nspd.Client() as client:
        with client.lookup("localhost") as records:
            for record in records:
                print(record.service_instance_name, record.addresses)

One `Client` has one connection, which any number of threads share; it is made
when the first call needs it, and anew after the daemon was restarted. A forked
child makes its own. This module imports neither anyio nor an event loop.
"""

from __future__ import annotations

import os
import threading
import warnings
import weakref
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import nspd
from nspd.client import calls
from nspd.client.address import socket_path
from nspd.client.calls import Address, Call
from nspd.client.exchange import ConnectionLost
from nspd.client.pending import MonitorCall
from nspd.client.sync_connection import Connection
from nspd.client.sync_lookup import Events, Lookup
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

__all__ = ["Client", "Events", "Lookup"]


class Client:
    """A client of the daemon, for programs that wait in threads.

    Every method raises a `nspd.WSAError`: the subclass for the number that the
    daemon answered, `NetworkDown` (10050) if the daemon cannot be reached or
    goes away during the call, `NotInitialised` (10093) after `close`. After
    `NetworkDown` the next call connects anew; registrations with lifetime
    "session" and lookups are those of the old connection, and gone with it.
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
        self._lock = threading.Lock()
        self._path = socket_path(socket)
        self._timeout = timeout
        self._startup = StartupParams(
            client=name if name is not None else f"nspd-client/{nspd.__version__}",
            cancel_on_begin=cancel_on_begin,
        )
        _clients.add(self)

    @property
    def socket(self) -> str:
        """The path of the daemon's socket."""
        return self._path

    def close(self) -> None:
        """End the session and every lookup of this client; harmless if done before.

        Calls that wait in other threads raise `LookupCancelled`.
        """
        with self._lock:
            connection, self._connection = self._connection, None
            self._closed = True
        if connection is not None:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        connection = self._connection
        if connection is not None and not connection.lost:
            connection.drop()
            warnings.warn(
                f"client of {self._path} was not closed", ResourceWarning, stacklevel=2, source=self
            )

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
        """A lookup to enter with ``with``, which begins it.

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

    def begin(
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
        return self.lookup(
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

    def resolve(
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
        return self._perform(
            calls.resolve(
                query,
                control_flags=control_flags,
                provider_id=provider_id,
                policy=policy,
                timeout=timeout,
                limit=limit,
            )
        )

    def explain(
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
        return self._perform(
            calls.explain(
                query,
                control_flags=control_flags,
                provider_id=provider_id,
                policy=policy,
                timeout=timeout,
                limit=limit,
            )
        )

    def set_service(
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
        self._perform(
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

    def register(
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
        self._perform(
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

    def deregister(
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
        self._perform(
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

    def delete(
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
        self._perform(
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

    def providers(self) -> tuple[ProviderEntry, ...]:
        """The catalog, in the order in which providers are asked, inactive ones too."""
        return self._perform(calls.providers())

    def enable_provider(self, provider_id: str, enable: bool) -> None:
        """Put a provider in use or out of it, until the daemon reloads; for administrators."""
        self._perform(calls.enable_provider(provider_id, enable))

    def write_order(self, provider_ids: Iterable[str]) -> None:
        """Set the catalog's order, naming every provider once; for administrators."""
        self._perform(calls.write_order(provider_ids))

    def wait_config_change(self) -> None:
        """Wait for the next change of the catalog."""
        self._perform(calls.wait_config_change())

    def status(self) -> StatusResult:
        """What the daemon is, and how many there are of what it holds."""
        return self._perform(calls.status())

    def sessions(self) -> tuple[SessionEntry, ...]:
        """The user's sessions; for an administrator, everyone's."""
        return self._perform(calls.sessions())

    def lookups(self) -> tuple[LookupEntry, ...]:
        """The user's lookups; for an administrator, everyone's."""
        return self._perform(calls.lookups())

    def end_lookup(self, handle: int) -> EndResult:
        """End a lookup of any connection, as its user or an administrator.

        Raises:
            InvalidHandle: there is no such lookup.
            AccessDenied: it is another user's.
        """
        return self._perform(calls.end_lookup(handle))

    def statistics(self) -> StatisticsResult:
        """Counts since the daemon started."""
        return self._perform(calls.statistics())

    def flush_caches(self) -> None:
        """Have providers forget what they cached; for administrators."""
        self._perform(calls.flush_caches())

    def show_cache(self, name: str | None = None, limit: int = 1_000) -> CacheResult:
        """What the providers have cached; for administrators.

        Args:
            name: only what was asked for by this name.
            limit: stop after so many entries, at most 10,000.
        """
        return self._perform(calls.show_cache(name, limit))

    def reload(self) -> None:
        """Have the daemon read its configuration again; for administrators."""
        self._perform(calls.reload())

    def set_log_level(self, level: LogLevel) -> None:
        """Set how much the daemon logs; for administrators."""
        self._perform(calls.set_log_level(level))

    def monitor(self) -> Events:
        """What happens in the daemon, as it happens, to iterate over."""
        return Events(self._monitor)

    def discover(self) -> dict[str, Any]:
        """The OpenRPC document of the protocol."""
        return self._perform(calls.discover())

    def call(
        self, method: str, params: dict[str, Any] | None = None, timeout: float | None = None
    ) -> Any:
        """Any method of the protocol, with params and result as plain JSON values.

        Args:
            method: its name.
            params: its params by name.
            timeout: seconds to wait for the reply; by default the client's own
                bound, and none for the methods that wait.
        """
        return self._perform(calls.raw(method, params), timeout)

    def _begin(self, call: Call[int]) -> tuple[Connection, int]:
        while True:
            connection = self._connected()
            try:
                return connection, connection.perform(call, self._timeout)
            except ConnectionLost:
                continue

    def _perform(self, call: Call[T], timeout: float | None = None) -> T:
        if timeout is None and not (call.method in METHODS and METHODS[call.method].waiting):
            timeout = self._timeout
        while True:
            connection = self._connected()
            try:
                return connection.perform(call, timeout)
            except ConnectionLost:
                continue

    def _monitor(self, call: Call[None], pending: MonitorCall) -> Connection:
        while True:
            connection = self._connected()
            try:
                connection.monitor(call, pending)
            except ConnectionLost:
                continue
            return connection

    def _connected(self) -> Connection:
        connection = self._connection
        if connection is not None and not connection.lost:
            return connection
        with self._lock:
            if self._closed:
                raise NotInitialised("the client is closed")
            if self._connection is None or self._connection.lost:
                self._connection = Connection(self._path, self._startup, self._timeout)
            return self._connection

    def _forget_connection(self) -> None:
        """In a forked child: the connection is the parent's, and a lock may be held for ever."""
        self._lock = threading.Lock()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.forget_in_child()


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _forget_connections() -> None:
    for client in list(_clients):
        client._forget_connection()


os.register_at_fork(after_in_child=_forget_connections)
