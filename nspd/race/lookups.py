"""One lookup in the ledger: who may still be answered, and how far its records have come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nspd.race.entries import Call, Connection, NextCall
from nspd.race.testrecords import Plan, plan_of

_MOST_HELD = 10_000


class Lookup:
    """One handle, from the reply to its Begin until it has ended and all its calls are answered."""

    # What is so of most lookups is the class's own, until it is set.

    deadline: float | None = None
    """When the budget of the whole lookup is over."""
    _plan: Plan | None = None

    # Who ended it

    ended_by: Call | None = None
    """What has certainly ended it; calls sent since then are answered 6."""
    end_answered = False
    """That is answered too, so only its calls are waited for."""
    must_settle = False
    """Somebody else has certainly ended it, so nothing may be left waiting."""
    era = 0
    """Cleanups that its owner had sent before its Begin."""
    ends = 0
    """Ends and EndLookups of it that succeeded."""
    excused = False
    """It may have ended otherwise (a provider disabled, a guessed handle)."""
    doubts = 0
    """Requests in flight that may end it: EndLookup elsewhere, a Begin that cancels."""
    withdrawn = False
    """A cancel request was sent for one of its calls."""

    # Its calls

    first: NextCall | None = None
    """The queue, oldest call first: calls that wait, and those answered ahead of them."""
    last: NextCall | None = None
    unanswered = 0
    _held = 0
    cancelled = 0
    """Calls answered 10111 that only End can have cancelled."""
    perhaps_cancelled = 0
    """Calls answered 10111 that End or a cancel request has cancelled."""

    # Its records, in the order in which its calls were sent

    in_order = True
    """The order is followed; given up for a lookup with too many calls answered ahead."""
    cancelled_in_order = False
    """A call was answered 10111 because the lookup ended: no later one may get more."""
    records = 0
    test_records = 0
    """Those of the test namespace among them."""
    next_numbers: dict[str, int] | None = None
    """Of each provider of the test namespace the number of the record that is to come."""
    misfit = False
    """The last record did not fit, and stays."""
    dropped = 0
    """Records that FLUSHPREVIOUS has dropped, or may have."""
    flushed = 0
    """Those of them that no later number has accounted for."""
    final = 0
    """The code that ended it by itself."""
    over = False
    """By the verdicts at the end every provider is through, so no work is left."""

    def __init__(self, handle: int, owner: Connection, params: Mapping[str, Any]) -> None:
        self.handle = handle
        self.owner = owner
        self.params = params
        """Those of its Begin."""
        self.watch = params.get("watch") is True

    @property
    def plan(self) -> Plan:
        """What the test namespace was asked to do; read when it is first needed."""
        plan = self._plan
        if plan is None:
            plan = self._plan = plan_of(self.params)
        return plan

    @property
    def settled(self) -> bool:
        """Nothing is to come, so that it can be forgotten."""
        return self.end_answered and not self.unanswered

    @property
    def may_have_ended(self) -> bool:
        """Whether something not its owner's End may have ended it at an unknown moment."""
        return self.excused or self.doubts > 0 or self.must_settle or self.owner.excused

    def append(self, call: NextCall) -> None:
        """Put a call at the end of the queue."""
        self.unanswered += 1
        last = self.last
        if last is None:
            self.first = call
        else:
            call.before = last
            last.after = call
        self.last = call

    def remove(self, call: NextCall) -> None:
        """Take a call out of the queue, wherever it stands."""
        before, after = call.before, call.after
        if before is None:
            self.first = after
        else:
            before.after = after
        if after is None:
            self.last = before
        else:
            after.before = before
        call.before = call.after = None

    def waiting(self) -> Iterator[NextCall]:
        """Its calls that are not answered, oldest first."""
        call = self.first
        while call is not None:
            if call.answer is None:
                yield call
            call = call.after

    def in_turn(self) -> Iterator[NextCall]:
        """Take the answered calls at the head of the queue out of it, oldest first."""
        call = self.first
        while call is not None and call.answer is not None:
            self.remove(call)
            yield call
            call = self.first

    def hold(self, call: NextCall) -> bool:
        """Keep the answer of a call ahead of its turn; False: too many are kept already."""
        if call is self.first:
            self._held = 0
            return True
        self._held += 1
        if self._held <= _MOST_HELD:
            return True
        self.in_order = False
        held = self.first
        while held is not None:
            following = held.after
            if held.answer is not None:
                self.remove(held)
            held = following
        return False

    def lost_ahead(self) -> NextCall | None:
        """A call that was passed over: it waits, and a later one was given a record."""
        call = self.first
        if call is None or call.answer is not None:
            return None
        later = call.after
        while later is not None:
            if later.answer == 0:
                return call
            later = later.after
        return None
