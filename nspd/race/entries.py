"""What the ledger remembers: calls that wait, and connections with their lookups.

An entry lives as long as something about it is still open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nspd.race.messages import LOOKUP, MAY_WAIT, Id
from nspd.race.sessions import Session

if TYPE_CHECKING:
    from nspd.race.lookups import Lookup

_NO_PARAMS: Mapping[str, Any] = MappingProxyType({})
_LATE = 1.0
"""Seconds after which a time-out that did not come is a reply that was lost."""


class Call:
    """One request that is not yet answered.

    Most of what a call can have it has not: those members are the class's own
    until they are set, which makes a call cheap.
    """

    handle: int | None = None
    """The handle that it names, if any."""
    lookup: Lookup | None = None
    """The live lookup that it acts on."""
    gone = ""
    """Why its handle is known not to exist for it; empty otherwise."""
    cancel_requested = False
    ended_by: OtherCall | None = None
    """For an nspd.Lookup and a Begin: the Rundown or last Cleanup sent after it."""
    late = ""
    """The promise that is broken by its not having been answered yet, if one is."""
    verdicts: Sequence[Any] = ()
    """Those of the error that answered it."""

    def __init__(self, id: Id | None, method: str, sent: float, batch: list[Call] | None) -> None:
        self.id = id
        self.method = method
        self.sent = sent
        """When it was sent, in seconds on the history's clock."""
        self.batch = batch
        """All calls of its batch, for the rest of which its reply waits; None: it is in none.
        The place of such a reply tells nothing."""

    def __str__(self) -> str:
        name = self.method.removeprefix("NSPv2LookupService").removeprefix("NSPv2")
        target = f" of lookup {self.handle}" if self.handle is not None else ""
        return f"{name} {self.id!r}{target}"

    def overdue(self, now: float) -> bool:
        """Whether it cannot rightly be left waiting when the history ends at ``now``."""
        if self.batch is None:
            return self.must_be_answered(now)
        return all(call.must_be_answered(now) for call in self.batch)

    def must_be_answered(self, now: float) -> bool:
        """Whether it must have been settled by ``now``, whatever else is in its batch."""
        if self.cancel_requested or self.gone or self.late or self.method not in MAY_WAIT:
            return True
        return self.method == LOOKUP and self.ended_by is not None


class NextCall(Call):
    """A NextEx on a live lookup; it also stands in that lookup's queue, in the order sent."""

    lookup: Lookup
    flags = 0
    room: int | None = None
    """``buffer_length``, in bytes."""
    deadline: float | None = None
    """When its own time-out is over."""
    answer: int | None = None
    """The code that it was answered with, 0 for a record; None: it waits."""
    number: int | None = None
    """The number of the record that it got, where records have one."""
    provider = ""
    """The GUID of the provider of that record."""
    cancelled_by_nobody = False
    """It was answered 10111, and that was found to be a violation."""
    before: NextCall | None = None
    after: NextCall | None = None

    def must_be_answered(self, now: float) -> bool:
        lookup = self.lookup
        if super().must_be_answered(now) or lookup.must_settle or lookup.ended_by is not None:
            return True
        limits = (self.deadline, lookup.deadline)
        return any(limit is not None and now > limit + _LATE for limit in limits)


class BeginCall(Call):
    """A Begin or nspd.Lookup, with what was asked for and what it may have ended."""

    params = _NO_PARAMS
    interventions = 0
    """`Ledger.interventions` when it was sent."""
    era = 0
    """Cleanups that its connection had sent before it."""
    candidates: Sequence[NextCall] = ()
    """NextEx calls that waited when it was sent by a session with ``cancel_on_begin``."""
    after_rundown = False
    """The session has been run down before it."""


class StatusCall(Call):
    """An nspd.Status, with what could not be open any more when it was sent."""

    closed = (0, 0)


class OtherCall(Call):
    """A request that opens or ends a session, ends lookups, or disables a provider."""

    params = _NO_PARAMS
    certain = False
    """A Rundown, a last Cleanup, or an EndLookup of an own lookup: what it ends has ended."""
    intervenes = False
    """It may have ended lookups that the ledger does not know yet."""
    era = 0
    """For a Cleanup: how many its connection has sent, this one among them."""
    answered = False
    code: int | None = None
    """That of the error which answered it, if one did."""


class Connection:
    """One connection: its calls that wait, its session, and what excuses their answers."""

    __slots__ = (
        "blind",
        "cleaned",
        "client",
        "excused",
        "guesses",
        "lookups",
        "run_down",
        "session",
        "waiting",
    )

    def __init__(self, client: int) -> None:
        self.client = client
        self.waiting: dict[Id | None, Call] = {}
        self.lookups: dict[int, Lookup] = {}
        self.guesses: dict[int, int] = {}
        """Handles that waiting calls name though no Begin had returned them, and how often."""
        self.blind = False
        """Its replies cannot be attributed any more."""
        self.excused = False
        """Lookups here may end by themselves: a drain, a half-closed connection, a Cleanup
        of which one cannot tell whether it was the last."""
        self.session = Session()
        self.run_down = False
        """A Rundown has been sent in a session that is known to be open."""
        self.cleaned = False
        """A Cleanup has been sent, so that 10093 may be the answer to anything."""

    def remove(self, id: Id) -> Call | None:
        """Strike out the request that a reply answers; None if none waits under this id."""
        call = self.waiting.pop(id, None)
        if call is not None and call.lookup is None and call.handle in self.guesses:
            self.guesses[call.handle] -= 1
            if not self.guesses[call.handle]:
                del self.guesses[call.handle]
        return call
