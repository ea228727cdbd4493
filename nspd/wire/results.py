"""What each method of the protocol gives, and what the daemon tells unasked, as types.

Unknown members are let pass, so that a client can talk to a newer daemon; those of
query sets, whose types are the requests' too, by `nspd.wire.reading`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from nspd.model.queryset import QuerySet
from nspd.model.verdict import Outcome, Verdict

Work = Literal["none", "stopped", "detached"]


class Result(Struct, frozen=True, gc=False, kw_only=True):
    """Base of all results."""


class StartupResult(Result, frozen=True, kw_only=True):
    """The session that Startup opened, or found open."""

    client_session: int
    protocol: int
    server: str
    """The daemon's name and version, "nspd/x.y.z"."""
    limits: dict[str, int | float]
    """The daemon's limits by the names that its settings have."""


class BeginResult(Result, frozen=True, kw_only=True):
    """The handle of a lookup that began."""

    lookup: int


class EndResult(Result, frozen=True, kw_only=True):
    """What an End did."""

    cancelled: int
    """Waiting calls that were answered WSA_E_CANCELLED."""
    work: Work
    """Whether the work behind the lookup had to be stopped, and whether it has stopped."""


class LookupResult(Result, frozen=True, kw_only=True):
    """A whole lookup in one reply."""

    results: tuple[QuerySet, ...]
    verdicts: tuple[Verdict, ...]


class FailureData(Result, frozen=True, kw_only=True):
    """What there is to say of a failure."""

    detail: str = ""
    """One sentence for a person."""


class LookupFailure(Result, frozen=True, kw_only=True):
    """What an explained lookup failed with; it reads like the error of a reply."""

    code: int
    message: str
    """The symbolic name of the code."""
    data: FailureData = FailureData()


class StoryEvent(Result, frozen=True, kw_only=True):
    """One thing that happened in an explained lookup."""

    at: float
    """Seconds since the lookup began; below 0 for shared work that ran before."""
    event: str
    """What kind of thing, in a word (docs/protocol.md has the list)."""
    provider_id: str | None
    """The provider that it is about; None: the lookup as a whole."""
    identifier: str | None
    facts: dict[str, str | int | float | bool | None]


class ExplainResult(Result, frozen=True, kw_only=True):
    """A whole lookup and its story."""

    results: tuple[QuerySet, ...]
    verdicts: tuple[Verdict, ...]
    error: LookupFailure | None
    """What nspd.Lookup would have failed with; None: it would have given the results."""
    elapsed: float
    """Seconds from the beginning to the end."""
    story: tuple[StoryEvent, ...]
    """In the order of time."""
    left_out: int
    """Events for which the story had no room."""


class CachedAnswer(Result, frozen=True, kw_only=True):
    """One answer in the cache of a provider."""

    provider_id: str
    identifier: str
    name: str
    """The name that was asked for."""
    type: str
    """What of it, such as "AAAA"."""
    kind: str
    """What was found: "answer", "nodata", "nxdomain" or "failure"."""
    ttl: float
    """Seconds for which it may still be used; below 0 if it is stale but kept."""
    records: tuple[str, ...]
    """What was found, each record as text."""


class CacheResult(Result, frozen=True, kw_only=True):
    """What the providers have cached."""

    entries: tuple[CachedAnswer, ...]
    complete: bool
    """Whether these are all of them; False: the limit was reached."""


class ProviderEntry(Result, frozen=True, kw_only=True):
    """One entry of the catalog."""

    provider_id: str
    namespace: int
    identifier: str
    kind: str
    version: int
    active: bool
    watch: bool
    """Whether it reports changes."""
    registers: bool
    """Whether it takes SetServiceEx."""


class ProvidersResult(Result, frozen=True, kw_only=True):
    """The catalog, in the order in which providers are asked."""

    providers: tuple[ProviderEntry, ...]


class Census(Result, frozen=True, kw_only=True):
    """How many there are at this moment of everything that can leak."""

    connections: int
    sessions: int
    lookups: int
    waiting_calls: int
    provider_tasks: int
    detached: int
    file_descriptors: int


class StatusResult(Result, frozen=True, kw_only=True):
    """The daemon at a glance."""

    version: str
    pid: int
    backend: str
    """The event loop: "asyncio", "uvloop" or "trio"."""
    uptime: float
    """Seconds since the daemon was ready."""
    census: Census


class SessionEntry(Result, frozen=True, kw_only=True):
    """One session, as an operator sees it."""

    session: int
    uid: int
    pid: int
    client: str | None
    """What the client called itself at Startup."""
    age: float
    """Seconds since its first Startup."""
    startups: int
    """Startups not yet cleaned up."""
    rundown: bool
    """Whether the session was run down and takes no new lookup."""
    lookups: int
    waiting_calls: int
    bytes_unsent: int
    """Bytes of replies that the client has not taken yet."""


class SessionsResult(Result, frozen=True, kw_only=True):
    """The sessions that the caller may see."""

    sessions: tuple[SessionEntry, ...]


class LookupEntry(Result, frozen=True, kw_only=True):
    """One lookup, or what an ended one left running, as an operator sees it."""

    lookup: int
    session: int | None
    """None for an nspd.Lookup, which needs no session."""
    uid: int
    pid: int
    client: str | None
    name: str | None
    query_string: str | None
    namespace: int
    watch: bool
    state: Literal["running", "finished", "detached"]
    """Detached: ended, but some of its work has not stopped yet."""
    age: float
    """Seconds since Begin."""
    waiting: int
    """Calls that wait for a record."""
    ready: int
    """Records that wait for a call."""
    delivered: int
    """Records that the client got."""
    verdicts: tuple[Verdict, ...]
    """How each provider stands."""


class LookupsResult(Result, frozen=True, kw_only=True):
    """The lookups that the caller may see."""

    lookups: tuple[LookupEntry, ...]


class ProviderStatistics(Result, frozen=True, kw_only=True):
    """What one provider did since the daemon started."""

    provider_id: str
    identifier: str
    lookups: int
    records: int
    elapsed: float
    """Seconds that its lookups took, added up."""
    outcomes: dict[Outcome, int]
    """Lookups by how they ended."""
    running: int
    detached: int


class StatisticsResult(Result, frozen=True, kw_only=True):
    """Counts since the daemon started."""

    uptime: float
    counters: dict[str, int]
    """Counts by name, such as "requests" or "lookups_begun"."""
    providers: tuple[ProviderStatistics, ...]


EventKind = Literal[
    "session_started",
    "session_ended",
    "lookup_begun",
    "lookup_ended",
    "work_detached",
    "work_returned",
    "service_changed",
    "catalog_changed",
]


class Event(Result, frozen=True, kw_only=True, omit_defaults=True):
    """The notification nspd.Event: something that happened, told to a Monitor."""

    event: EventKind
    time: float
    """When, in seconds since 1970 (UTC)."""
    uid: int | None = None
    pid: int | None = None
    session: int | None = None
    lookup: int | None = None
    provider_id: str | None = None
    namespace: int | None = None
    name: str | None = None
    code: int | None = None
    """The error number with which a lookup ended."""
    elapsed: float | None = None
    """Seconds that it lasted."""


class GoingAway(Result, frozen=True, kw_only=True):
    """The notification nspd.GoingAway: the daemon drains."""

    deadline: float
    """Seconds until it closes the connection, whatever still waits."""


class ErrorObject(Struct, frozen=True, kw_only=True):
    """The error of a reply."""

    code: int
    message: str = ""
    data: dict[str, object] | None = None
