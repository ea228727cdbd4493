"""The daemon's settings as values: what each may be, and its default.

A value of these types is a valid configuration; where the settings come from
is the business of `nspd.server.config`. Times are in seconds, sizes in bytes.
The default of a setting that depends on where the daemon runs (its socket, its
state directory) is a function here, of the user and the environment alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from nspd.core.limits import Limits
from nspd.model.namespaces import Guid

Backend = Literal["asyncio", "trio"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]
LogFormat = Literal["auto", "console", "json", "journal"]
QueryNames = Literal["hash", "on", "off"]

SOCKET_PATH_BYTES = 107
"""Longest path of a UNIX socket on Linux: ``sun_path`` without its terminator (unix(7))."""

_PathText = Annotated[str, Meta(min_length=1)]
_Pause = Annotated[float, Meta(ge=0)]
_Principals = tuple[Annotated[str, Meta(min_length=1)], ...]


_HOST_PORT = re.compile(
    r"(?:\[(?P<bracketed>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>[0-9]+)"
)


def metrics_address(listen: str) -> str | tuple[str, int] | None:
    """What ``metrics.listen`` means: a socket's path, a host with a port, or nothing.

    Raises:
        ValueError: it is none of the three.
    """
    if not listen:
        return None
    if listen.startswith("unix:"):
        path = listen.removeprefix("unix:")
        _check_socket_path(path)
        return path
    match = _HOST_PORT.fullmatch(listen)
    if match is None or not 0 < int(match["port"]) < 2**16:
        raise ValueError(f'{listen!r} is neither "unix:PATH" nor "HOST:PORT"')
    return match["bracketed"] or match["host"], int(match["port"])


def _check_socket_path(path: str) -> None:
    if not path or "\0" in path:
        raise ValueError("the path of a socket cannot be empty or hold a NUL character")
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        raise ValueError(f"the path of a socket has at most {SOCKET_PATH_BYTES} bytes")


class DaemonSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[daemon]`` section: where the daemon listens and how it runs."""

    socket: _PathText
    """Path of the listening socket; see `default_socket`."""
    socket_mode: Annotated[str, Meta(pattern="^0?[0-7]{3}$")] = "0666"
    """Permissions of the socket file, in octal; who may connect at all."""
    backend: Backend = "asyncio"
    uvloop: bool = True
    """Run asyncio on uvloop; means nothing on trio."""
    state_dir: _PathText
    """Directory of what outlives the daemon; see `default_state_dir`."""
    end_grace: _Pause = 0.1
    """How long End waits for cancelled work before it calls it detached."""
    drain_timeout: _Pause = 5.0
    """How long a stopping daemon serves the lookups that are open."""

    def __post_init__(self) -> None:
        _check_socket_path(self.socket)
        if "\0" in self.state_dir:
            raise ValueError("a path cannot hold a NUL character")

    @property
    def socket_permissions(self) -> int:
        """`socket_mode` as the number that chmod takes."""
        return int(self.socket_mode, 8)


class AccessSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[access]`` section: lists of users, ``"@group"``, or ``"*"`` for everyone."""

    admin_group: str = "nspd"
    """Members are administrators, beside uid 0 and the daemon's own user; empty: no group."""
    lookup: _Principals = ("*",)
    register: _Principals = ("*",)
    register_machine: _Principals = ()

    def __post_init__(self) -> None:
        if "@" in (*self.lookup, *self.register, *self.register_machine):
            raise ValueError('"@" must be followed by the name of a group')


class LogSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[log]`` section."""

    level: LogLevel = "info"
    format: LogFormat = "auto"
    query_names: QueryNames = "hash"
    """How names that people look up appear in the log."""


class MetricsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[metrics]`` section."""

    listen: str = ""
    """``unix:PATH`` or ``HOST:PORT``; empty: no metrics are served."""

    def __post_init__(self) -> None:
        metrics_address(self.listen)


class ProviderSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[provider]]``: an entry of the catalog."""

    kind: Annotated[str, Meta(min_length=1)]
    """The name of an entry point in the group ``nspd.providers``."""
    identifier: Annotated[str, Meta(min_length=1)]
    """Shown in the catalog and in verdicts; by default the kind."""
    provider_id: Guid
    """By default the fixed GUID of the namespace; no two entries share one."""
    namespace: Annotated[int, Meta(ge=1, le=2**32 - 1)]
    """By default the one that the kind serves."""
    enabled: bool = True
    budget: Annotated[float, Meta(gt=0)] | None = None
    """Seconds for this provider's part of one lookup; None: no bound of its own."""
    workers: Annotated[int, Meta(ge=1)] = 40
    """Threads, for a provider that blocks."""
    domains: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    """Suffixes that this provider claims; empty: it takes what no other claims."""
    options: dict[str, Any] = field(default_factory=dict)
    """What its kind understands besides, checked against the kind."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that the daemon is told before it starts."""

    daemon: DaemonSettings
    limits: Limits = Limits()
    access: AccessSettings = AccessSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    providers: tuple[ProviderSettings, ...]
    """In catalog order."""

    def __post_init__(self) -> None:
        taken: dict[str, ProviderSettings] = {}
        for provider in self.providers:
            other = taken.setdefault(provider.provider_id.lower(), provider)
            if other is not provider:
                raise ValueError(
                    f"the providers {other.identifier!r} and {provider.identifier!r} "
                    f"both have the provider_id {provider.provider_id}"
                )


def is_system_daemon(uid: int, environment: Mapping[str, str]) -> bool:
    """Whether this is the machine's daemon rather than a user's own.

    That is the one run by uid 0, or by systemd under another user with
    ``ConfigurationDirectory=nspd``, which says so by the directory under /etc.
    """
    return uid == 0 or environment.get("CONFIGURATION_DIRECTORY") == "/etc/nspd"


def default_socket(uid: int, environment: Mapping[str, str]) -> str:
    """Where the daemon listens unless told otherwise.

    Raises:
        ValueError: a user's daemon without ``XDG_RUNTIME_DIR``.
    """
    if is_system_daemon(uid, environment):
        return "/run/nspd/nspd.sock"
    runtime = environment.get("XDG_RUNTIME_DIR")
    if not runtime:
        raise ValueError("there is no default: XDG_RUNTIME_DIR is not set")
    return f"{runtime}/nspd/nspd.sock"


def default_state_dir(uid: int, environment: Mapping[str, str], home: PurePosixPath) -> str:
    """Where the daemon keeps what outlives it, unless told otherwise.

    systemd's ``StateDirectory=`` comes first (``STATE_DIRECTORY``, the first
    of several), then the system's place or the user's.
    """
    given = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return given
    if is_system_daemon(uid, environment):
        return "/var/lib/nspd"
    return f"{environment.get('XDG_STATE_HOME') or home / '.local/state'}/nspd"
