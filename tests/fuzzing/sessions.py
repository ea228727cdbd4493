"""Recorded sessions: what clients say in the course of their work, as bytes.

Where a handle stands in them, the fuzzer puts one that the daemon has just given.
"""

from __future__ import annotations

import json
from typing import Any

HANDLE = 777_000_111
"""Stands for a live handle."""

_ADDRESS = {
    "remote": {"family": "inet", "host": "192.0.2.7", "port": 80},
    "socket_type": 1,
    "protocol": 6,
}
_REGISTRATION = {
    "namespace": 65536,
    "service_instance_name": "caf\u00e9",
    "comment": "of the fuzzer",
    "addresses": [_ADDRESS, {"local": {"family": "unix", "path": "/run/x"}, "socket_type": 2}],
    "version": {"version": 1, "how": "not_less"},
    "blob": "AAEC",
}
_TEST = {"namespace": 65537, "query_string": "records=3&size=50", "service_instance_name": "n"}


def _lines(*calls: tuple[str, dict[str, Any]]) -> bytes:
    return b"".join(
        json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
        + b"\n"
        for number, (method, params) in enumerate(calls, start=100)
    )


def _next(**params: Any) -> tuple[str, dict[str, Any]]:
    return "NSPv2LookupServiceNextEx", {"lookup": HANDLE, **params}


_END = ("NSPv2LookupServiceEnd", {"lookup": HANDLE})

SESSIONS: tuple[bytes, ...] = (
    # Read a lookup to its end.
    _lines(
        ("NSPv2Startup", {"protocol": 1, "client": "fuzz/1", "cancel_on_begin": True}),
        _next(),
        _next(buffer_length=10),
        _next(control_flags=0x2000, timeout=0.01),
        _next(timeout=0),
        _END,
        ("NSPv2Cleanup", {}),
    ),
    # Cancel in all the ways that there are.
    _lines(
        _next(),
        _next(),
        ("$/cancelRequest", {"id": 100}),
        ("$/cancelRequest", {"id": "100"}),
        _END,
        _END,
        ("nspd.EndLookup", {"lookup": HANDLE}),
        ("NSPv2ClientSessionRundown", {}),
        ("NSPv2LookupServiceBegin", {"restrictions": _TEST}),
        ("NSPv2Cleanup", {}),
        ("NSPv2Startup", {}),
        ("NSPv2LookupServiceBegin", {"restrictions": _TEST, "policy": "first", "timeout": 0.5}),
    ),
    # Whole lookups in every namespace.
    _lines(
        ("nspd.Lookup", {"restrictions": _TEST, "limit": 2, "timeout": 1}),
        ("nspd.Lookup", {"restrictions": {"namespace": 11, "service_instance_name": "local*"}}),
        (
            "nspd.Lookup",
            {"restrictions": {"service_instance_name": "127.0.0.1"}, "policy": "first"},
        ),
        ("nspd.Lookup", {"restrictions": {"namespace": 65536, "service_instance_name": "*"}}),
        (
            "nspd.Lookup",
            {"restrictions": {"namespace": 65537, "query_string": "records=1&shared=k&delay=0.01"}},
        ),
    ),
    # Registrations.
    _lines(
        ("NSPv2SetServiceEx", {"registration": _REGISTRATION, "operation": 0}),
        ("NSPv2SetServiceEx", {"registration": _REGISTRATION, "operation": 0, "control_flags": 1}),
        (
            "NSPv2SetServiceEx",
            {"registration": _REGISTRATION, "operation": 0, "lifetime": "session", "ttl": 60},
        ),
        (
            "NSPv2LookupServiceBegin",
            {"restrictions": {"namespace": 65536, "service_instance_name": "CAF\u00c9"}},
        ),
        ("NSPv2SetServiceEx", {"registration": _REGISTRATION, "operation": 1}),
        ("NSPv2SetServiceEx", {"registration": _REGISTRATION, "operation": 2}),
    ),
    # Management, watches, and notifications.
    _lines(
        ("nspd.Monitor", {}),
        ("WSAProviderConfigChange", {}),
        ("WSAEnumNameSpaceProvidersEx", {}),
        ("nspd.Status", {}),
        ("nspd.ListLookups", {}),
        ("nspd.ListSessions", {}),
        ("nspd.Statistics", {}),
        ("nspd.TestGate", {"gate": "g", "tokens": 2}),
        (
            "NSPv2LookupServiceBegin",
            {
                "restrictions": {"namespace": 65537, "query_string": "records=2&watch_every=0.01"},
                "watch": True,
            },
        ),
        _next(),
        ("nspd.FlushCaches", {}),
        ("rpc.discover", {}),
    )
    + b'{"jsonrpc":"2.0","method":"NSPv2LookupServiceEnd","params":{"lookup":777000111}}\n',
    # Batches.
    b'[{"jsonrpc":"2.0","id":1,"method":"nspd.Status"},{"jsonrpc":"2.0","id":2,"method":'
    b'"NSPv2LookupServiceNextEx","params":{"lookup":777000111}},{"jsonrpc":"2.0","method":'
    b'"$/cancelRequest","params":{"id":2}},1,[]]\n' + _lines(_next(), _END),
)
