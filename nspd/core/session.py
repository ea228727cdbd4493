"""A client session: what one client holds, from its connection to its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nspd.model import errors

if TYPE_CHECKING:
    from nspd.core.lookup import Lookup
    from nspd.core.outcome import Failure
    from nspd.core.router import Router
    from nspd.core.setting import Setting
    from nspd.core.users import Peer, User

PROTOCOL = 1
"""The version of the protocol that the daemon speaks."""


class Life:
    """Whether the lookups begun under it may still be given records.

    Ending them all is one assignment here, however many there are.
    """

    __slots__ = ("alive", "open", "stalled")

    def __init__(self, *, corked: bool) -> None:
        self.alive = True
        self.open = not corked
        """Records may be handed over: alive, and the client takes what it is sent."""
        self.stalled: set[Lookup] = set()
        """Lookups with a waiting call that may have had a record meanwhile."""


class Session:
    """One client, from connecting to leaving. Opened and closed by the connection.

    Closing order: no further record is handed over, the lookups leave the
    tables, their calls are settled and their work cancelled (in slices), the
    providers forget what was bound to the session.
    """

    __slots__ = (
        "_corked",
        "_setting",
        "_settings",
        "_sweeps",
        "_when_swept",
        "begun",
        "cancel_on_begin",
        "changes_held",
        "client",
        "closed",
        "dead",
        "id",
        "life",
        "lookups",
        "oneshots",
        "peer",
        "router",
        "startups",
        "user",
    )

    def __init__(self, router: Router, peer: Peer, user: User) -> None:
        self.router = router
        self.peer = peer
        self.user = user
        self.begun = router.clock.now()
        self.id: int | None = None
        """The number of the client session; None without a Startup."""
        self.startups = 0
        self.client = ""
        self.cancel_on_begin = False
        self.dead = False
        """Run down: nothing new until the last Cleanup."""
        self.closed = False
        self.lookups: dict[int, Lookup] = {}
        self.oneshots: dict[int, Lookup] = {}
        """Lookups that answer one `nspd.Lookup`; they have a number, but no handle."""
        self._corked = False
        self.life = Life(corked=False)
        self._settings: deque[Setting] = deque()
        self.changes_held = 0
        """Bytes of the changes (SetServiceEx) that are not done yet."""
        self._setting: Setting | None = None
        self._sweeps = 0
        self._when_swept: list[Callable[[], None]] = []

    # Startup, Rundown, Cleanup

    def startup(self, protocol: int, client: str, cancel_on_begin: bool) -> int:
        """Count up; the first one opens the client session. Returns its number.

        Raises:
            VersionNotSupported, AccessDenied, NotReady.
        """
        if protocol != PROTOCOL:
            raise errors.VersionNotSupported(
                f"protocol {protocol} is not supported", data={"supported": [PROTOCOL, PROTOCOL]}
            )
        if not self.peer.may_lookup:
            raise errors.AccessDenied("this user may not look names up here (access.lookup)")
        self.startups += 1
        if self.id is None:
            self.id = self.router.new_session_number()
            self.client = client
            self.cancel_on_begin = cancel_on_begin
            self.begun = self.router.clock.now()
            if self.router.observer is not None:
                self.router.observer.session_started(self)
        return self.id

    def cleanup(self, then: Callable[[], None]) -> None:
        """Count down; the last one runs the session down and frees it. Calls ``then`` after that.

        Raises:
            InvalidArgument: no Startup is outstanding.
        """
        if self.startups == 0:
            raise errors.InvalidArgument("there is no Startup to clean up after")
        self.startups -= 1
        if self.startups:
            then()
            return
        self._forget_session()
        self._end_all(then)
        self.dead = False

    def rundown(self, then: Callable[[], None]) -> None:
        """End every lookup of this client; ``then`` is called when all calls are settled."""
        if self.startups:
            self.dead = True
        self._end_all(then)

    def close(self, then: Callable[[], None] | None = None) -> None:
        """The client is gone."""
        if not self.closed:
            self.closed = True
            self.startups = 0
            self._forget_session()
            self._end_all(then)
            self.router.session_closed(self)

    def _forget_session(self) -> None:
        number, self.id = self.id, None
        if number is not None:
            self.router.session_ended(number)
            if self.router.observer is not None:
                self.router.observer.session_ended(self, number)

    def _end_all(self, then: Callable[[], None] | None) -> None:
        victims = [*self.lookups.values(), *self.oneshots.values()]
        self.lookups = {}
        self.oneshots = {}
        self.life.alive = self.life.open = False
        self.life.stalled.clear()
        self.life = Life(corked=self._corked)
        self.router.uncount(self.user, len(victims))
        self._sweeps += 1
        if then is not None:
            self._when_swept.append(then)
        self.router.sweeper.sweep(victims, self._swept)

    def _swept(self) -> None:
        # Whoever ends everything again, while that goes on, is answered no earlier
        # than the calls that were ended before.
        self._sweeps -= 1
        if self._sweeps == 0:
            when_swept, self._when_swept = self._when_swept, []
            for then in when_swept:
                then()

    # What is asked of it

    def begin(self, *args: Any, **options: Any) -> Lookup:
        """Begin a lookup of this session; see `Router.begin`.

        Raises:
            NotInitialised: before the first Startup.
            InvalidArgument: the session was run down.
        """
        self.check_started()
        self.check_alive()
        return self.router.begin(self, *args, **options)

    def check_started(self) -> None:
        """Before anything else is checked for Begin, NextEx, End and SetServiceEx.

        Raises:
            NotInitialised: no Startup is outstanding.
        """
        if not self.startups:
            raise errors.NotInitialised("NSPv2Startup comes first")

    def check_alive(self) -> None:
        """Nothing new begins in a session that was run down.

        Raises:
            InvalidArgument: it was.
        """
        if self.dead:
            raise errors.InvalidArgument("the session was run down")

    def forget(self, lookup: Lookup) -> None:
        """Take one lookup out of the tables: its handle is gone, its place in the limits free."""
        table = self.lookups if lookup.handle in self.lookups else self.oneshots
        if table.pop(lookup.handle, None) is not None:
            self.router.uncount(self.user, 1)
            self.life.stalled.discard(lookup)

    def cork(self, corked: bool) -> None:
        """Hold back records from a client that does not read; or let them flow again."""
        self._corked = corked
        life = self.life
        life.open = life.alive and not corked
        if not corked:
            stalled, life.stalled = life.stalled, set()
            for lookup in stalled:
                lookup.pump()
                if lookup.wants:
                    lookup.hurry()

    # Registrations: one at a time, in order

    def enqueue(self, setting: Setting) -> None:
        """Carry out a SetServiceEx after those that this client sent before it.

        Its user is charged for it, and his account kept, until it is done.
        """
        self.user.runs += 1
        self.changes_held += setting.size
        self.user.bytes += setting.size
        self._settings.append(setting)
        if self._setting is None:
            self._next_setting()

    def _next_setting(self) -> None:
        if not self._settings:
            self._setting = None
            return
        setting = self._setting = self._settings.popleft()

        def over(failure: Failure | None) -> None:
            bound = setting.session
            if bound is not None and bound != self.id:
                # The session ended meanwhile: what was bound to it goes as well.
                self.router.session_ended(bound)
            self.changes_held -= setting.size
            self.user.discharge(setting.size)
            self.user.runs -= 1
            self.router.forget_if_gone(self.user)
            setting.done(failure)
            self._next_setting()

        setting.carry_out(self.router, over)
