"""What a namespace provider is: the interface between the router and the namespaces.

A provider's author subclasses `Provider` and writes `lookup`, or, where the
answer is at hand, `answer`. Everything that crosses this line is plain data, so
that a provider could live in another process.

How a coroutine ends says what became of the lookup there: it returns (no more
records), raises a `WSAError` (that error), raises anything else (10107,
logged), or is cancelled. Cancellation arrives as the backend's own exception
(``anyio.get_cancelled_exc_class()``); release what you hold and let it pass.
A clean-up that must await needs a shielded scope; while it runs, the work counts
as not stopped, and past the daemon's ``end_grace`` as detached.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Protocol, TypeVar

from msgspec import Struct

from nspd.core.story import Story
from nspd.model import errors
from nspd.model.levels import AuthLevel
from nspd.model.namespaces import fixed_guid
from nspd.model.queryset import QuerySet

_T = TypeVar("_T")


class Query(Struct, frozen=True, kw_only=True):
    """What a provider is asked: one lookup, as its client began it."""

    restrictions: QuerySet
    """The query set. Its comment, addresses and output flags mean nothing in a query."""
    control_flags: int
    """LUP_* as given at Begin (no field bit there has become RETURN_NAME)."""
    watch: bool = False
    """Whether changes are wanted after the existing set; only for providers that watch."""
    uid: int = -1
    """The user who asks."""
    story: Story | None = None
    """Where to note what happens, for a lookup that is to be explained; None for all others.

    It is no part of what is asked: it must change neither the answer nor a sharing key.
    """


class Answer(Struct, frozen=True):
    """Records that are at hand: they are taken one by one, as the client reads them.

    An enumeration gives an iterator that holds its list of names and reads
    each object when it is taken. Taking the next one must not block.
    """

    records: Iterable[QuerySet]
    known: bool = False
    """The name exists; matters only when there is no record (11004, not 10108)."""


class Change(Struct, frozen=True, kw_only=True):
    """One SetServiceEx, checked as far as the router can check it."""

    registration: QuerySet
    operation: int
    """`ServiceOperation`: 0 register, 1 deregister, 2 delete."""
    multiple: bool = False
    """SERVICE_MULTIPLE: act on the given addresses only."""
    machine: bool = False
    """Visible to every user, instead of the registering one alone."""
    uid: int
    """The user who makes the change."""
    administrator: bool = False
    session: int | None = None
    """The session to whose end a registration is bound; None: it outlives it."""
    ttl: float | None = None
    """Seconds until the registration lapses unless renewed; None: never."""
    limit: int | None = None
    """Registrations that this user may have; None: no limit."""


class CacheEntry(Struct, frozen=True, kw_only=True):
    """One answer that a provider has cached, for operators to look at."""

    name: str
    """The name that was asked for."""
    type: str
    """What of it, such as "AAAA"."""
    kind: str
    """"answer", "nodata", "nxdomain", or "failure" where a failure is remembered."""
    ttl: float
    """Seconds for which it may still be used; below 0 if it is stale but kept."""
    records: tuple[str, ...] = ()
    """What was found, each as text."""


class Results(Protocol):
    """Where a lookup's records go; handed to `Provider.lookup`."""

    async def send(self, record: QuerySet) -> None:
        """Hand over one record; waits while the reader has enough unread.

        Always gives a cancellation its chance, even if there is room. In a
        watch, after `synced`, a record is a change and carries
        ``output_flags`` ADDED, CHANGED or DELETED.

        Raises:
            anyio's cancellation exception: nobody wants more.
        """

    def known(self) -> None:
        """Say that the name exists, whether or not a record of the kind asked for comes."""

    def synced(self) -> None:
        """Mark the end of the existing set of a watch; what follows is changes."""

    def on_cancel(self, let_go: Callable[[], object], *, returns: bool = False) -> None:
        """Have a function called if the lookup is cancelled; the last one given counts.

        It is called in the very step in which nobody wants the records any more,
        before the coroutine feels the cancellation: with many lookups cancelled
        together that comes later. Let go there of what should not outlive the
        lookup, such as sockets. It must not block. If the lookup has been cancelled
        already, it is called at once.

        Args:
            let_go: the function.
            returns: it also has the coroutine return by itself, at once: as by setting
                the event for which that waits. Then the coroutine is not cancelled
                besides, unless it goes on all the same (for ``end_grace``).
        """


class Host(Protocol):
    """What the daemon offers a provider while it runs."""

    @property
    def log(self) -> Any:
        """A structlog logger, bound to this provider."""

    async def run_blocking(self, function: Callable[..., _T], *args: Any) -> _T:
        """Call a function in one of the provider's worker threads and wait for its result.

        The call cannot be interrupted once a worker has it, so from then on a
        cancellation takes effect when it returns: until then the work counts as
        running, which is the truth. Waiting for a free worker can be cancelled.
        """
        ...


class Provider:
    """Base class of a namespace provider. One object serves one catalog entry.

    Everything has a default except `namespace` and one of `answer` and `lookup`.
    """

    kind: ClassVar[str]
    """The name used in the configuration and in the entry-point group."""
    namespace: int
    """The namespace served."""
    version: int = 1
    """The provider's version, shown in the catalog."""
    watches: bool = False
    """Takes lookups with ``watch`` and reports changes."""
    registers: bool = False
    """Takes SetServiceEx."""
    shares_across_users: bool = True
    """An answer does not depend on who asks, so one run may serve several users."""
    workers: int | None = None
    """Threads of a provider that blocks; None: it does not block."""
    in_all: bool = True
    """Whether lookups over all namespaces (NS_ALL) ask it."""
    foreign: Callable[[str], bool] | None = None
    """Whether a name belongs to other providers, by the setting ``domains``; None: no name does.

    Set by the catalog, for providers that make further names of the one that
    they are asked for, as by a search list: they must leave such names out.
    """
    leveled: bool = False
    """The providers of its namespace are asked by level, one after the other; see `level`."""
    supports_wildcard: bool = True
    """A leveled provider may be asked for names for which it has no level, too."""

    def __init__(
        self,
        *,
        provider_id: str | None = None,
        identifier: str | None = None,
        namespace: int | None = None,
    ) -> None:
        if namespace is not None:
            self.namespace = namespace
        self.provider_id = (provider_id or fixed_guid(self.namespace)).lower()
        self.identifier = identifier if identifier is not None else self.kind

    @asynccontextmanager
    async def running(self, host: Host) -> AsyncIterator[None]:
        """The provider's life: opened before the first lookup, closed after the last.

        Open files and stores here, and start background tasks in a task group
        of your own around the ``yield``.
        """
        yield

    def answer(self, query: Query) -> Answer | None:
        """Answer at once, refuse, or return None to have `lookup` run as a task.

        It is called within Begin and must neither block nor wait.

        Raises:
            WSAError: the lookup is refused at Begin with this code.
        """
        return None

    async def lookup(self, query: Query, results: Results) -> None:
        """Find the records of one lookup; runs in a task of its own, which End cancels.

        Raises:
            WSAError: the lookup ended with this code here.
        """
        raise errors.NotSupported(f"the {self.kind} provider has no such lookup")

    def sharing_key(self, query: Query) -> Hashable | None:
        """Equal keys share one run of `lookup`; None: this lookup runs alone.

        The router adds what must be the same in any case (scope flags,
        FLUSHCACHE, the user where `shares_across_users` is false).
        """
        return None

    async def set_service(self, change: Change) -> None:
        """Carry out one SetServiceEx, entirely or not at all; durable when it returns.

        Never cancelled. Changes of one client arrive one at a time, in order.

        Raises:
            WSAError: the change was not made.
        """
        raise errors.NotSupported(f"the {self.kind} provider takes no registrations")

    def session_ended(self, session: int) -> None:
        """A client session is over: forget what was bound to it. Must not block."""

    def flush(self) -> None:
        """Forget what is cached. Must not block."""

    def level(self, name: str) -> AuthLevel | None:
        """What a leveled provider is to a name; None: the name is none of its namespace.

        Must neither block nor wait.
        """
        return AuthLevel.NONE

    def cache_entries(self, name: str | None = None) -> Iterable[CacheEntry]:
        """What is cached, or what of it was asked for by this name. Must not block.

        The entries are taken one by one, and perhaps not all of them; the cache
        may not change meanwhile.
        """
        return ()
