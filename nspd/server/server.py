"""The server: its clients, the rules for taking new ones, and its end."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import msgspec

from nspd import __version__
from nspd.core.limits import Limits
from nspd.core.outcome import Failure
from nspd.core.router import Router
from nspd.core.users import Peer
from nspd.model import errors
from nspd.model.queryset import QuerySet
from nspd.server import explaining, logs, management, operations
from nspd.server.access import Access
from nspd.server.connection import Connection, Handler
from nspd.server.link import Link
from nspd.server.listener import Listener
from nspd.server.monitor import Monitors
from nspd.server.peer import credentials
from nspd.server.poller import READ, Poller
from nspd.server.settings import ProviderSettings, Settings
from nspd.server.together import carry_out_together
from nspd.wire import encode
from nspd.wire.results import Census

_ACCEPT_AT_ONCE = 64
_NEED_STARTUP = frozenset(
    {
        "NSPv2LookupServiceBegin",
        "NSPv2LookupServiceNextEx",
        "NSPv2LookupServiceEnd",
        "NSPv2SetServiceEx",
    }
)
_OUT_OF_DESCRIPTORS_PAUSE = 0.1
_LAST_WORDS = 0.5
"""Seconds, beside ``end_grace``, that the last replies of a drain may take."""


class Server:
    """All clients of one daemon. Opened and closed by `nspd.server.daemon`.

    Closing order: the listener, then the links (each runs its session down).
    """

    def __init__(
        self,
        settings: Settings,
        router: Router,
        poller: Poller,
        listener: Listener,
        *,
        log: Any,
        backend: str,
        load: Callable[[], Settings] | None = None,
    ) -> None:
        self.settings = settings
        self.router = router
        self.poller = poller
        self.log = log
        self.backend = backend
        self.load = load
        """Reads the configuration again, for a reload; None: there is nothing to read."""
        self.name = f"nspd/{__version__}"
        self.handlers: dict[str, Handler] = {
            **operations.HANDLERS,
            **explaining.HANDLERS,
            **management.HANDLERS,
        }
        self.links: set[Link] = set()
        self._of_user: dict[int, int] = {}
        self.access = Access(settings.access, os.getuid())
        self.monitors = Monitors(router)
        self._drained: anyio.Event | None = None
        self._emptied: anyio.Event | None = None
        self.welcomed = 0
        self.requests = 0
        """Requests that have arrived since the start, sound or not."""
        self.started = time.monotonic()
        self.limits_told: dict[str, int | float] = msgspec.structs.asdict(settings.limits)
        self._listener = listener
        poller.carry_out_together = partial(carry_out_together, self)
        poller.tasks = router
        poller.register(listener.socket.fileno(), READ, self._accept)

    # Clients

    def _accept(self, events: int) -> None:
        for _ in range(_ACCEPT_AT_ONCE):
            try:
                connected, _ = self._listener.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._pause_accepting(error)
                    return
                continue  # that client has given up meanwhile (accept(2))
            try:
                self._welcome(connected)
            except Exception:
                # A bug of ours must not take the other clients' daemon down.
                self.log.exception("client not taken")
                connected.close()

    def _pause_accepting(self, error: OSError) -> None:
        """Out of descriptors: asking again at once would only burn the processor."""
        self.log.error("cannot take clients", reason=str(error))
        self.poller.modify(self._listener.socket.fileno(), 0)
        self.router.clock.call_later(_OUT_OF_DESCRIPTORS_PAUSE, self._accept_again)

    def _accept_again(self) -> None:
        if self._listener.socket.fileno() >= 0:
            self.poller.modify(self._listener.socket.fileno(), READ)

    def _welcome(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        try:
            peer = self.access.peer(credentials(connected))
        except OSError:
            connected.close()
            return
        refusal = self._refusal(peer)
        if refusal is not None:
            line = encode.error(None, errors.WSA_NOT_ENOUGH_MEMORY, refusal)
            with contextlib.suppress(OSError):  # it may have gone, and need not be told
                connected.send(line + b"\n")
            connected.close()
            return
        self.welcomed += 1
        self._of_user[peer.uid] = self._of_user.get(peer.uid, 0) + 1
        self.links.add(Link(self, connected, peer))

    def _refusal(self, peer: Peer) -> str | None:
        limits: Limits = self.settings.limits
        # One place is kept for those who can put things right.
        places = limits.connections if peer.administrator else limits.connections - 1
        if len(self.links) >= places:
            return "limits.connections is reached"
        mine = self._of_user.get(peer.uid, 0)
        if not peer.administrator and mine >= limits.connections_per_user:
            return "limits.connections_per_user is reached"
        return None

    def forget(self, link: Link) -> None:
        """A link has closed (called by it)."""
        self.links.discard(link)
        uid = link.connection.peer.uid
        self._of_user[uid] -= 1
        if not self._of_user[uid]:
            del self._of_user[uid]
        self.monitors.leave(link.connection)
        self.check_drained()

    def refusal_before_arguments(
        self, connection: Connection, method: str | None
    ) -> Failure | None:
        """What is wrong with a call before anybody looks at its params."""
        if method in _NEED_STARTUP and not connection.session.startups:
            return Failure(errors.WSANOTINITIALISED, "NSPv2Startup comes first")
        if method in management.OF_THE_TEST_NAMESPACE and not management.test_providers(connection):
            return management.NO_TEST_NAMESPACE
        return None

    # What there is

    def census(self) -> Census:
        """How many there are of everything that can leak."""
        return Census(
            connections=len(self.links),
            sessions=sum(1 for session in self.router.sessions if session.startups),
            lookups=self.router.lookups,
            waiting_calls=sum(len(link.connection.waiting) for link in self.links),
            provider_tasks=self.router.work.running,
            detached=len(self.router.detached),
            file_descriptors=len(os.listdir("/proc/self/fd")) - 1,
        )

    def service_changed(self, peer: Peer, registration: QuerySet) -> None:
        """A registration was made, changed or removed."""
        self.monitors.service_changed(peer, registration)

    def reload(self) -> None:
        """Read the configuration again and apply what can change while running.

        Applied: access, log level, limits; which providers are on, their order,
        budgets and domains. The rest needs a restart, and the log says so.

        Raises:
            InvalidArgument: it cannot be read; what runs is kept.
        """
        if self.load is None:
            raise errors.NotSupported("this daemon was started without a configuration")
        settings = self.load()
        self.access = Access(settings.access, os.getuid())
        logs.set_level(settings.log.level)
        self.router.set_limits(settings.limits)
        self.limits_told = msgspec.structs.asdict(settings.limits)
        catalog = self.router.catalog
        wanted = {provider.provider_id.lower(): provider for provider in settings.providers}
        for entry in catalog:
            provider = wanted.get(entry.provider_id)
            if provider is not None:
                catalog.configure(entry, budget=provider.budget, domains=provider.domains)
            enabled = provider is not None and provider.enabled
            self.router.enable_provider(entry.provider_id, enabled)
        known = [entry.provider_id for entry in catalog]
        kept = [provider_id for provider_id in wanted if provider_id in known]
        catalog.reorder([*kept, *(i for i in known if i not in kept)])
        self.monitors.catalog_changed()
        running = {p.provider_id.lower(): _made_of(p) for p in self.settings.providers}
        restart = sorted(i for i, p in wanted.items() if running.get(i) != _made_of(p))
        if restart or settings.daemon != self.settings.daemon:
            self.log.warning("some changes of the configuration need a restart", providers=restart)
        self.settings = msgspec.structs.replace(
            settings, daemon=self.settings.daemon, providers=self.settings.providers
        )
        self.log.info("configuration read again")

    # The end

    @property
    def quiet(self) -> bool:
        """Whether no lookup is open, and no reply is due, owed or unsent."""
        return self.router.lookups == 0 and not any(
            link.unsent or link.connection.owed or link.connection.backlog for link in self.links
        )

    def check_drained(self) -> None:
        """Tell the drain, if there is one, that it may be over (called where something ends)."""
        if self._drained is not None and self.quiet:
            self._drained.set()
        if self._emptied is not None and not self.links:
            self._emptied.set()

    async def drain(self, seconds: float) -> None:
        """Take nothing new, serve what is open, at most for so many seconds.

        Over when no lookup is open and no reply unsent; else what still waits
        is answered 10111 at the end. Then everybody is hung up on.
        """
        self._stop_listening()
        self.router.draining = True
        self._drained = anyio.Event()
        self.router.no_lookup_left = self.check_drained
        line = encode.notification("nspd.GoingAway", {"deadline": seconds})
        for link in list(self.links):
            link.connection.put(line)
        self.poller.call_soon(self.check_drained)
        with anyio.move_on_after(seconds):
            await self._drained.wait()
        self._emptied = anyio.Event()
        for link in list(self.links):
            link.connection.give_up()
        self.check_drained()
        with anyio.move_on_after(self.router.graces.seconds + _LAST_WORDS):
            await self._emptied.wait()

    def _stop_listening(self) -> None:
        descriptor = self._listener.socket.fileno()
        if descriptor >= 0:
            self.poller.unregister(descriptor)
            self._listener.close()

    def close(self) -> None:
        """Answer what still waits, as far as that takes no time, and hang up on everybody."""
        self._stop_listening()
        for link in list(self.links):
            link.connection.give_up()
            link.send()
            link.close()


def _made_of(provider: ProviderSettings) -> tuple[object, ...]:
    """What of a provider's settings it is made with, and keeps until a restart."""
    return (
        provider.kind,
        provider.identifier,
        provider.namespace,
        provider.workers,
        provider.options,
    )
