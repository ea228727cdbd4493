"""The operations of NSPv2 on the wire: each a plain function from request to reply.

None as the result says that the reply is owed, or that a notification needs none.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
from mypy_extensions import mypyc_attr

from nspd.core.at_hand import answer_at_hand
from nspd.core.collect import MOST_BYTES, Collector
from nspd.core.ending import Ending, WorkState
from nspd.core.outcome import CANCELLED, INVALID_HANDLE, Failure, Outcome
from nspd.core.session import PROTOCOL
from nspd.core.waiting import Waiter
from nspd.model import errors
from nspd.model.queryset import QuerySet
from nspd.model.verdict import Verdict
from nspd.server.connection import (
    BATCH_BYTES,
    BATCH_IS_FULL,
    UNWRITABLE,
    UNWRITABLE_RECORD,
    Connection,
    Handler,
    Sink,
    reply_to,
)
from nspd.wire import encode
from nspd.wire.events import Request
from nspd.wire.results import (
    BeginResult,
    EndResult,
    ProviderEntry,
    ProvidersResult,
    StartupResult,
)
from nspd.wire.types import Id

if TYPE_CHECKING:
    from nspd.core.lookup import Lookup

_encode = msgspec.json.Encoder().encode


def _written(record: QuerySet) -> bytes:
    try:
        return _encode(record)
    except UNWRITABLE:
        raise UNWRITABLE_RECORD.raised() from None


# Session


def startup(connection: Connection, request: Request, sink: Sink) -> bytes:
    """NSPv2Startup."""
    p = request.params
    session = connection.session
    number = session.startup(p.protocol, p.client or "", p.cancel_on_begin)
    server = connection.server
    result = StartupResult(
        client_session=number,
        protocol=PROTOCOL,
        server=server.name,
        limits=server.limits_told,
    )
    return encode.result(request.id, result)


def cleanup(connection: Connection, request: Request, sink: Sink) -> None:
    """NSPv2Cleanup: the last one answers every call of the session before its own reply."""
    connection.owe(request.id)
    try:
        connection.session.cleanup(_NullReply(connection, request.id, sink))
    except errors.WSAError:
        connection.owed.discard(request.id)
        raise


def rundown(connection: Connection, request: Request, sink: Sink) -> None:
    """NSPv2ClientSessionRundown: every call is answered before its own reply."""
    connection.owe(request.id)
    connection.session.rundown(_NullReply(connection, request.id, sink))


class _NullReply:
    """Answers a request with null when called."""

    __slots__ = ("_connection", "_id", "_sink")

    def __init__(self, connection: Connection, id: Id, sink: Sink) -> None:
        self._connection = connection
        self._id = id
        self._sink = sink

    def __call__(self) -> None:
        self._connection.settle(self._id, self._sink, encode.result(self._id, None))


# Lookup


def begin(connection: Connection, request: Request, sink: Sink) -> bytes | None:
    """NSPv2LookupServiceBegin."""
    session = connection.session
    if not session.startups or session.dead:
        session.check_started()
        session.check_alive()
    if request.id is None:
        return None  # nobody would learn the handle
    p = request.params
    lookup = session.router.begin(
        session, p.restrictions, p.control_flags, p.provider_id, p.policy, p.watch, p.timeout
    )
    return encode.result(request.id, BeginResult(lookup=lookup.handle))


class NextCall(Waiter):
    """A NextEx that waits for its record."""

    __slots__ = ("_connection", "_id", "_sink")

    def __init__(
        self,
        connection: Connection,
        id: Id,
        sink: Sink,
        control_flags: int,
        buffer_length: int | None,
    ) -> None:
        super().__init__(control_flags, buffer_length)
        self._connection = connection
        self._id = id
        self._sink = sink

    def settle(self, outcome: Outcome) -> None:
        self._connection.settle(self._id, self._sink, reply_to(self._id, outcome))


def next_ex(connection: Connection, request: Request, sink: Sink) -> bytes | None:
    """NSPv2LookupServiceNextEx."""
    p = request.params
    session = connection.session
    lookup = session.lookups.get(p.lookup)
    if lookup is None:
        session.check_started()
        raise INVALID_HANDLE.raised()
    id = request.id
    if id is None:
        return None  # the record would be lost
    if sink is not connection:
        check_batch(sink)
    outcome = lookup.take(p.control_flags, p.buffer_length)
    if outcome is not None:
        return reply_to(id, outcome)
    call = NextCall(connection, id, sink, p.control_flags, p.buffer_length)
    connection.wait(id, call)
    lookup.wait(call, p.timeout)
    return None


def check_batch(sink: Sink) -> None:
    """Raises `NoBuffers` if the replies to a batch are as large as they may get."""
    if getattr(sink, "size", 0) > BATCH_BYTES:
        raise BATCH_IS_FULL.raised()


def end(connection: Connection, request: Request, sink: Sink) -> bytes | None:
    """NSPv2LookupServiceEnd: the waiting calls are answered first, then this one (C2)."""
    session = connection.session
    lookup = session.lookups.get(request.params.lookup)
    if lookup is None:
        session.check_started()
        raise INVALID_HANDLE.raised()
    return end_lookup(connection, request.id, sink, lookup)


def end_lookup(connection: Connection, id: Id, sink: Sink, lookup: Lookup) -> bytes | None:
    """End a lookup and answer with what came of it, at once or when that is known."""
    ending = lookup.end()
    if ending.work is not None:
        return _ended(id, ending)
    if id is not None:
        connection.owe(id)
        ending.then(lambda known: connection.settle(id, sink, _ended(id, known)))
    return None


def _ended(id: Id, ending: Ending) -> bytes:
    assert ending.work is not None
    return encode.result(id, _end_result(ending.cancelled, ending.work))


@lru_cache(maxsize=64)
def _end_result(cancelled: int, work: WorkState) -> msgspec.Raw:
    return msgspec.Raw(_encode(EndResult(cancelled=cancelled, work=work)))


@mypyc_attr(allow_interpreted_subclasses=True)
class WholeLookup(Collector):
    """One `nspd.Lookup` under way."""

    __slots__ = ("_connection", "_id", "_sink", "reply")

    def __init__(
        self, connection: Connection, id: Id, sink: Sink, lookup: Lookup, limit: int | None
    ) -> None:
        super().__init__(lookup, limit)
        self._connection = connection
        self._id = id
        self._sink = sink
        self.reply: bytes | None = None

    def prepare(self, record: QuerySet) -> bytes:
        return _written(record)

    def answer(self) -> bytes | None:
        """Take what is ready: the reply, or None if it has to wait for more.

        Raises:
            WSAError: too many calls wait.
        """
        self.run()
        if self.reply is None:
            try:
                self._connection.wait(self._id, self)
            except errors.WSAError:
                self.collects.end()
                raise
        return self.reply

    def line(self, verdicts: list[Verdict], failure: Failure | None) -> bytes:
        """The reply, once the lookup is over."""
        if failure is not None:
            return reply_to(self._id, failure)
        return encode.lookup_result(self._id, self.prepared, verdicts)

    def done(self, verdicts: list[Verdict], failure: Failure | None) -> None:
        line = self.line(verdicts, failure)
        if self._id in self._connection.waiting:
            self._connection.settle(self._id, self._sink, line)
        else:
            self.reply = line

    def withdraw(self) -> None:
        """Answer 10111: ending the lookup does it, for the collector waits on it."""
        if not self.collects.ended and self.collects.life.alive:
            self.collects.end()
        # else it is being swept, and is answered when its turn comes


def lookup(connection: Connection, request: Request, sink: Sink) -> bytes | None:
    """nspd.Lookup."""
    id = request.id
    if id is None:
        return None
    if sink is not connection:
        check_batch(sink)
    p = request.params
    session = connection.session
    check_may_look_up(connection)
    at_hand = answer_at_hand(
        session.router, session, p.restrictions, p.control_flags, p.provider_id, p.policy
    )
    if at_hand is not None:
        records, verdicts = at_hand
        if p.limit is None or len(records) <= p.limit:
            line = encode.lookup_result(id, map(_written, records), verdicts)
            if len(line) <= MOST_BYTES:
                return line
    begun = session.router.begin(
        session, p.restrictions, p.control_flags, p.provider_id, p.policy, False, p.timeout, True
    )
    return WholeLookup(connection, id, sink, begun, p.limit).answer()


def cancel_request(connection: Connection, request: Request, sink: Sink) -> bytes | None:
    """$/cancelRequest: withdraw one waiting call; any other id is no error (C13)."""
    call = connection.waiting.get(request.params.id)
    if call is not None:
        call.withdraw()
    return encode.result(request.id, None)


# Registration


def set_service(connection: Connection, request: Request, sink: Sink) -> None:
    """NSPv2SetServiceEx."""
    session = connection.session
    session.check_started()
    session.check_alive()
    p = request.params
    id = request.id

    def done(failure: Failure | None) -> None:
        line = encode.result(id, None) if failure is None else reply_to(id, failure)
        if failure is None:
            connection.server.service_changed(connection.peer, p.registration)
        connection.settle(id, sink, line)
        connection.changes_held()

    session.router.set_service(
        session,
        p.registration,
        p.operation,
        p.control_flags,
        p.provider_id,
        p.visibility,
        p.lifetime,
        p.ttl,
        done=done,
    )
    connection.owe(id)
    connection.changes_held()


# Catalog


def enum_providers(connection: Connection, request: Request, sink: Sink) -> bytes:
    """WSAEnumNameSpaceProvidersEx."""
    providers = tuple(
        ProviderEntry(
            provider_id=entry.provider_id,
            namespace=entry.namespace,
            identifier=entry.identifier,
            kind=entry.provider.kind,
            version=entry.provider.version,
            active=entry.active,
            watch=entry.provider.watches,
            registers=entry.provider.registers,
        )
        for entry in connection.server.router.catalog
    )
    return encode.result(request.id, ProvidersResult(providers=providers))


def enable_provider(connection: Connection, request: Request, sink: Sink) -> None:
    """WSCEnableNSProvider: every call that it ends is answered before its own reply."""
    check_administrator(connection)
    p = request.params
    router = connection.server.router
    router.catalog.find(p.provider_id)
    connection.owe(request.id)
    then = _NullReply(connection, request.id, sink)
    router.enable_provider(p.provider_id, p.enable, then)
    connection.server.monitors.catalog_changed()


def write_order(connection: Connection, request: Request, sink: Sink) -> bytes:
    """WSCWriteNameSpaceOrder."""
    check_administrator(connection)
    connection.server.router.catalog.reorder(request.params.provider_ids)
    connection.server.monitors.catalog_changed()
    return encode.result(request.id, None)


class ConfigChangeCall:
    """A WSAProviderConfigChange that waits for the next change of the catalog."""

    def __init__(self, connection: Connection, id: Id, sink: Sink) -> None:
        self._connection = connection
        self._id = id
        self._sink = sink
        self.forget = connection.server.router.catalog.watch(self._changed)

    def _changed(self) -> None:
        self._connection.settle(self._id, self._sink, encode.result(self._id, None))

    def withdraw(self) -> None:
        self.forget()
        self._connection.settle(self._id, self._sink, reply_to(self._id, CANCELLED))


def config_change(connection: Connection, request: Request, sink: Sink) -> None:
    """WSAProviderConfigChange."""
    if request.id is not None:
        call = ConfigChangeCall(connection, request.id, sink)
        try:
            connection.wait(request.id, call, standing=True)
        except errors.WSAError:
            call.forget()
            raise


def check_may_look_up(connection: Connection) -> None:
    """Raises `AccessDenied` unless the client's user may look names up."""
    if not connection.peer.may_lookup:
        raise errors.AccessDenied("this user may not look names up here (access.lookup)")


def check_administrator(connection: Connection) -> None:
    """Raises `AccessDenied` unless the client is an administrator."""
    if not connection.peer.administrator:
        raise errors.AccessDenied("only an administrator may do this")


HANDLERS: dict[str, Handler] = {
    "NSPv2Startup": startup,
    "NSPv2Cleanup": cleanup,
    "NSPv2ClientSessionRundown": rundown,
    "NSPv2LookupServiceBegin": begin,
    "NSPv2LookupServiceNextEx": next_ex,
    "NSPv2LookupServiceEnd": end,
    "nspd.Lookup": lookup,
    "$/cancelRequest": cancel_request,
    "NSPv2SetServiceEx": set_service,
    "WSAEnumNameSpaceProvidersEx": enum_providers,
    "WSCEnableNSProvider": enable_provider,
    "WSCWriteNameSpaceOrder": write_order,
    "WSAProviderConfigChange": config_change,
}
