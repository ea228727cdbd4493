"""One lookup: the object behind a handle.

Begin makes it, NextEx takes from it, End closes it. Everything here is a plain
function that changes state at once, so nothing can come between End and its
effect. What may wait is a `Waiter` in the queue, or a `Run` of a provider.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

import anyio

from nspd.core.asking import ask
from nspd.core.ending import Ending
from nspd.core.outcome import CANCELLED, TIMED_OUT, Failure, Outcome
from nspd.core.part import Part
from nspd.core.waiting import Waiter, WaitQueue
from nspd.model import errors
from nspd.model.flags import FIELD_BITS, LookupFlags, ResultFlags, fields_of_call
from nspd.model.native import native_size
from nspd.model.queryset import (
    QuerySet,
    carries_all,
    is_service_query,
    narrow,
    reserve_service,
    weight,
)
from nspd.model.verdict import Outcome as OutcomeOfPart
from nspd.model.verdict import Verdict, conclude

if TYPE_CHECKING:
    from nspd.core.clock import Timer
    from nspd.core.provider import Query
    from nspd.core.router import Router
    from nspd.core.session import Life, Session

_FLUSHPREVIOUS = int(LookupFlags.FLUSHPREVIOUS)
_RES_SERVICE = int(LookupFlags.RES_SERVICE)
_RETURN_ALIASES = int(LookupFlags.RETURN_ALIASES)
_IS_ALIAS = int(ResultFlags.ALIAS)
_BURST = 16
"""Records taken from one provider in a row while another has some ready."""


class Lookup:
    """A lookup under way. Made by `Router.begin`; owned by its session until `end`."""

    __slots__ = (
        "_burst",
        "_fields",
        "_final",
        "_misfit",
        "_returned",
        "_size",
        "_turn",
        "_whole_records",
        "begun",
        "budget",
        "charged",
        "delivered",
        "ended",
        "handle",
        "last_taken",
        "last_whole",
        "left_behind",
        "life",
        "out_of_time",
        "parts",
        "query",
        "router",
        "sequences",
        "session",
        "set_over",
        "waiting",
    )

    def __init__(
        self, router: Router, session: Session, handle: int, query: Query, size: int
    ) -> None:
        self.router = router
        self.session = session
        self.life: Life = session.life
        self.handle = handle
        self.query = query
        self._size = size  # of what was asked, in bytes as users are charged
        self.begun = router.clock.now()
        self.parts: tuple[Part, ...] = ()
        self.sequences: tuple[deque[Part], ...] = ()
        """Parts that are asked one after the other: the next only when the first has no answer.

        Those through without an answer are taken out. All others are asked at once.
        """
        self._fields = query.control_flags & FIELD_BITS
        self._whole_records = carries_all(self._fields)
        self.waiting = WaitQueue()
        self._misfit: QuerySet | None = None  # the record that did not fit its caller's buffer
        # Handed over, but the caller had just gone; in the order in which they were taken.
        self._returned: list[tuple[int, QuerySet]] | None = None
        self.last_taken = 0
        """The place in that order of the record taken last."""
        self.last_whole: QuerySet | None = None
        """The record taken last as its provider gave it, if the call narrowed it."""
        self._final: Failure | None = None
        self._turn = 0
        self._burst = 0
        self.set_over = not query.watch
        """Whether the end of a watch's existing set has been told."""
        self.out_of_time = False
        self.left_behind = False
        """Records of shared work are gone that it had not read."""
        self.budget: Timer | None = None
        self.charged = 0
        """Bytes that its user is charged for, beside what is ready."""
        self.ended = False
        self.delivered = 0
        """Records handed over."""

    def enter(self, table: dict[int, Lookup]) -> None:
        """Take a place in the limits, and in its session's table, until `end`."""
        user = self.session.user
        self.router.lookups += 1
        user.lookups += 1
        size = self._size
        self.charged += size
        user.bytes += size
        table[self.handle] = self

    def hold(self, size: int) -> None:
        """Charge the user for bytes kept here, outside of any run; or, below 0, for so many less.

        What is left is given back when the lookup ends.
        """
        if not self.ended:
            self.charged += size
            self.session.user.discharge(-size)

    def admits(self, record: QuerySet) -> bool:
        """Whether a record of shared work is among those asked for here: aliases may not be."""
        if (record.output_flags or 0) & _IS_ALIAS:
            return bool(self._fields & _RETURN_ALIASES)
        return True

    # NextEx

    @property
    def wants(self) -> bool:
        """Whether a call waits that a record could be given to at once."""
        return self.waiting.first is not None and self.life.open

    def take(self, control_flags: int = 0, buffer_length: int | None = None) -> Outcome | None:
        """One NextEx, if it can be answered now; None: it has to wait (`wait`).

        Args:
            control_flags: LUP_* of this call.
            buffer_length: room in bytes of the native form; None: any.
        """
        if self.waiting.first is not None or not self.life.open:
            return None
        return self._outcome(control_flags, buffer_length)

    def wait(self, waiter: Waiter, timeout: float | None = None) -> None:
        """Let a call wait, behind those that wait already; ``timeout`` in seconds."""
        if timeout is not None and timeout <= 0:
            waiter.settle(TIMED_OUT)
            return
        self.waiting.append(waiter, self)
        if timeout is not None:
            waiter.timer = self.router.clock.call_later(timeout, waiter.time_out)
        if not self.life.open:
            self.life.stalled.add(self)
        else:
            self.hurry()

    def hurry(self) -> None:
        """Let work go on that waits for its owner's bytes, now that a call waits for a record.

        What a call waits for is not held ready, so no limit on bytes stops it. The
        owner of shared work may be another user.
        """
        for part in self.parts:
            if part.run is not None and part.run.owner.starved:
                part.run.make_room()

    async def next(
        self,
        control_flags: int = 0,
        buffer_length: int | None = None,
        timeout: float | None = None,
    ) -> QuerySet:
        """One NextEx for users within the process.

        A cancelled caller withdraws its call and loses no record.

        Raises:
            WSAError: as NextEx; `NoMoreResults` at the end, `LookupCancelled` after `end`.
        """
        if self.ended:
            raise errors.InvalidHandle("the lookup has ended")
        outcome = self.take(control_flags, buffer_length)
        if outcome is None:
            waiter = _Await(self, control_flags, buffer_length)
            self.wait(waiter, timeout)
            outcome = await waiter.result()
        if isinstance(outcome, Failure):
            raise outcome.raised()
        return outcome

    def pump(self) -> None:
        """Serve the calls that wait, as far as there is something to give them."""
        waiting = self.waiting
        while (waiter := waiting.first) is not None:
            if not self.life.open:
                if self.life.alive:
                    self.life.stalled.add(self)
                return
            outcome = self._outcome(waiter.control_flags, waiter.buffer_length)
            if outcome is None:
                return
            if waiter.lookup is self:  # else: making the record has ended the lookup
                waiting.remove(waiter)
                waiter.settle(outcome)

    def _outcome(self, control_flags: int, buffer_length: int | None) -> Outcome | None:
        record = self._misfit
        if record is not None and control_flags & _FLUSHPREVIOUS:
            self._keep(None)
            record = None
        if record is None:
            if self._returned:
                self.last_taken, record = self._returned.pop(0)
            elif self._final is not None:
                return self._final
            else:
                record = self._take_record()
                self.last_taken = self.delivered
            if record is None:
                return self._end_if_over()
        shaped = record
        if control_flags or not self._whole_records:
            shaped = narrow(record, fields_of_call(self._fields, control_flags))
            if control_flags & _RES_SERVICE and is_service_query(self.query.restrictions):
                shaped = reserve_service(shaped)
        if buffer_length is not None:
            needed = native_size(shaped)
            if needed > buffer_length:
                self._keep(record)
                return Failure(
                    errors.WSAEFAULT,
                    f"the record needs {needed} bytes",
                    {"buffer_length": needed},
                )
        if self._misfit is not None:
            self._keep(None)
        self.last_whole = None if shaped is record else record
        self.delivered += 1
        return shaped

    def _keep(self, misfit: QuerySet | None) -> None:
        """Keep the record that did not fit, at its user's expense; or none any more."""
        before, self._misfit = self._misfit, misfit
        if misfit is not before:
            self.hold(_weight_of(misfit) - _weight_of(before))

    def give_back(self, outcome: Outcome, whole: QuerySet | None, taken: int) -> None:
        """A record was handed to a caller who had just gone: it is the next call's (C7).

        So is the one 10110 that marks the end of a watch's existing set.

        Args:
            outcome: what the caller had been given.
            whole: `last_whole` when it was.
            taken: `last_taken` when it was; callers may leave in any order.
        """
        if self.ended:
            return
        if isinstance(outcome, QuerySet):
            if self._returned is None:
                self._returned = []
            insort(self._returned, (taken, whole or outcome), key=_place)
        elif outcome.code == errors.WSA_E_NO_MORE and self._final is None:
            self.set_over = False
        self.pump()

    def _take_record(self) -> QuerySet | None:
        parts = self.parts
        count = len(parts)
        if count == 1:
            return parts[0].take()
        turn = self._turn
        if self._burst >= _BURST:
            turn = (turn + 1) % count
        for step in range(count):
            index = (turn + step) % count
            record = parts[index].take()
            if record is not None:
                self._burst = self._burst + 1 if index == self._turn else 1
                self._turn = index
                return record
        return None

    def _end_if_over(self) -> Failure | None:
        for part in self.parts:
            if part.outcome is None:
                break
        else:
            verdicts = self.verdicts()
            code, sentence = errors.WSAENOBUFS, _LEFT_BEHIND
            if not self.left_behind:
                code = conclude(
                    verdicts,
                    known=any(part.known for part in self.parts),
                    out_of_time=self.out_of_time,
                )
                sentence = _SENTENCES.get(code, "the lookup failed")
            self._final = Failure(code, sentence, {"verdicts": verdicts})
            return self._final
        if not self.set_over and all(part.synced for part in self.parts):
            self.set_over = True
            verdicts = self.verdicts("empty")
            return Failure(
                errors.WSA_E_NO_MORE,
                "that was the existing set; what follows is changes",
                {"verdicts": verdicts},
            )
        return None

    def verdicts(self, unfinished: OutcomeOfPart = "cancelled") -> list[Verdict]:
        """What became of each provider so far, in the order in which they were chosen.

        ``unfinished`` is said of one that is under way and has given nothing.
        """
        if self._final is not None and self._final.data is not None:
            verdicts: list[Verdict] = self._final.data["verdicts"]
            return verdicts
        return [part.verdict(unfinished) for part in self.parts]

    @property
    def ready(self) -> int:
        """Records known to be ready; more may be at hand."""
        kept = len(self._returned or ()) + (self._misfit is not None)
        return kept + sum(part.unread for part in self.parts)

    @property
    def final_code(self) -> int | None:
        """The code with which it has ended by itself, if it has."""
        return None if self._final is None else self._final.code

    # Parts

    def begin(self) -> None:
        """Start the work at the providers (called once, by the router).

        Raises:
            WSAError: every provider that was asked refused.
        """
        refusal: errors.WSAError | None = None
        sequences = self.sequences
        for part in self.parts:
            if part.outcome is None and not (sequences and any(part in each for each in sequences)):
                refusal = ask(part) or refusal
        for sequence in sequences:
            refusal = self._ask_in_order(sequence) or refusal
        if refusal is not None and all(
            part.outcome in ("failed", "timed_out", "skipped") and not part.was_asked
            for part in self.parts
        ):
            raise refusal

    def _ask_in_order(self, sequence: deque[Part]) -> errors.WSAError | None:
        """Ask the providers one after the other, until one has an answer or must wait."""
        refusal: errors.WSAError | None = None
        while sequence:
            part = sequence[0]
            if not part.over:
                refusal = ask(part) or refusal
                if part.peek():
                    break
                if not part.over:
                    return None
            if part.known or part.given:
                break
            sequence.popleft()
        for part in islice(sequence, 1, None):
            part.skip()
        return refusal

    def part_ended(self, part: Part) -> None:
        """A part is over (called by it): ask the next one, tell those who wait."""
        if self.ended or not self.life.alive:
            return
        if not self.out_of_time:
            for sequence in self.sequences:
                if sequence and part is sequence[0]:
                    self._ask_in_order(sequence)
        self.pump()

    def run_out_of_time(self) -> None:
        """The lookup's budget is over: what is ready is still delivered, then the end."""
        self.budget = None
        if self.life.alive:
            self.stop_asking()
            self.pump()

    def stop_asking(self) -> None:
        """Stop every part that still has to wait: the time is up."""
        for part in self.parts:
            if part.outcome is not None:
                continue
            if not part.was_asked:
                self.out_of_time = True
                part.skip()
            elif part.out_of_time("timeout"):
                self.out_of_time = True

    # End

    def end(self) -> Ending:
        """End the lookup: out of the table, settle, cancel, note what is owed (C2).

        Raises:
            InvalidHandle: it has ended before.
        """
        if self.ended or not self.life.alive:
            raise errors.InvalidHandle("the lookup has ended")
        self.session.forget(self)
        ending = Ending(0)
        self.close(ending)
        return ending

    def close(self, ending: Ending | None = None) -> None:
        """Settle the waiting calls and cancel the work; the lookup is in no table any more."""
        self.ended = True
        waiting = self.waiting
        while (waiter := waiting.first) is not None:
            waiting.remove(waiter)
            if ending is not None:
                ending.cancelled += 1
            waiter.settle(CANCELLED)
        if self.budget is not None:
            self.budget.cancel()
            self.budget = None
        for part in self.parts:
            part.close(ending)
        self.sequences = ()
        self.parts = ()  # they point back here: without this only the collector could free both
        self._misfit = None
        if self.charged:
            self.session.user.discharge(self.charged)
        if self.router.observer is not None:
            self.router.observer.lookup_ended(self)


_LEFT_BEHIND = "the lookup fell behind the others that share its work"

_SENTENCES = {
    errors.WSAENOBUFS: "a provider lacked what it needs to answer",
    errors.WSA_E_NO_MORE: "every record has been delivered",
    errors.WSANO_DATA: "the name is known, but has nothing of the kind asked for",
    errors.WSAETIMEDOUT: "the time allowed for the lookup ran out",
    errors.WSASERVICE_NOT_FOUND: "no provider knows the name",
    errors.WSASYSCALLFAILURE: "a provider failed without giving a code",
}


def _weight_of(record: QuerySet | None) -> int:
    return 0 if record is None else weight(record)


def _place(returned: tuple[int, QuerySet]) -> int:
    return returned[0]


class _Await(Waiter):
    """A call of a task within this process."""

    __slots__ = ("_of", "_outcome", "_settled", "_taken", "_whole")

    def __init__(self, lookup: Lookup, control_flags: int, buffer_length: int | None) -> None:
        super().__init__(control_flags, buffer_length)
        self._of = lookup
        self._settled = anyio.Event()
        self._outcome: Outcome | None = None
        self._whole: QuerySet | None = None
        self._taken: int

    def settle(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._whole = self._of.last_whole
        self._taken = self._of.last_taken
        self._settled.set()

    async def result(self) -> Outcome:
        try:
            await self._settled.wait()
        except BaseException:
            # Cancelled: leave the queue, or give back what came in the same step.
            if self._outcome is not None:
                self._of.give_back(self._outcome, self._whole, self._taken)
            elif self.lookup is not None:
                self._of.waiting.remove(self)
            raise
        assert self._outcome is not None
        return self._outcome
