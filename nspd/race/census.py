"""What the daemon is, and its own count of what it holds, before and after a run."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from nspd.model.errors import AccessDenied, NetworkDown, error_for
from nspd.model.namespaces import Namespace
from nspd.race.connection import Connection, HungUp, connect
from nspd.race.loop import Loop
from nspd.race.messages import member, outcome
from nspd.race.scenario import Scenario

_T = TypeVar("_T")

_POLL = 0.02
_PATIENCE = 10.0
"""Seconds for what is asked before and after the run."""

Census = dict[str, int]


class Daemon(Struct, frozen=True):
    """The daemon under test, as it is before the run."""

    name: str
    """Version and event loop."""
    backend: str
    pid: int | None
    """As this process would name it; None if it cannot."""
    census: Census


def leaked(before: Census, after: Census) -> Census:
    """What there is more of than before, and how much."""
    return {
        name: after[name] - before[name]
        for name in before
        if after.get(name, before[name]) > before[name]
    }


def inspect(path: str, scenarios: Sequence[Scenario]) -> Daemon:
    """Look at a daemon, and see that it can be raced in these scenarios.

    Raises:
        NetworkDown: it is not reachable, or is none.
        AccessDenied: it has no test namespace, or the caller may not open gates.
    """
    return _asked(path, _PATIENCE, lambda control: _inspected(control, path, scenarios))


def reset(path: str) -> None:
    """Have the daemon forget the gates of the test namespace; it may refuse.

    Raises:
        NetworkDown: it is not reachable.
    """
    _asked(path, _PATIENCE, lambda control: control.call("nspd.TestReset"))


def census_when_back(path: str, before: Census, patience: float) -> Census:
    """The census once it is back to what it was, or as it is when patience (seconds) ends.

    Raises:
        NetworkDown: the daemon is not reachable.
    """
    return _asked(path, _PATIENCE + patience, lambda control: _when_back(control, before, patience))


def _asked(
    path: str, patience: float, question: Callable[[Connection], Coroutine[Any, Any, _T]]
) -> _T:
    loop = Loop()

    async def ask() -> _T:
        control = await connect(loop, path, 0, lambda *_: None)
        try:
            return await question(control)
        finally:
            control.close()

    try:
        return loop.run(ask(), patience)
    except TimeoutError:
        raise NetworkDown(f"{path}: no answer within {patience:g} seconds") from None
    except (OSError, HungUp) as error:
        raise NetworkDown(f"{path}: {error}") from error


async def _inspected(control: Connection, path: str, scenarios: Sequence[Scenario]) -> Daemon:
    status = await control.call("nspd.Status")
    census = _census_in(status.code, status.result)
    await _check_allowed(control, scenarios)
    version, backend = member(status.result, "version"), str(member(status.result, "backend"))
    return Daemon(f"nspd {version} on {backend}", backend, _peer(path), census)


def _census_in(code: int | None, status: Any) -> Census:
    if code is not None:
        raise error_for(code, "nspd.Status was refused")
    census = member(status, "census")
    if not isinstance(census, dict):
        raise NetworkDown("whatever listens there is no nspd: its status has no census")
    return census


async def _when_back(control: Connection, before: Census, patience: float) -> Census:
    waited = 0.0
    while True:
        status = await control.call("nspd.Status")
        after = _census_in(status.code, status.result)
        if not leaked(before, after) or waited >= patience:
            return after
        await control.loop.sleep(_POLL)
        waited += _POLL


async def _check_allowed(control: Connection, scenarios: Sequence[Scenario]) -> None:
    """See that the test namespace is there, and its gates are the caller's to open."""
    catalog = (await control.call("WSAEnumNameSpaceProvidersEx")).result
    providers = member(catalog, "providers")
    if not any(
        member(provider, "namespace") == Namespace.TEST and member(provider, "active")
        for provider in (providers if isinstance(providers, list) else [])
    ):
        raise AccessDenied(
            'this daemon has no test namespace; add a [[provider]] of kind "test" to its '
            "configuration, or leave out --socket to race a daemon started for the purpose"
        )
    gated = [scenario.name for scenario in scenarios if scenario.gates]
    if not gated:
        return
    probe = await control.call("nspd.TestGate", gate="race-probe", tokens=1)
    if probe.code is not None:
        raise AccessDenied(
            f"only an administrator of the daemon may open gates ({outcome(probe.code)}), "
            f"which {', '.join(gated)} need"
        )


def _peer(path: str) -> int | None:
    """The process that listens (SO_PEERCRED), numbered in our own pid namespace."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(path) != 0:
            return None
        credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid: int = struct.unpack("iII", credentials)[0]
    return pid or None
