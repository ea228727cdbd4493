"""`nspd.Monitor`: tells what happens as it happens, to those who may know."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from nspd.core.outcome import CANCELLED
from nspd.wire import encode
from nspd.wire.results import Event, EventKind

if TYPE_CHECKING:
    from nspd.core.lookup import Lookup
    from nspd.core.router import Router
    from nspd.core.run import Run
    from nspd.core.session import Session
    from nspd.core.users import Peer
    from nspd.model.queryset import QuerySet
    from nspd.server.connection import Connection, Sink
    from nspd.wire.types import Id


class MonitorCall:
    """One Monitor that waits; it ends by `$/cancelRequest` or with its connection."""

    def __init__(self, monitors: Monitors, connection: Connection, id: Id, sink: Sink) -> None:
        self._monitors = monitors
        self.connection = connection
        self._id = id
        self._sink = sink

    def withdraw(self) -> None:
        """Answer it 10111."""
        self._monitors.remove(self)
        line = encode.error(self._id, CANCELLED.code, CANCELLED.detail)
        self.connection.settle(self._id, self._sink, line)


class Monitors:
    """Those who watch the daemon. While nobody does, the router has no observer.

    A monitor that does not read misses events, and nobody waits for it.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._calls: set[MonitorCall] = set()

    def add(self, call: MonitorCall) -> None:
        """Tell this one from now on."""
        self._calls.add(call)
        self._router.observer = self

    def remove(self, call: MonitorCall) -> None:
        """Tell this one no more."""
        self._calls.discard(call)
        if not self._calls:
            self._router.observer = None

    def leave(self, connection: Connection) -> None:
        """A connection has closed."""
        for call in [call for call in self._calls if call.connection is connection]:
            self.remove(call)

    def _tell(self, event: EventKind, uid: int | None, **members: Any) -> None:
        line: bytes | None = None
        for call in self._calls:
            peer = call.connection.peer
            if call.connection.corked or not (peer.administrator or uid in (None, peer.uid)):
                continue
            if line is None:
                told = Event(event=event, time=time.time(), uid=uid, **members)
                line = encode.notification("nspd.Event", told)
            call.connection.tell(line)

    # nspd.core.observer.Observer

    def session_started(self, session: Session) -> None:
        self._tell("session_started", session.user.uid, pid=session.peer.pid, session=session.id)

    def session_ended(self, session: Session, number: int) -> None:
        self._tell("session_ended", session.user.uid, pid=session.peer.pid, session=number)

    def lookup_begun(self, lookup: Lookup) -> None:
        restrictions = lookup.query.restrictions
        self._tell(
            "lookup_begun",
            lookup.session.user.uid,
            pid=lookup.session.peer.pid,
            session=lookup.session.id,
            lookup=lookup.handle,
            namespace=restrictions.namespace,
            name=restrictions.service_instance_name,
        )

    def lookup_ended(self, lookup: Lookup) -> None:
        self._tell(
            "lookup_ended",
            lookup.session.user.uid,
            pid=lookup.session.peer.pid,
            session=lookup.session.id,
            lookup=lookup.handle,
            code=lookup.final_code,
            elapsed=self._router.clock.now() - lookup.begun,
        )

    def work_detached(self, run: Run) -> None:
        self._tell("work_detached", run.owner.uid, provider_id=run.entry.provider_id)

    def work_returned(self, run: Run) -> None:
        self._tell("work_returned", run.owner.uid, provider_id=run.entry.provider_id)

    # Told by the server

    def service_changed(self, peer: Peer, registration: QuerySet) -> None:
        """A registration was made, changed or removed."""
        if self._calls:
            self._tell(
                "service_changed",
                peer.uid,
                pid=peer.pid,
                namespace=registration.namespace,
                name=registration.service_instance_name,
            )

    def catalog_changed(self) -> None:
        """A provider was switched on or off, or the order changed."""
        self._tell("catalog_changed", None)
