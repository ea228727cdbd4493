"""The daemon as a process: event loop, signals, start and end.

Opening order: the listening socket (so that a second daemon is refused before
anything else happens), the providers, the server. Then the service manager is
told. Closing: the server drains, everybody is hung up on, the providers close.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from nspd import __version__
from nspd.core.catalog import Entry
from nspd.core.router import Router, open_router
from nspd.model.errors import WSAError
from nspd.server import logs, notify
from nspd.server.kinds import KindError, make_provider
from nspd.server.listener import AddressInUse, Listener, adopt, listen
from nspd.server.poller import Poller
from nspd.server.server import Server
from nspd.server.settings import Settings

EX_OK = 0
EX_UNAVAILABLE = 69
EX_TEMPFAIL = 75
EX_CONFIG = 78

_LAST_STEPS = 10
"""Turns of the event loop in which cancelled work may stop, if it does at once."""

# Each object that lives on is looked at once in either generation, whatever their
# sizes: small ones make the pauses short, and all of them together no longer.
# With five times as many young ones, lookups of hosts beside a dead DNS server took
# 14 to 26 ms more at the 99th percentile, instead of 1 to 3 (`bench.many`).
_YOUNG = 1_000
_MIDDLE = 2
_NEVER = 1_000_000

_BETWEEN_COLLECTIONS = 30.0
_MOST_BUSY_SECONDS = 600
_FEW_LOOKUPS = 1_000


def main(settings: Settings, load: Callable[[], Settings] | None = None) -> int:
    """Run the daemon until SIGINT or SIGTERM; returns the exit status (sysexits(3)).

    Args:
        settings: what it is told.
        load: reads the configuration again, for a reload.
    """
    log = logs.get_logger()
    _raise_descriptor_limit()
    options: dict[str, Any] = {}
    if settings.daemon.backend == "asyncio":
        options["use_uvloop"] = settings.daemon.uvloop
    try:
        return anyio.run(
            _run, settings, load, backend=settings.daemon.backend, backend_options=options
        )
    except AddressInUse as error:
        log.error("not started", reason=str(error))
        return EX_TEMPFAIL
    except KindError as error:
        log.error("not started", reason=str(error))
        return EX_CONFIG
    except CannotStart as error:
        log.error("not started", reason=str(error))
        return EX_UNAVAILABLE


class CannotStart(Exception):
    """Something that the daemon needs is not to be had."""


def _listener(settings: Settings) -> Listener:
    for inherited in notify.inherited_sockets():
        return adopt(inherited.descriptor)
    return listen(Path(settings.daemon.socket), settings.daemon.socket_permissions)


def _raise_descriptor_limit() -> None:
    """As many descriptors as the system lets us have: each client needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def tune_collector() -> None:
    """Suit the garbage collector to 100,000 tasks.

    What exists at the start stays for good, and need never be looked at again.
    A collection of everything would stop all clients for as long as it takes to
    walk 100,000 lookups; they are freed by reference counts, so it can wait for
    a quiet moment (`collect_when_quiet`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)


async def collect_when_quiet(server: Server) -> None:
    """Collect everything once in a while: in a second without a request.

    If no such second comes for long, then all the same: with few lookups open it
    takes no longer than some requests do.
    """
    while True:
        await anyio.sleep(_BETWEEN_COLLECTIONS)
        for _ in range(_MOST_BUSY_SECONDS):
            requests = server.requests
            await anyio.sleep(1)
            if server.requests == requests:
                break
        if server.router.lookups < _FEW_LOOKUPS and gc.get_count()[2]:
            gc.collect()


def make_entries(settings: Settings) -> list[Entry]:
    """The catalog that the settings describe.

    Raises:
        KindError: a kind of provider is not installed, or cannot be used.
    """
    entries = []
    for provider_settings in settings.providers:
        provider = make_provider(provider_settings)
        if provider.workers is not None:
            provider.workers = provider_settings.workers
        entries.append(
            Entry(
                provider,
                active=provider_settings.enabled,
                budget=provider_settings.budget,
                domains=provider_settings.domains,
            )
        )
    return entries


def backend_name(settings: Settings) -> str:
    """What `nspd.Status` calls the event loop."""
    if settings.daemon.backend == "asyncio" and settings.daemon.uvloop:
        return "uvloop"
    return settings.daemon.backend


async def _run(settings: Settings, load: Callable[[], Settings] | None) -> int:
    # Signals come first: from here on none of them can leave a socket file behind.
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        try:
            listener = _listener(settings)
        except OSError as error:
            raise CannotStart(f"cannot listen at {settings.daemon.socket}: {error}") from error
        with contextlib.closing(listener):
            async with AsyncExitStack() as stack:
                try:
                    router = await stack.enter_async_context(
                        open_router(
                            make_entries(settings),
                            log=logs.get_logger(),
                            limits=settings.limits,
                            end_grace=settings.daemon.end_grace,
                        )
                    )
                except (WSAError, OSError) as error:
                    raise CannotStart(str(error)) from error
                await _serve(settings, router, listener, load, signals)
    logs.get_logger().info("stopped")
    return EX_OK


async def _serve(
    settings: Settings,
    router: Router,
    listener: Listener,
    load: Callable[[], Settings] | None,
    signals: AsyncIterator[signal.Signals],
) -> None:
    poller = Poller()
    server = Server(
        settings,
        router,
        poller,
        listener,
        log=logs.get_logger(),
        backend=backend_name(settings),
        load=load,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(poller.run)
        tasks.start_soon(_feed_watchdog)
        tasks.start_soon(collect_when_quiet, server)
        tune_collector()
        notify.ready(f"serving at {settings.daemon.socket}")
        server.log.info(
            "serving",
            version=__version__,
            socket=settings.daemon.socket,
            backend=server.backend,
            pid=os.getpid(),
        )
        await _serve_until_told(server, signals)
        tasks.cancel_scope.cancel()
    server.close()
    poller.close()
    for _ in range(_LAST_STEPS):
        if router.work.running:
            await checkpoint()  # what has just been cancelled is not yet known to have stopped
    if router.work.running:
        # Work that does not stop must not keep the daemon from stopping.
        _leave_at_once(server)


async def _serve_until_told(server: Server, signals: AsyncIterator[signal.Signals]) -> None:
    """Serve until the first SIGINT or SIGTERM, then drain; a second one cuts that short."""
    async for number in signals:
        if number == signal.SIGHUP:
            _reload(server)
            continue
        break
    notify.stopping("draining")
    server.log.info("draining", signal=signal.Signals(number).name)
    async with anyio.create_task_group() as tasks:

        async def drain() -> None:
            await server.drain(server.settings.daemon.drain_timeout)
            tasks.cancel_scope.cancel()

        tasks.start_soon(drain)
        async for again in signals:
            if again != signal.SIGHUP:
                server.log.warning("stopping at once", signal=signal.Signals(again).name)
                tasks.cancel_scope.cancel()
                break


def _reload(server: Server) -> None:
    notify.reloading()
    try:
        server.reload()
    except WSAError as error:
        server.log.error("reload failed; what runs is kept", reason=error.detail)
    notify.ready(f"serving at {server.settings.daemon.socket}")


def _leave_at_once(server: Server) -> None:
    server.log.warning("leaving work behind that does not stop", tasks=server.router.work.running)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EX_OK)


async def _feed_watchdog() -> None:
    """Tell the service manager that the event loop turns."""
    interval = notify.watchdog_interval()
    while interval is not None:
        notify.alive()
        await anyio.sleep(interval)
