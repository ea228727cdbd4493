"""All registrations in memory: what lookups read, and what changes are decided on.

Nothing here waits. Registrations are immutable, so a reader has one version of
an object or another, never a mixture. One that is over (its session ended, its
lease ran out) is invisible from that moment on; `Index.reap` frees its memory
later, in slices.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import NamedTuple
from weakref import WeakSet

from msgspec import Struct

from nspd.model.errors import NoBuffers
from nspd.model.queryset import QuerySet
from nspd.model.setservice import Registered

LISTED_NAMES = 1_000_000
"""Names that open enumerations of one section may hold on to in outdated lists."""

_REBUILD_FROM = 64
"""Below this many entries the heap of leases is not worth rebuilding."""


class Key(NamedTuple):
    """Where an object is; no two objects are at the same."""

    user: int | None
    """The uid whose names it is one of; None: the machine's."""
    context: str
    """As compared: see `nspd.model.matching.context_key`."""
    name: str
    """As compared: see `nspd.model.wildcard.folded`."""


class BoundSession:
    """A client session, to the registrations bound to it: one flag ends them all."""

    __slots__ = ("ended", "keys")

    def __init__(self) -> None:
        self.ended = False
        self.keys: set[Key] = set()


class Registration(Struct, frozen=True, gc=False, kw_only=True):
    """One object in the index."""

    registered: Registered
    record: QuerySet
    """What lookups are answered."""
    maker: int
    """The uid that made it, and against whose limit it counts."""
    session: BoundSession | None = None
    expires: float | None = None
    """When its lease ends, in seconds since 1970; None: never."""
    row: int | None = None
    """Its id in the store; None: it is not stored."""

    @property
    def permanent(self) -> bool:
        """Whether it stays until somebody removes it."""
        return self.session is None and self.expires is None

    def is_over(self, now: float) -> bool:
        """Whether its session or its lease has ended."""
        return (self.session is not None and self.session.ended) or (
            self.expires is not None and self.expires <= now
        )


class Names:
    """The names of a section at one moment, shared by all who list them then."""

    __slots__ = ("__weakref__", "folded")

    def __init__(self, folded: tuple[str, ...]) -> None:
        self.folded = folded


_NO_NAMES = Names(())


class _Section:
    """The names of one user, or the machine's, in one context."""

    __slots__ = ("names", "objects", "outdated")

    def __init__(self) -> None:
        self.objects: dict[str, Registration] = {}
        self.names: Names | None = None
        """The list of now, if anybody has asked for it."""
        self.outdated: WeakSet[Names] = WeakSet()

    def changed(self) -> None:
        if self.names is not None:
            self.outdated.add(self.names)
            self.names = None


class Index:
    """Every registration, by user, context and name.

    Args:
        clock: the time in seconds since 1970; leases outlast the daemon, so
            the event loop's clock would not do.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.stale_rows: list[int] = []
        """Stored rows of registrations freed by `reap`, to be deleted with the next write."""
        self._sections: dict[tuple[int | None, str], _Section] = {}
        self._made: Counter[int] = Counter()
        self._sessions: dict[int, BoundSession] = {}
        self._ended: deque[BoundSession] = deque()
        self._leased: dict[Key, float] = {}
        self._leases: list[tuple[float, int, Key]] = []
        self._order = count()

    def find(self, user: int | None, context: str, name: str) -> Registration | None:
        """The object at a key, given by its parts; None if there is none, or it is over."""
        section = self._sections.get((user, context))
        found = section.objects.get(name) if section is not None else None
        if found is None or found.permanent or not found.is_over(self.clock()):
            return found
        return None

    def stored_at(self, key: Key) -> int | None:
        """The row of the object at a key, be it over or not."""
        section = self._sections.get(key[:2])
        found = section.objects.get(key.name) if section is not None else None
        return found.row if found is not None else None

    def names(self, user: int | None, context: str) -> Names:
        """The folded names that there are, in the order of creation.

        Raises:
            NoBuffers: enumerations under way hold on to too many outdated lists.
        """
        section = self._sections.get((user, context))
        if section is None:
            return _NO_NAMES
        if section.names is None:
            held = sum(len(names.folded) for names in section.outdated)
            if held and held + len(section.objects) > LISTED_NAMES:
                raise NoBuffers("too many enumerations of a changing registry are open")
            section.names = Names(tuple(section.objects))
        return section.names

    def made_by(self, uid: int) -> int:
        """How many registrations a user has made, those over but not yet reaped included."""
        return self._made[uid]

    def put(self, key: Key, registration: Registration) -> None:
        """Set the object at a key, in place of what was there."""
        section = self._sections.get(key[:2])
        if section is None:
            section = self._sections[key[:2]] = _Section()
        replaced = section.objects.get(key.name)
        if replaced is None:
            section.changed()
        else:
            self._let_go(key, replaced)
        section.objects[key.name] = registration
        self._made[registration.maker] += 1
        if registration.session is not None:
            registration.session.keys.add(key)
        if registration.expires is not None:
            self._lease(key, registration.expires)

    def remove(self, key: Key) -> Registration | None:
        """Take out the object at a key; returns it, or None if there was none."""
        section = self._sections.get(key[:2])
        removed = section.objects.pop(key.name, None) if section is not None else None
        if section is None or removed is None:
            return None
        section.changed()
        if not section.objects:
            del self._sections[key[:2]]
        self._let_go(key, removed)
        return removed

    def _let_go(self, key: Key, registration: Registration) -> None:
        self._made[registration.maker] -= 1
        if not self._made[registration.maker]:
            del self._made[registration.maker]
        if registration.session is not None:
            registration.session.keys.discard(key)
        self._leased.pop(key, None)

    def _lease(self, key: Key, expires: float) -> None:
        self._leased[key] = expires
        heappush(self._leases, (expires, next(self._order), key))
        if len(self._leases) > 2 * len(self._leased) + _REBUILD_FROM:
            # Each renewal leaves an entry behind that nothing else would remove
            # before its time comes.
            self._leases = [(when, next(self._order), k) for k, when in self._leased.items()]
            heapify(self._leases)

    def session(self, number: int) -> BoundSession:
        """The session with this number, for registrations to be bound to."""
        return self._sessions.setdefault(number, BoundSession())

    def end_session(self, number: int) -> None:
        """End all registrations bound to a session, in one step."""
        session = self._sessions.pop(number, None)
        if session is not None:
            session.ended = True
            self._ended.append(session)

    def reap(self, limit: int | None = None) -> int:
        """Free registrations that are over, at most so many; returns how many."""
        freed = 0
        now = self.clock()
        while freed != limit:
            key = self._next_over(now)
            if key is None:
                break
            removed = self.remove(key)
            if removed is not None and removed.row is not None:
                self.stale_rows.append(removed.row)
            freed += 1
        return freed

    def _next_over(self, now: float) -> Key | None:
        while self._ended:
            if self._ended[0].keys:
                return self._ended[0].keys.pop()
            self._ended.popleft()
        while self._leases and self._leases[0][0] <= now:
            expires, _, key = heappop(self._leases)
            if self._leased.get(key) == expires:
                return key
        return None
