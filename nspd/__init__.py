"""nspd: name lookups as cancellable handles.

The public names are imported when they are first used, so that a command-line
program that needs few of them starts fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from nspd.client.aio import AsyncClient as AsyncClient
    from nspd.client.sync import Client as Client
    from nspd.model.errors import WSAError as WSAError
    from nspd.model.flags import LookupFlags as LookupFlags
    from nspd.model.flags import ResultFlags as ResultFlags
    from nspd.model.namespaces import Namespace as Namespace
    from nspd.model.queryset import AfProtocol as AfProtocol
    from nspd.model.queryset import CsAddr as CsAddr
    from nspd.model.queryset import QuerySet as QuerySet
    from nspd.model.queryset import SocketAddress as SocketAddress
    from nspd.model.queryset import Version as Version

_HOMES = {
    "AfProtocol": "nspd.model.queryset",
    "AsyncClient": "nspd.client.aio",
    "Client": "nspd.client.sync",
    "CsAddr": "nspd.model.queryset",
    "LookupFlags": "nspd.model.flags",
    "Namespace": "nspd.model.namespaces",
    "QuerySet": "nspd.model.queryset",
    "ResultFlags": "nspd.model.flags",
    "SocketAddress": "nspd.model.queryset",
    "Version": "nspd.model.queryset",
    "WSAError": "nspd.model.errors",
}

__all__ = [
    "AfProtocol",
    "AsyncClient",
    "Client",
    "CsAddr",
    "LookupFlags",
    "Namespace",
    "QuerySet",
    "ResultFlags",
    "SocketAddress",
    "Version",
    "WSAError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'nspd' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
