"""The Winsock calls, for those who port code: same names, same codes, same habits.

    from nspd.ws2 import *  # or name by name

    WSAStartup(MAKEWORD(2, 2), WSADATA())
    query = WSAQUERYSET(dwSize=SIZEOF_WSAQUERYSET, lpszServiceInstanceName="localhost")
    handle = Ref(0)
    if WSALookupServiceBegin(query, LUP_RETURN_ALL, handle) == SOCKET_ERROR:
        raise SystemExit(f"Begin: {WSAGetLastError()}")
    length, result = Ref(0), WSAQUERYSET()
    while True:
        if WSALookupServiceNext(handle.value, 0, length, result) == 0:
            print(result.lpszServiceInstanceName, result.lpcsaBuffer)
        elif WSAGetLastError() != WSAEFAULT:  # else `length` now says how much is needed
            break
    WSALookupServiceEnd(handle.value)
    WSACleanup()

Out-parameters are objects that the call fills in: a `Ref` for a number, a
`WSAQUERYSET` or a list for a buffer; None is the null pointer. How large a
buffer *would be* is said by the length that goes with it, and 10014 works as on
Windows: too small, the needed size is written back, the record stays. The
members that point to structures hold nspd's own values (`CSADDR_INFO` is
`nspd.CsAddr`, and so on). A call returns 0, or SOCKET_ERROR with the number in
this thread's last error; nothing here raises for what the daemon answers.

All threads share one session, opened by the first WSAStartup and ended by the
WSACleanup that matches it.
"""

from __future__ import annotations

import threading
from typing import Final, Generic, TypeVar

from msgspec import Struct

import nspd
from nspd.client.sync import Client, Lookup
from nspd.model.errors import (
    WSA_E_CANCELLED,
    WSA_E_NO_MORE,
    WSA_INVALID_HANDLE,
    WSA_INVALID_PARAMETER,
    WSA_NOT_ENOUGH_MEMORY,
    WSAEACCES,
    WSAECANCELLED,
    WSAEFAULT,
    WSAEINVAL,
    WSAENETDOWN,
    WSAENOBUFS,
    WSAENOMORE,
    WSAEOPNOTSUPP,
    WSAETIMEDOUT,
    WSAHOST_NOT_FOUND,
    WSANO_DATA,
    WSANO_RECOVERY,
    WSANOTINITIALISED,
    WSASERVICE_NOT_FOUND,
    WSASYSCALLFAILURE,
    WSASYSNOTREADY,
    WSATRY_AGAIN,
    WSAVERNOTSUPPORTED,
    InvalidArgument,
    InvalidHandle,
    NotInitialised,
    WSAError,
    error_for,
)
from nspd.model.flags import SERVICE_MULTIPLE, LookupFlags, ResultFlags, ServiceOperation
from nspd.model.namespaces import Namespace
from nspd.model.queryset import AfProtocol as AFPROTOCOLS
from nspd.model.queryset import CsAddr as CSADDR_INFO
from nspd.model.queryset import QuerySet
from nspd.model.queryset import SocketAddress as SOCKET_ADDRESS
from nspd.model.queryset import Version as WSAVERSION
from nspd.wire.results import ProviderEntry

T = TypeVar("T")

SOCKET_ERROR: Final = -1
SIZEOF_WSAQUERYSET: Final = 112
"""Bytes of a WSAQUERYSET2W on 64-bit Windows; the least that ``dwSize`` may be."""
SIZEOF_WSADATA: Final = 408
"""Bytes of a WSADATA on 64-bit Windows."""

LUP_DEEP: Final = int(LookupFlags.DEEP)
LUP_CONTAINERS: Final = int(LookupFlags.CONTAINERS)
LUP_NOCONTAINERS: Final = int(LookupFlags.NOCONTAINERS)
LUP_NEAREST: Final = int(LookupFlags.NEAREST)
LUP_RETURN_NAME: Final = int(LookupFlags.RETURN_NAME)
LUP_RETURN_TYPE: Final = int(LookupFlags.RETURN_TYPE)
LUP_RETURN_VERSION: Final = int(LookupFlags.RETURN_VERSION)
LUP_RETURN_COMMENT: Final = int(LookupFlags.RETURN_COMMENT)
LUP_RETURN_ADDR: Final = int(LookupFlags.RETURN_ADDR)
LUP_RETURN_BLOB: Final = int(LookupFlags.RETURN_BLOB)
LUP_RETURN_ALIASES: Final = int(LookupFlags.RETURN_ALIASES)
LUP_RETURN_QUERY_STRING: Final = int(LookupFlags.RETURN_QUERY_STRING)
LUP_RETURN_ALL: Final = int(LookupFlags.RETURN_ALL)
LUP_FLUSHCACHE: Final = int(LookupFlags.FLUSHCACHE)
LUP_FLUSHPREVIOUS: Final = int(LookupFlags.FLUSHPREVIOUS)
LUP_NON_AUTHORITATIVE: Final = int(LookupFlags.NON_AUTHORITATIVE)
LUP_RES_SERVICE: Final = int(LookupFlags.RES_SERVICE)
LUP_SECURE: Final = int(LookupFlags.SECURE)
LUP_RETURN_PREFERRED_NAMES: Final = int(LookupFlags.RETURN_PREFERRED_NAMES)
LUP_ADDRCONFIG: Final = int(LookupFlags.ADDRCONFIG)
LUP_DUAL_ADDR: Final = int(LookupFlags.DUAL_ADDR)
LUP_DISABLE_IDN_ENCODING: Final = int(LookupFlags.DISABLE_IDN_ENCODING)

RESULT_IS_ALIAS: Final = int(ResultFlags.ALIAS)
RESULT_IS_ADDED: Final = int(ResultFlags.ADDED)
RESULT_IS_CHANGED: Final = int(ResultFlags.CHANGED)
RESULT_IS_DELETED: Final = int(ResultFlags.DELETED)

NS_ALL: Final = int(Namespace.ALL)
NS_TCPIP_HOSTS: Final = int(Namespace.TCPIP_HOSTS)
NS_DNS: Final = int(Namespace.DNS)
NS_EMAIL: Final = int(Namespace.EMAIL)
NS_REGISTRY: Final = int(Namespace.REGISTRY)
NS_TEST: Final = int(Namespace.TEST)
NS_MDNS: Final = int(Namespace.MDNS)

RNRSERVICE_REGISTER: Final = int(ServiceOperation.REGISTER)
RNRSERVICE_DEREGISTER: Final = int(ServiceOperation.DEREGISTER)
RNRSERVICE_DELETE: Final = int(ServiceOperation.DELETE)


__all__ = [
    "AFPROTOCOLS",
    "CSADDR_INFO",
    "LUP_ADDRCONFIG",
    "LUP_CONTAINERS",
    "LUP_DEEP",
    "LUP_DISABLE_IDN_ENCODING",
    "LUP_DUAL_ADDR",
    "LUP_FLUSHCACHE",
    "LUP_FLUSHPREVIOUS",
    "LUP_NEAREST",
    "LUP_NOCONTAINERS",
    "LUP_NON_AUTHORITATIVE",
    "LUP_RES_SERVICE",
    "LUP_RETURN_ADDR",
    "LUP_RETURN_ALIASES",
    "LUP_RETURN_ALL",
    "LUP_RETURN_BLOB",
    "LUP_RETURN_COMMENT",
    "LUP_RETURN_NAME",
    "LUP_RETURN_PREFERRED_NAMES",
    "LUP_RETURN_QUERY_STRING",
    "LUP_RETURN_TYPE",
    "LUP_RETURN_VERSION",
    "LUP_SECURE",
    "MAKEWORD",
    "NS_ALL",
    "NS_DNS",
    "NS_EMAIL",
    "NS_MDNS",
    "NS_REGISTRY",
    "NS_TCPIP_HOSTS",
    "NS_TEST",
    "RESULT_IS_ADDED",
    "RESULT_IS_ALIAS",
    "RESULT_IS_CHANGED",
    "RESULT_IS_DELETED",
    "RNRSERVICE_DELETE",
    "RNRSERVICE_DEREGISTER",
    "RNRSERVICE_REGISTER",
    "SERVICE_MULTIPLE",
    "SIZEOF_WSADATA",
    "SIZEOF_WSAQUERYSET",
    "SOCKET_ADDRESS",
    "SOCKET_ERROR",
    "WSADATA",
    "WSAEACCES",
    "WSAECANCELLED",
    "WSAEFAULT",
    "WSAEINVAL",
    "WSAENETDOWN",
    "WSAENOBUFS",
    "WSAENOMORE",
    "WSAEOPNOTSUPP",
    "WSAETIMEDOUT",
    "WSAHOST_NOT_FOUND",
    "WSANAMESPACE_INFOEX",
    "WSANOTINITIALISED",
    "WSANO_DATA",
    "WSANO_RECOVERY",
    "WSAQUERYSET",
    "WSASERVICE_NOT_FOUND",
    "WSASYSCALLFAILURE",
    "WSASYSNOTREADY",
    "WSATRY_AGAIN",
    "WSAVERNOTSUPPORTED",
    "WSAVERSION",
    "WSA_E_CANCELLED",
    "WSA_E_NO_MORE",
    "WSA_INVALID_HANDLE",
    "WSA_INVALID_PARAMETER",
    "WSA_NOT_ENOUGH_MEMORY",
    "Ref",
    "WSACleanup",
    "WSAEnumNameSpaceProvidersEx",
    "WSAGetLastError",
    "WSALookupServiceBegin",
    "WSALookupServiceEnd",
    "WSALookupServiceNext",
    "WSASetLastError",
    "WSASetService",
    "WSAStartup",
]


class Ref(Generic[T]):
    """A place for a value that a call writes: what a pointer to a number is in C."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Ref({self.value!r})"


class WSADATA(Struct, kw_only=True):
    """What WSAStartup tells about the implementation."""

    cbSize: int = SIZEOF_WSADATA
    """The caller's idea of this structure's size, checked by WSAStartup; nspd's own."""
    wVersion: int = 0
    wHighVersion: int = 0
    szDescription: str = ""
    szSystemStatus: str = ""


class WSAQUERYSET(Struct, kw_only=True):
    """A query, a buffer for a result, or a registration (WSAQUERYSET2).

    As in C it starts out as nothing but zeros, and a query or registration must
    set ``dwSize`` to `SIZEOF_WSAQUERYSET`. A count left at None is the length
    of its list; a count that is given counts.
    """

    dwSize: int = 0
    lpszServiceInstanceName: str | None = None
    lpVersion: WSAVERSION | None = None
    lpszComment: str | None = None
    dwNameSpace: int = 0
    lpNSProviderId: str | None = None
    lpszContext: str | None = None
    dwNumberOfProtocols: int | None = None
    lpafpProtocols: list[AFPROTOCOLS] | None = None
    lpszQueryString: str | None = None
    dwNumberOfCsAddrs: int | None = None
    lpcsaBuffer: list[CSADDR_INFO] | None = None
    dwOutputFlags: int = 0
    lpBlob: bytes | None = None


class WSANAMESPACE_INFOEX(Struct, kw_only=True):
    """One entry of the catalog."""

    NSProviderId: str
    dwNameSpace: int
    fActive: bool
    dwVersion: int
    lpszIdentifier: str


def MAKEWORD(low: int, high: int) -> int:
    """A version number as WSAStartup takes it: major in the low byte, minor in the high one."""
    return low & 0xFF | (high & 0xFF) << 8


class _Process:
    """What the process shares: the session, and the lookups begun in it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.startups = 0
        self.client: Client | None = None
        self.lookups: dict[int, Lookup] = {}

    def session(self) -> Client:
        client = self.client
        if client is None:
            raise NotInitialised("WSAStartup has not been called")
        return client

    def lookup(self, handle: int | None) -> Lookup:
        self.session()
        if type(handle) is not int:
            raise InvalidArgument("a lookup handle is an integer")
        lookup = self.lookups.get(handle)
        if lookup is None:
            raise InvalidHandle("there is no such lookup")
        return lookup


class _ThreadState(threading.local):
    last_error = 0


_process = _Process()
_thread = _ThreadState()

_LOWEST_VERSION = (1, 0)
_HIGHEST_VERSION = (2, 2)
_INFO_SIZE = 56  # of a WSANAMESPACE_INFOEXW on 64-bit Windows, without its identifier


def WSAGetLastError() -> int:
    """The number of the last failure in this thread; a success leaves it as it was."""
    return _thread.last_error


def WSASetLastError(iError: int) -> None:
    """Set this thread's last error."""
    _thread.last_error = iError


def WSAStartup(wVersionRequested: int, lpWSAData: WSADATA | None) -> int:
    """Count one more use of the session; nothing is connected before the first call.

    Returns:
        0, or the error itself (the last error stays as it is): 10092 for a
        version below 1.0, 10014 for a null pointer, 10022 for a wrong size.
    """
    requested = (wVersionRequested & 0xFF, wVersionRequested >> 8 & 0xFF)
    if requested < _LOWEST_VERSION:
        return WSAVERNOTSUPPORTED
    if lpWSAData is None:
        return WSAEFAULT
    if lpWSAData.cbSize != SIZEOF_WSADATA:
        return WSAEINVAL
    with _process.lock:
        if _process.client is None:
            _process.client = Client(name=f"nspd-ws2/{nspd.__version__}")
        _process.startups += 1
    lpWSAData.wVersion = MAKEWORD(*min(requested, _HIGHEST_VERSION))
    lpWSAData.wHighVersion = MAKEWORD(*_HIGHEST_VERSION)
    lpWSAData.szDescription = "nspd"
    lpWSAData.szSystemStatus = "Running"
    return 0


def WSACleanup() -> int:
    """Give up one use of the session; the last one ends it with all its lookups.

    Fails with 10093 if there is none.
    """
    with _process.lock:
        client = _process.client
        if client is None:
            return _failed(NotInitialised())
        _process.startups -= 1
        if _process.startups:
            return 0
        _process.client = None
        _process.lookups = {}
    client.close()
    return 0


def WSALookupServiceBegin(
    lpqsRestrictions: WSAQUERYSET | None, dwControlFlags: int, lphLookup: Ref[int] | None
) -> int:
    """Begin a lookup, and write its handle.

    Fails with 10014 for a null pointer and 10022 for a bad query set, both
    without asking the daemon; or with what the daemon answers.
    """
    try:
        client = _process.session()
        if lpqsRestrictions is None or lphLookup is None:
            return _failed(error_for(WSAEFAULT))
        query = _query_set(lpqsRestrictions)
        lookup = client.begin(restrictions=query, control_flags=dwControlFlags)
    except WSAError as error:
        return _failed(error)
    _process.lookups[lookup.handle] = lookup
    lphLookup.value = lookup.handle
    return 0


def WSALookupServiceNext(
    hLookup: int | None,
    dwControlFlags: int,
    lpdwBufferLength: Ref[int] | None,
    lpqsResults: WSAQUERYSET | None,
) -> int:
    """Get the next record into a buffer of the given size; waits until there is one.

    Fails with 10014 if the record needs more room: the length needed is written
    back, and the record stays. A null buffer has no room; a null length is
    10014 without asking. Then 10110 at the end, 10111 if the lookup was ended
    meanwhile, 6 if it was before, or what the daemon answers.
    """
    try:
        lookup = _process.lookup(hLookup)
        if lpdwBufferLength is None:
            return _failed(error_for(WSAEFAULT))
        room = lpdwBufferLength.value if lpqsResults is not None else 0
        record = lookup.next(dwControlFlags, room)
    except WSAError as error:
        if lpdwBufferLength is not None and "buffer_length" in error.data:
            lpdwBufferLength.value = error.data["buffer_length"]
        return _failed(error)
    if lpqsResults is not None:
        _fill(lpqsResults, record)
    return 0


def WSALookupServiceEnd(hLookup: int | None) -> int:
    """End a lookup; a WSALookupServiceNext that waits in another thread returns with 10111."""
    try:
        lookup = _process.lookup(hLookup)
        _process.lookups.pop(lookup.handle, None)
        lookup.end()
    except WSAError as error:
        return _failed(error)
    return 0


def WSASetService(lpqsRegInfo: WSAQUERYSET | None, essoperation: int, dwControlFlags: int) -> int:
    """Register (RNRSERVICE_REGISTER), deregister or delete a service.

    With a provider's GUID in the registration, that provider; else those of its
    namespace. It is visible to the user's own lookups, and outlives the session.
    """
    try:
        client = _process.session()
        if lpqsRegInfo is None:
            return _failed(error_for(WSAEFAULT))
        client.set_service(_query_set(lpqsRegInfo), essoperation, control_flags=dwControlFlags)
    except WSAError as error:
        return _failed(error)
    return 0


def WSAEnumNameSpaceProvidersEx(
    lpdwBufferLength: Ref[int] | None, lpnspBuffer: list[WSANAMESPACE_INFOEX] | None
) -> int:
    """Replace the content of a list by the catalog; returns how many entries it has.

    Fails with 10014 if the length offered is too small; the length needed is
    written back.
    """
    try:
        client = _process.session()
        if lpdwBufferLength is None:
            return _failed(error_for(WSAEFAULT))
        entries = client.providers()
    except WSAError as error:
        return _failed(error)
    needed = sum(map(_info_size, entries))
    if lpnspBuffer is None or lpdwBufferLength.value < needed:
        lpdwBufferLength.value = needed
        return _failed(error_for(WSAEFAULT))
    lpnspBuffer[:] = map(_info, entries)
    return len(entries)


def _failed(error: WSAError) -> int:
    _thread.last_error = error.code
    return SOCKET_ERROR


def _query_set(native: WSAQUERYSET) -> QuerySet:
    if native.dwSize < SIZEOF_WSAQUERYSET:
        raise InvalidArgument(f"dwSize must be at least {SIZEOF_WSAQUERYSET}")
    return QuerySet(
        service_instance_name=native.lpszServiceInstanceName,
        version=native.lpVersion,
        comment=native.lpszComment,
        namespace=native.dwNameSpace,
        provider_id=native.lpNSProviderId,
        context=native.lpszContext,
        protocols=_counted(native.lpafpProtocols, native.dwNumberOfProtocols),
        query_string=native.lpszQueryString,
        addresses=_counted(native.lpcsaBuffer, native.dwNumberOfCsAddrs),
        output_flags=native.dwOutputFlags,
        blob=native.lpBlob,
    )


def _counted(items: list[T] | None, count: int | None) -> tuple[T, ...] | None:
    held = len(items) if items is not None else 0
    if count is None:
        count = held
    if not 0 <= count <= held:
        raise InvalidArgument(f"a count says {count}, and there are {held}")
    return tuple(items[:count]) if items is not None and count else None


def _fill(native: WSAQUERYSET, record: QuerySet) -> None:
    native.dwSize = SIZEOF_WSAQUERYSET
    native.lpszServiceInstanceName = record.service_instance_name
    native.lpVersion = record.version
    native.lpszComment = record.comment
    native.dwNameSpace = record.namespace or 0
    native.lpNSProviderId = record.provider_id
    native.lpszContext = record.context
    native.lpafpProtocols = list(record.protocols) if record.protocols is not None else None
    native.dwNumberOfProtocols = len(record.protocols or ())
    native.lpszQueryString = record.query_string
    native.lpcsaBuffer = list(record.addresses) if record.addresses is not None else None
    native.dwNumberOfCsAddrs = len(record.addresses or ())
    native.dwOutputFlags = record.output_flags or 0
    native.lpBlob = record.blob


def _info(entry: ProviderEntry) -> WSANAMESPACE_INFOEX:
    return WSANAMESPACE_INFOEX(
        NSProviderId=entry.provider_id,
        dwNameSpace=entry.namespace,
        fActive=entry.active,
        dwVersion=entry.version,
        lpszIdentifier=entry.identifier,
    )


def _info_size(entry: ProviderEntry) -> int:
    return _INFO_SIZE + len(entry.identifier.encode("utf-16-le", "surrogatepass")) + 2
