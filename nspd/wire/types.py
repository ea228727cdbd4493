"""Every method of the protocol: its name, what it takes, what it gives, and how it behaves.

`METHODS` is the one table from which requests are decoded, the OpenRPC document
is written and documentation is checked. The types themselves are in `params`
and `results`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from nspd.model import errors
from nspd.model.queryset import QuerySet
from nspd.wire import params as p
from nspd.wire import results as r

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

Id = int | str | None
"""The id of a request; None where there is none, or none that can be read."""


class Method(Struct, frozen=True, kw_only=True):
    """One method of the protocol."""

    name: str
    params: type[p.Params]
    result: Any
    """The type of the result; None is null."""
    summary: str
    waiting: bool = False
    """It may stay unanswered until something happens, and `$/cancelRequest` withdraws it."""
    needs_reply: bool = False
    """Sent as a notification it does nothing: its reply would carry a handle or a record."""
    admin: bool = False
    """For administrators only."""
    errors: tuple[int, ...] = ()
    """The error numbers that a well-formed call must expect, beside those of providers."""

    @property
    def query_set(self) -> str | None:
        """The member of the params that is a query set, if there is one."""
        return next((m for m in ("restrictions", "registration") if hasattr(self.params, m)), None)


_BEGIN_ERRORS = (
    errors.WSA_NOT_ENOUGH_MEMORY,
    errors.WSAEACCES,
    errors.WSAEINVAL,
    errors.WSAEOPNOTSUPP,
    errors.WSAENOBUFS,
    errors.WSASYSNOTREADY,
    errors.WSASERVICE_NOT_FOUND,
)
_NO_RECORD_ERRORS = (
    errors.WSAETIMEDOUT,
    errors.WSASYSCALLFAILURE,
    errors.WSASERVICE_NOT_FOUND,
    errors.WSA_E_CANCELLED,
    errors.WSANO_DATA,
)
_ADMIN_ERRORS = (errors.WSAEACCES,)

_ALL = (
    Method(
        name="NSPv2Startup",
        params=p.StartupParams,
        result=r.StartupResult,
        summary="Open the session of this connection, or count one more use of it.",
        errors=(errors.WSAEACCES, errors.WSAVERNOTSUPPORTED),
    ),
    Method(
        name="NSPv2Cleanup",
        params=p.NoParams,
        result=None,
        summary="Give up one use of the session; the last one runs it down and frees it.",
        errors=(errors.WSAEINVAL,),
    ),
    Method(
        name="NSPv2ClientSessionRundown",
        params=p.NoParams,
        result=None,
        summary="End every lookup of the session; it takes no new ones until Cleanup.",
    ),
    Method(
        name="NSPv2LookupServiceBegin",
        params=p.BeginParams,
        result=r.BeginResult,
        summary="Begin a lookup and get its handle, without waiting for any record.",
        needs_reply=True,
        errors=(*_BEGIN_ERRORS, errors.WSANOTINITIALISED),
    ),
    Method(
        name="NSPv2LookupServiceNextEx",
        params=p.NextExParams,
        result=QuerySet,
        summary="Get the next record of a lookup; waits while none is ready.",
        waiting=True,
        needs_reply=True,
        errors=(
            errors.WSA_INVALID_HANDLE,
            errors.WSA_NOT_ENOUGH_MEMORY,
            errors.WSAEFAULT,
            errors.WSAENOBUFS,
            errors.WSANOTINITIALISED,
            errors.WSA_E_NO_MORE,
            *_NO_RECORD_ERRORS,
        ),
    ),
    Method(
        name="NSPv2LookupServiceEnd",
        params=p.EndParams,
        result=r.EndResult,
        summary="End a lookup: cancel its waiting calls, stop its work, free its handle.",
        errors=(errors.WSA_INVALID_HANDLE, errors.WSANOTINITIALISED),
    ),
    Method(
        name="nspd.Lookup",
        params=p.LookupParams,
        result=r.LookupResult,
        summary="Do a whole lookup, from Begin to End, in one call.",
        waiting=True,
        needs_reply=True,
        errors=(*_BEGIN_ERRORS, *(e for e in _NO_RECORD_ERRORS if e not in _BEGIN_ERRORS)),
    ),
    Method(
        name="nspd.Explain",
        params=p.ExplainParams,
        result=r.ExplainResult,
        summary="Do a whole lookup and tell what happened in it, whether it finds anything or not.",
        waiting=True,
        needs_reply=True,
        errors=(*_BEGIN_ERRORS, errors.WSA_E_CANCELLED),
    ),
    Method(
        name="$/cancelRequest",
        params=p.CancelParams,
        result=None,
        summary="Withdraw one waiting call of this connection; its lookup lives on.",
    ),
    Method(
        name="NSPv2SetServiceEx",
        params=p.SetServiceParams,
        result=None,
        summary="Register, deregister or delete a service; answered once the change is durable.",
        errors=(
            errors.WSA_NOT_ENOUGH_MEMORY,
            errors.WSAEACCES,
            errors.WSAEINVAL,
            errors.WSAEOPNOTSUPP,
            errors.WSASYSNOTREADY,
            errors.WSANOTINITIALISED,
            errors.WSASYSCALLFAILURE,
            errors.WSASERVICE_NOT_FOUND,
        ),
    ),
    Method(
        name="WSAEnumNameSpaceProvidersEx",
        params=p.NoParams,
        result=r.ProvidersResult,
        summary="List the providers of the catalog, inactive ones too.",
    ),
    Method(
        name="WSCEnableNSProvider",
        params=p.EnableProviderParams,
        result=None,
        summary="Put a provider into use or out of it, until the next reload.",
        admin=True,
        errors=(*_ADMIN_ERRORS, errors.WSASERVICE_NOT_FOUND),
    ),
    Method(
        name="WSCWriteNameSpaceOrder",
        params=p.WriteOrderParams,
        result=None,
        summary="Set the order in which providers are asked, until the next reload.",
        admin=True,
        errors=(*_ADMIN_ERRORS, errors.WSAEINVAL),
    ),
    Method(
        name="WSAProviderConfigChange",
        params=p.NoParams,
        result=None,
        summary="Wait for the next change of the catalog.",
        waiting=True,
        needs_reply=True,
        errors=(errors.WSA_NOT_ENOUGH_MEMORY, errors.WSA_E_CANCELLED),
    ),
    Method(
        name="nspd.Status",
        params=p.NoParams,
        result=r.StatusResult,
        summary="Say what the daemon is and count what it holds.",
    ),
    Method(
        name="nspd.ListSessions",
        params=p.NoParams,
        result=r.SessionsResult,
        summary="List the caller's sessions; for an administrator, everyone's.",
    ),
    Method(
        name="nspd.ListLookups",
        params=p.NoParams,
        result=r.LookupsResult,
        summary="List the caller's lookups; for an administrator, everyone's.",
    ),
    Method(
        name="nspd.EndLookup",
        params=p.EndParams,
        result=r.EndResult,
        summary="End a lookup of any connection, as its owner or an administrator.",
        errors=(errors.WSA_INVALID_HANDLE, errors.WSAEACCES),
    ),
    Method(
        name="nspd.Statistics",
        params=p.NoParams,
        result=r.StatisticsResult,
        summary="Report counts since the daemon started.",
    ),
    Method(
        name="nspd.FlushCaches",
        params=p.NoParams,
        result=None,
        summary="Have every provider forget what it has cached.",
        admin=True,
        errors=_ADMIN_ERRORS,
    ),
    Method(
        name="nspd.ShowCache",
        params=p.ShowCacheParams,
        result=r.CacheResult,
        summary="Show what the providers have cached.",
        admin=True,
        errors=_ADMIN_ERRORS,
    ),
    Method(
        name="nspd.Reload",
        params=p.NoParams,
        result=None,
        summary="Read the configuration again; a faulty one changes nothing.",
        admin=True,
        errors=(*_ADMIN_ERRORS, errors.WSAEINVAL),
    ),
    Method(
        name="nspd.SetLogLevel",
        params=p.SetLogLevelParams,
        result=None,
        summary="Set how much the daemon logs.",
        admin=True,
        errors=_ADMIN_ERRORS,
    ),
    Method(
        name="nspd.Monitor",
        params=p.NoParams,
        result=None,
        summary="Have events sent as nspd.Event notifications for as long as the call waits.",
        waiting=True,
        needs_reply=True,
        errors=(errors.WSA_NOT_ENOUGH_MEMORY, errors.WSA_E_CANCELLED),
    ),
    Method(
        name="nspd.TestGate",
        params=p.TestGateParams,
        result=None,
        summary="Add tokens to a gate of the test namespace.",
        admin=True,
        errors=_ADMIN_ERRORS,
    ),
    Method(
        name="nspd.TestReset",
        params=p.NoParams,
        result=None,
        summary="Forget every gate and all shared work of the test namespace.",
        admin=True,
        errors=_ADMIN_ERRORS,
    ),
    Method(
        name="rpc.discover",
        params=p.NoParams,
        result=dict[str, Any],
        summary="Describe the whole protocol as an OpenRPC document.",
    ),
)

METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ALL})
"""Every method by name."""

NOTIFICATIONS: Mapping[str, type[Struct]] = MappingProxyType(
    {"nspd.Event": r.Event, "nspd.GoingAway": r.GoingAway}
)
"""What the daemon sends unasked, with the type of its params."""
