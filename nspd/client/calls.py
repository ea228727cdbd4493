"""The calls of the protocol as values: what is sent, and how the result reads.

Nothing here does input or output, so the blocking and the asynchronous client
share it: a method of theirs makes a `Call` and performs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from nspd.client.faults import RemoteProtocolError
from nspd.model.errors import InvalidArgument
from nspd.model.flags import SERVICE_MULTIPLE, LookupFlags, ServiceOperation, fields_of_call
from nspd.model.namespaces import Namespace
from nspd.model.queryset import STREAM, TCP, CsAddr, QuerySet, SocketAddress, Version, narrow
from nspd.wire import params as p
from nspd.wire import results as r
from nspd.wire.reading import ResultDecoder

T = TypeVar("T")

BEGIN = "NSPv2LookupServiceBegin"
CLEANUP = "NSPv2Cleanup"
END = "NSPv2LookupServiceEnd"
MONITOR = "nspd.Monitor"
NEXT_EX = "NSPv2LookupServiceNextEx"
SET_SERVICE = "NSPv2SetServiceEx"
STARTUP = "NSPv2Startup"

Address = CsAddr | tuple[str, int]
"""An address to register: complete, or host literal and port of a TCP service."""


class Call(Struct, Generic[T], frozen=True):
    """One request, and how to read its result."""

    method: str
    params: p.Params | dict[str, Any]
    convert: Callable[[Raw], T]


def restrictions(
    query: QuerySet | None,
    name: str | None,
    namespace: int | None,
    query_string: str | None,
) -> QuerySet:
    """The query set of a lookup; the single members win over those of ``query``."""
    given: dict[str, Any] = {}
    if name is not None:
        given["service_instance_name"] = name
    if namespace is not None:
        given["namespace"] = int(namespace)
    if query_string is not None:
        given["query_string"] = query_string
    if query is None:
        return QuerySet(**given)
    return msgspec.structs.replace(query, **given) if given else query


def begin(
    query: QuerySet,
    *,
    control_flags: int,
    provider_id: str | None,
    policy: p.Policy,
    watch: bool,
    timeout: float | None,
) -> Call[int]:
    """NSPv2LookupServiceBegin; its result is the handle."""
    params = p.BeginParams(
        restrictions=query,
        control_flags=int(control_flags),
        provider_id=provider_id,
        policy=policy,
        watch=watch,
        timeout=_duration(timeout),
    )
    return Call(BEGIN, params, handle_of)


def handle_of(result: Raw) -> int:
    """The handle in the result of a Begin."""
    return _begun(result).lookup


def startup_of(result: Raw) -> r.StartupResult:
    """The result of a Startup."""
    return _opened(result)


class NextExCall(Call[QuerySet], frozen=True):
    """NSPv2LookupServiceNextEx, with what matters if a kept record serves it."""

    flush_previous: bool
    buffer_length: int | None


def next_ex(
    handle: int, control_flags: int, buffer_length: int | None, timeout: float | None
) -> NextExCall:
    """NSPv2LookupServiceNextEx.

    The field flags are applied to the result as well: a record that another
    call had asked for, and which this one gets, must carry no more than was
    asked for here.
    """
    flags = int(control_flags)
    params = p.NextExParams(
        lookup=handle,
        control_flags=flags,
        buffer_length=buffer_length,
        timeout=_duration(timeout),
    )
    fields = fields_of_call(p.RETURN_ALL, flags)
    return NextExCall(
        NEXT_EX,
        params,
        lambda result: narrow(record_of(result), fields),
        flush_previous=bool(flags & LookupFlags.FLUSHPREVIOUS),
        buffer_length=buffer_length,
    )


def end(handle: int) -> Call[r.EndResult]:
    """NSPv2LookupServiceEnd."""
    return Call(END, p.EndParams(lookup=handle), _ended)


def resolve(
    query: QuerySet,
    *,
    control_flags: int,
    provider_id: str | None,
    policy: p.Policy,
    timeout: float | None,
    limit: int | None,
) -> Call[r.LookupResult]:
    """nspd.Lookup: a whole lookup in one call."""
    params = p.LookupParams(
        restrictions=query,
        control_flags=int(control_flags),
        provider_id=provider_id,
        policy=policy,
        timeout=_duration(timeout),
        limit=limit,
    )
    return Call("nspd.Lookup", params, _looked_up)


def explain(
    query: QuerySet,
    *,
    control_flags: int,
    provider_id: str | None,
    policy: p.Policy,
    timeout: float | None,
    limit: int | None,
) -> Call[r.ExplainResult]:
    """nspd.Explain: a whole lookup and its story."""
    params = p.ExplainParams(
        restrictions=query,
        control_flags=int(control_flags),
        provider_id=provider_id,
        policy=policy,
        timeout=_duration(timeout),
        limit=limit,
    )
    return Call("nspd.Explain", params, _explained)


def set_service(
    registration: QuerySet,
    operation: int,
    *,
    control_flags: int,
    provider_id: str | None,
    visibility: p.Visibility,
    lifetime: p.Lifetime,
    ttl: float | None,
) -> Call[None]:
    """NSPv2SetServiceEx."""
    params = p.SetServiceParams(
        registration=registration,
        operation=int(operation),
        control_flags=int(control_flags),
        provider_id=provider_id,
        visibility=visibility,
        lifetime=lifetime,
        ttl=_duration(ttl),
    )
    return Call(SET_SERVICE, params, _nothing)


def change(
    operation: ServiceOperation,
    name: str,
    addresses: Iterable[Address],
    *,
    namespace: int = Namespace.REGISTRY,
    context: str | None = None,
    comment: str | None = None,
    version: int | None = None,
    blob: bytes | None = None,
    multiple: bool = False,
    provider_id: str | None = None,
    visibility: p.Visibility = "user",
    lifetime: p.Lifetime = "permanent",
    ttl: float | None = None,
) -> Call[None]:
    """NSPv2SetServiceEx from the members of a registration."""
    registration = QuerySet(
        service_instance_name=name,
        namespace=int(namespace),
        context=context,
        comment=comment,
        version=None if version is None else Version(version, "equal"),
        addresses=tuple(_address(address) for address in addresses) or None,
        blob=blob,
    )
    return set_service(
        registration,
        operation,
        control_flags=SERVICE_MULTIPLE if multiple else 0,
        provider_id=provider_id,
        visibility=visibility,
        lifetime=lifetime,
        ttl=ttl,
    )


def providers() -> Call[tuple[r.ProviderEntry, ...]]:
    """WSAEnumNameSpaceProvidersEx."""
    return Call("WSAEnumNameSpaceProvidersEx", {}, lambda result: _catalog(result).providers)


def enable_provider(provider_id: str, enable: bool) -> Call[None]:
    """WSCEnableNSProvider."""
    params = p.EnableProviderParams(provider_id=provider_id, enable=enable)
    return Call("WSCEnableNSProvider", params, _nothing)


def write_order(provider_ids: Iterable[str]) -> Call[None]:
    """WSCWriteNameSpaceOrder."""
    params = p.WriteOrderParams(provider_ids=tuple(provider_ids))
    return Call("WSCWriteNameSpaceOrder", params, _nothing)


def wait_config_change() -> Call[None]:
    """WSAProviderConfigChange."""
    return Call("WSAProviderConfigChange", {}, _nothing)


def status() -> Call[r.StatusResult]:
    """nspd.Status."""
    return Call("nspd.Status", {}, _status)


def sessions() -> Call[tuple[r.SessionEntry, ...]]:
    """nspd.ListSessions."""
    return Call("nspd.ListSessions", {}, lambda result: _sessions(result).sessions)


def lookups() -> Call[tuple[r.LookupEntry, ...]]:
    """nspd.ListLookups."""
    return Call("nspd.ListLookups", {}, lambda result: _lookups(result).lookups)


def end_lookup(handle: int) -> Call[r.EndResult]:
    """nspd.EndLookup."""
    return Call("nspd.EndLookup", p.EndParams(lookup=handle), _ended)


def statistics() -> Call[r.StatisticsResult]:
    """nspd.Statistics."""
    return Call("nspd.Statistics", {}, _statistics)


def flush_caches() -> Call[None]:
    """nspd.FlushCaches."""
    return Call("nspd.FlushCaches", {}, _nothing)


def show_cache(name: str | None, limit: int) -> Call[r.CacheResult]:
    """nspd.ShowCache."""
    return Call("nspd.ShowCache", p.ShowCacheParams(name=name, limit=limit), _cache)


def reload() -> Call[None]:
    """nspd.Reload."""
    return Call("nspd.Reload", {}, _nothing)


def set_log_level(level: p.LogLevel) -> Call[None]:
    """nspd.SetLogLevel."""
    return Call("nspd.SetLogLevel", p.SetLogLevelParams(level=level), _nothing)


def monitor() -> Call[None]:
    """nspd.Monitor."""
    return Call(MONITOR, {}, _nothing)


def discover() -> Call[dict[str, Any]]:
    """rpc.discover."""
    return Call("rpc.discover", {}, _document)


def cleanup() -> Call[None]:
    """NSPv2Cleanup."""
    return Call(CLEANUP, {}, _nothing)


def raw(method: str, params: dict[str, Any] | None) -> Call[Any]:
    """Any method, with its result as plain JSON values."""
    return Call(method, params if params is not None else {}, _anything)


def _duration(seconds: float | None) -> float | None:
    # JSON has no word for what is not finite; msgspec would write it as null, "for ever".
    if seconds is not None and not 0 <= seconds < math.inf:
        raise InvalidArgument(f"a duration must be finite and not negative, not {seconds}")
    return seconds


def _address(address: Address) -> CsAddr:
    if isinstance(address, CsAddr):
        return address
    host, port = address
    try:
        remote = SocketAddress.inet(host, port)
    except ValueError as error:
        raise InvalidArgument(str(error)) from error
    return CsAddr(remote=remote, socket_type=STREAM, protocol=TCP)


def _reader(kind: Any) -> Callable[[Raw], Any]:
    """A function that reads a result of this type.

    A decoder is made when it is first used: most programs use two or three of
    them, and each costs start-up time.
    """
    decoder: ResultDecoder[Any] | None = None

    def read(result: Raw) -> Any:
        nonlocal decoder
        if decoder is None:
            decoder = ResultDecoder(kind)
        try:
            return decoder.decode(result)
        except (msgspec.DecodeError, RecursionError) as error:
            raise RemoteProtocolError(f"the daemon's result cannot be read: {error}") from error

    return read


record_of: Callable[[Raw], QuerySet] = _reader(QuerySet)
"""Read the record in the result of a NextEx."""

read_event: Callable[[Raw], r.Event] = _reader(r.Event)
"""Read the params of an nspd.Event notification."""

_anything: Callable[[Raw], Any] = _reader(Any)
_begun: Callable[[Raw], r.BeginResult] = _reader(r.BeginResult)
_cache: Callable[[Raw], r.CacheResult] = _reader(r.CacheResult)
_catalog: Callable[[Raw], r.ProvidersResult] = _reader(r.ProvidersResult)
_document: Callable[[Raw], dict[str, Any]] = _reader(dict[str, Any])
_ended: Callable[[Raw], r.EndResult] = _reader(r.EndResult)
_explained: Callable[[Raw], r.ExplainResult] = _reader(r.ExplainResult)
_looked_up: Callable[[Raw], r.LookupResult] = _reader(r.LookupResult)
_lookups: Callable[[Raw], r.LookupsResult] = _reader(r.LookupsResult)
_nothing: Callable[[Raw], None] = _reader(None)
_opened: Callable[[Raw], r.StartupResult] = _reader(r.StartupResult)
_sessions: Callable[[Raw], r.SessionsResult] = _reader(r.SessionsResult)
_statistics: Callable[[Raw], r.StatisticsResult] = _reader(r.StatisticsResult)
_status: Callable[[Raw], r.StatusResult] = _reader(r.StatusResult)
