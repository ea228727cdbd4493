"""Which socket a client connects to."""

from __future__ import annotations

import os
from collections.abc import Mapping

from nspd.model.errors import NetworkDown

SYSTEM_SOCKET = "/run/nspd/nspd.sock"
"""The socket of the system's daemon."""


def socket_path(
    argument: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """The path of the daemon's socket ("The connection" in docs/protocol.md).

    The first that holds: the argument; ``NSPD_SOCKET``; the user's daemon
    (``$XDG_RUNTIME_DIR/nspd/nspd.sock``) if its socket exists; `SYSTEM_SOCKET`.
    Empty variables count as unset.

    Args:
        argument: a path that the caller names.
        environ: the environment; by default that of the process.
    """
    if argument is not None:
        return os.fspath(argument)
    environ = os.environ if environ is None else environ
    if named := environ.get("NSPD_SOCKET"):
        return named
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        path = os.path.join(runtime, "nspd", "nspd.sock")
        if os.path.exists(path):
            return path
    return SYSTEM_SOCKET


def unreachable(path: str, error: OSError) -> NetworkDown:
    """What a caller is told when the daemon's socket cannot be connected to."""
    reason = error.strerror or str(error) or "no answer in time"
    if isinstance(error, PermissionError):
        advice = "you may not connect to it"
    elif isinstance(error, FileNotFoundError | ConnectionRefusedError):
        advice = "start the daemon with 'nspd serve', or name its socket with NSPD_SOCKET"
    else:
        advice = "check that NSPD_SOCKET names the daemon's socket"
    return NetworkDown(f"cannot reach the daemon at {path} ({reason}): {advice}")
