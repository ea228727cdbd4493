"""The operations of ``nspd.``: what operators and tests ask of the daemon itself."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from nspd import __version__
from nspd.core.outcome import Failure
from nspd.model import errors
from nspd.providers.test import TestProvider
from nspd.server import logs
from nspd.server.connection import Connection, Handler, Sink, reply_to
from nspd.server.monitor import MonitorCall
from nspd.server.operations import check_administrator, end_lookup
from nspd.wire import encode, openrpc
from nspd.wire.events import Request
from nspd.wire.results import (
    LookupEntry,
    LookupsResult,
    ProviderStatistics,
    SessionEntry,
    SessionsResult,
    StatisticsResult,
    StatusResult,
)
from nspd.wire.types import METHOD_NOT_FOUND

if TYPE_CHECKING:
    from nspd.core.lookup import Lookup
    from nspd.core.run import Run
    from nspd.core.users import Peer
    from nspd.server.link import Link


def _may_see(connection: Connection, owner: Peer) -> bool:
    return connection.peer.administrator or connection.peer.uid == owner.uid


def status(connection: Connection, request: Request, sink: Sink) -> bytes:
    """nspd.Status."""
    server = connection.server
    result = StatusResult(
        version=__version__,
        pid=os.getpid(),
        backend=server.backend,
        uptime=time.monotonic() - server.started,
        census=server.census(),
    )
    return encode.result(request.id, result)


def list_sessions(connection: Connection, request: Request, sink: Sink) -> bytes:
    """nspd.ListSessions."""
    entries = tuple(
        _session_entry(link)
        for link in connection.server.links
        if link.connection.session.startups and _may_see(connection, link.connection.peer)
    )
    ordered = tuple(sorted(entries, key=lambda entry: entry.session))
    return encode.result(request.id, SessionsResult(sessions=ordered))


def _session_entry(link: Link) -> SessionEntry:
    session = link.connection.session
    assert session.id is not None
    return SessionEntry(
        session=session.id,
        uid=session.peer.uid,
        pid=session.peer.pid,
        client=session.client or None,
        age=session.router.clock.now() - session.begun,
        startups=session.startups,
        rundown=session.dead,
        lookups=len(session.lookups) + len(session.oneshots),
        waiting_calls=len(link.connection.waiting),
        bytes_unsent=link.unsent,
    )


MOST_ENTRIES = 10_000
"""Lookups that one ListLookups tells of, the oldest first."""


def list_lookups(connection: Connection, request: Request, sink: Sink) -> bytes:
    """nspd.ListLookups: what is open, and the work that goes on after its End."""
    router = connection.server.router
    found = [
        lookup
        for session in router.sessions
        if _may_see(connection, session.peer)
        for table in (session.lookups, session.oneshots)
        for lookup in table.values()
    ]
    found.sort(key=lambda lookup: lookup.begun)
    entries = [_lookup_entry(lookup) for lookup in found[:MOST_ENTRIES]]
    entries += [
        _detached_entry(run)
        for run in router.detached
        if connection.peer.administrator or run.owner.uid == connection.peer.uid
    ]
    return encode.result(request.id, LookupsResult(lookups=tuple(entries)))


def _lookup_entry(lookup: Lookup) -> LookupEntry:
    session, restrictions = lookup.session, lookup.query.restrictions
    running = any(part.outcome is None for part in lookup.parts)
    return LookupEntry(
        lookup=lookup.handle,
        session=session.id if lookup.handle in session.lookups else None,
        uid=session.peer.uid,
        pid=session.peer.pid,
        client=session.client or None,
        name=restrictions.service_instance_name,
        query_string=restrictions.query_string,
        namespace=restrictions.namespace or 0,
        watch=lookup.query.watch,
        state="running" if running else "finished",
        age=lookup.router.clock.now() - lookup.begun,
        waiting=len(lookup.waiting),
        ready=lookup.ready,
        delivered=lookup.delivered,
        verdicts=tuple(lookup.verdicts("empty")),
    )


def _detached_entry(run: Run) -> LookupEntry:
    restrictions = run.query.restrictions
    return LookupEntry(
        lookup=run.handle,
        session=None,
        uid=run.owner.uid,
        pid=run.pid,
        client=None,
        name=restrictions.service_instance_name,
        query_string=restrictions.query_string,
        namespace=run.entry.namespace,
        watch=run.query.watch,
        state="detached",
        age=run.age,
        waiting=0,
        ready=0,
        delivered=run.total,
        verdicts=(),
    )


def end_any(connection: Connection, request: Request, sink: Sink) -> bytes | None:
    """nspd.EndLookup: as End, for a lookup of any client of the user's, or anybody's."""
    lookup = connection.server.router.find(request.params.lookup)
    if lookup is None:
        raise errors.InvalidHandle("there is no such lookup")
    if not _may_see(connection, lookup.session.peer):
        raise errors.AccessDenied("that lookup is another user's")
    return end_lookup(connection, request.id, sink, lookup)


def statistics(connection: Connection, request: Request, sink: Sink) -> bytes:
    """nspd.Statistics."""
    server = connection.server
    router = server.router
    counters = {
        "connections": server.welcomed,
        "requests": server.requests,
        "lookups_begun": router.begun,
        "work_detached": router.detached_ever,
    }
    providers = tuple(
        ProviderStatistics(
            provider_id=entry.provider_id,
            identifier=entry.identifier,
            lookups=sum(entry.outcomes.values()),
            records=entry.records,
            elapsed=entry.elapsed,
            outcomes=dict(entry.outcomes),
            running=entry.running,
            detached=entry.detached,
        )
        for entry in router.catalog
    )
    uptime = time.monotonic() - server.started
    result = StatisticsResult(uptime=uptime, counters=counters, providers=providers)
    return encode.result(request.id, result)


def flush_caches(connection: Connection, request: Request, sink: Sink) -> bytes:
    """nspd.FlushCaches."""
    check_administrator(connection)
    connection.server.router.flush_caches()
    return encode.result(request.id, None)


def reload(connection: Connection, request: Request, sink: Sink) -> bytes:
    """nspd.Reload: what cannot be read keeps what runs."""
    check_administrator(connection)
    connection.server.reload()
    return encode.result(request.id, None)


def set_log_level(connection: Connection, request: Request, sink: Sink) -> bytes:
    """nspd.SetLogLevel, until a reload or restart."""
    check_administrator(connection)
    logs.set_level(request.params.level)
    return encode.result(request.id, None)


def monitor(connection: Connection, request: Request, sink: Sink) -> None:
    """nspd.Monitor."""
    if request.id is not None:
        monitors = connection.server.monitors
        call = MonitorCall(monitors, connection, request.id, sink)
        connection.wait(request.id, call, standing=True)
        monitors.add(call)


def discover(connection: Connection, request: Request, sink: Sink) -> bytes:
    """rpc.discover."""
    return encode.result(request.id, openrpc.document(__version__))


OF_THE_TEST_NAMESPACE = frozenset({"nspd.TestGate", "nspd.TestReset"})

NO_TEST_NAMESPACE = Failure(METHOD_NOT_FOUND, "the test namespace is not on")


def test_providers(connection: Connection) -> list[TestProvider]:
    """The providers of the test namespace that are on."""
    return [
        entry.provider
        for entry in connection.server.router.catalog
        if entry.active and isinstance(entry.provider, TestProvider)
    ]


def test_gate(connection: Connection, request: Request, sink: Sink) -> bytes:
    """nspd.TestGate; it exists only while the test namespace is on."""
    providers = test_providers(connection)
    if not providers:
        return reply_to(request.id, NO_TEST_NAMESPACE)
    check_administrator(connection)
    for provider in providers:
        provider.add_tokens(request.params.gate, request.params.tokens)
    return encode.result(request.id, None)


def test_reset(connection: Connection, request: Request, sink: Sink) -> bytes:
    """nspd.TestReset; it exists only while the test namespace is on."""
    providers = test_providers(connection)
    if not providers:
        return reply_to(request.id, NO_TEST_NAMESPACE)
    check_administrator(connection)
    for provider in providers:
        provider.reset()
    return encode.result(request.id, None)


HANDLERS: dict[str, Handler] = {
    "nspd.Status": status,
    "nspd.ListSessions": list_sessions,
    "nspd.ListLookups": list_lookups,
    "nspd.EndLookup": end_any,
    "nspd.Statistics": statistics,
    "nspd.FlushCaches": flush_caches,
    "nspd.Reload": reload,
    "nspd.SetLogLevel": set_log_level,
    "nspd.Monitor": monitor,
    "rpc.discover": discover,
    "nspd.TestGate": test_gate,
    "nspd.TestReset": test_reset,
}
