"""The books of the daemon: who is here, what he holds, and how much is left to take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nspd.core.users import User

if TYPE_CHECKING:
    from nspd.core.catalog import Entry
    from nspd.core.limits import Limits
    from nspd.core.lookup import Lookup
    from nspd.core.observer import Observer
    from nspd.core.run import Run
    from nspd.core.session import Session


class Accounts:
    """Sessions, users, open lookups and detached work, under the limits in force."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.users: dict[int, User] = {}
        self.sessions: set[Session] = set()
        self.lookups = 0
        """Lookups open, over all users."""
        self.no_lookup_left: Callable[[], None] | None = None
        """Called when the last open lookup has ended, for whoever drains."""
        self.detached: dict[Run, None] = {}
        """Work that goes on after its End, oldest first."""
        self.detached_ever = 0
        self.observer: Observer | None = None

    def set_limits(self, limits: Limits) -> None:
        """Put other limits in force, for those who are here already, too."""
        self.limits = limits
        for user in self.users.values():
            user.byte_limit = limits.bytes_per_user
            user.discharge(0)  # work that waited for bytes may be within the limit now

    # Sessions and users

    def account_of(self, uid: int) -> User:
        """The account of a user; a new one if he has none."""
        user = self.users.get(uid)
        if user is None:
            user = self.users[uid] = User(uid, self.limits.bytes_per_user)
        return user

    def session_opened(self, session: Session) -> None:
        """Count a new session of its user."""
        session.user.sessions += 1
        self.sessions.add(session)

    def session_closed(self, session: Session) -> None:
        """A session has let go of everything (called by it)."""
        self.sessions.discard(session)
        session.user.sessions -= 1
        self.forget_if_gone(session.user)

    def forget_if_gone(self, user: User) -> None:
        """Close the account of a user who has no session any more and no work that runs."""
        if user.sessions == 0 and user.runs == 0:
            self.users.pop(user.uid, None)

    # Lookups

    def uncount(self, user: User, lookups: int) -> None:
        """Lookups have left the tables: their places in the limits are free."""
        user.lookups -= lookups
        self.lookups -= lookups
        if self.lookups == 0 and self.no_lookup_left is not None:
            self.no_lookup_left()

    def find(self, handle: int) -> Lookup | None:
        """The lookup with this number, whoever's it is (for management)."""
        for session in self.sessions:
            lookup = session.lookups.get(handle) or session.oneshots.get(handle)
            if lookup is not None:
                return lookup
        return None

    # Detached work

    def may_start(self, entry: Entry, user: User, *, exempt: bool) -> bool:
        """Whether cancelled work that still runs leaves the provider room for more.

        One user gets three quarters of it at most, unless he is exempt.
        """
        cap = self.limits.detached_per_provider
        if entry.provider.workers is not None:
            cap = min(cap, entry.provider.workers)
        if entry.detached >= cap:
            return False
        return exempt or entry.detached_of.get(user.uid, 0) < max(1, cap * 3 // 4)

    def count_detached(self, run: Run, change: int) -> None:
        """Work has become detached (+1), or detached work has ended (-1)."""
        run.entry.detached += change
        run.owner.detached += change
        by_user = run.entry.detached_of
        uid = run.owner.uid
        by_user[uid] = by_user.get(uid, 0) + change
        if not by_user[uid]:
            del by_user[uid]
        if change > 0:
            self.detached_ever += 1
            self.detached[run] = None
            if self.observer is not None:
                self.observer.work_detached(run)
        else:
            self.detached.pop(run, None)
            if self.observer is not None:
                self.observer.work_returned(run)
