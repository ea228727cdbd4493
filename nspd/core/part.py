"""One lookup's part at one provider: where its records come from, and what becomes of it.

A part has records at hand (an `Answer`), or reads a `Run`, or neither: it was
refused, or skipped, or is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from nspd.core.outcome import Failure
from nspd.model import errors
from nspd.model.queryset import QuerySet, weight
from nspd.model.verdict import Outcome, Verdict, provider_code

if TYPE_CHECKING:
    from nspd.core.catalog import Entry
    from nspd.core.clock import Timer
    from nspd.core.ending import Ending
    from nspd.core.lookup import Lookup
    from nspd.core.provider import Answer, Query
    from nspd.core.run import Run


@mypyc_attr(allow_interpreted_subclasses=True)
class Part:
    """What a lookup has asked of one provider. Owned by its lookup."""

    __slots__ = (
        "_asked",
        "_at_hand",
        "_ended",
        "_given",
        "_source",
        "budget",
        "cursor",
        "entry",
        "error",
        "known",
        "lookup",
        "outcome",
        "run",
        "setting",
    )

    def __init__(self, lookup: Lookup, entry: Entry) -> None:
        self.lookup = lookup
        self.entry = entry
        self.run: Run | None = None
        """The run that it reads; kept after the end for as long as that still runs."""
        self.cursor = 0
        self._at_hand: tuple[QuerySet, ...] = ()  # all of the answer, if it is there as a whole
        self._source: Iterator[QuerySet] | None = None
        self._given: int | None = 0  # None while the run counts
        self._asked: float | None = None
        self._ended: float
        self.known = False
        self.outcome: Outcome | None = None
        """How it ended; None while it is under way. Records may still be ready after it."""
        self.error: int | None = None
        self.setting: str | None = None
        self.budget: Timer | None = None

    @property
    def over(self) -> bool:
        """Whether it is over; to be asked again after a call.

        Compiled code takes an attribute that was None for None until it is assigned.
        """
        return self.outcome is not None

    # Beginning

    def told(self, query: Query) -> Query:
        """The query to ask, where the lookup is explained (`nspd.core.explain`)."""
        return query

    def answer(self, answer: Answer) -> None:
        """The records are at hand."""
        self._asked = self.lookup.begun
        self.known = answer.known
        records = answer.records
        if type(records) is tuple:
            self._at_hand = records
            if not records:
                self.finish("empty")
        else:
            self._source = iter(records)

    def read(self, run: Run) -> None:
        """The records come from a run."""
        self._asked = self.lookup.router.clock.now()
        self.run = run
        self._given = None
        self.known = run.known_here
        run.join(self)
        if self.entry.budget is not None:
            self.budget = self.lookup.router.clock.call_later(
                self.entry.budget, self._out_of_budget
            )

    def finish(
        self, outcome: Outcome, error: int | None = None, setting: str | None = None
    ) -> None:
        """The part is over; only the first call counts."""
        if self.outcome is None:
            self.outcome = outcome
            self.error = error
            self.setting = setting
            self._ended = self.lookup.router.clock.now()
            if self._asked is not None:
                self.entry.note(outcome, self.given, self._ended - self._asked)
            if self.budget is not None:
                self.budget.cancel()
                self.budget = None

    # Records

    @property
    def was_asked(self) -> bool:
        """Whether the provider was asked and did not refuse."""
        return self._asked is not None

    @property
    def given(self) -> int:
        """Records that the provider has given to this part."""
        if self._given is not None:
            return self._given
        assert self.run is not None
        return self.run.total

    def take(self) -> QuerySet | None:
        """The next record, if one is ready."""
        at_hand = self._at_hand
        if at_hand:
            taken = self.cursor
            self.cursor = self._given = taken + 1
            if taken + 1 == len(at_hand):
                self._at_hand = ()
                self.finish("answered")
            return self.entry.stamped(at_hand[taken])
        source = self._source
        if source is not None:
            return self._pull(source)
        run = self.run
        if run is None or self._given is not None:
            return None
        if run.synced_at == self.cursor and not self.lookup.set_over:
            return None  # changes wait until the end of the set has been told
        while True:
            try:
                record = run.read(self.cursor)
            except IndexError:
                self._left_behind()
                return None
            if record is None:
                return None
            self.cursor += 1
            if run.key is None or self.lookup.admits(record):
                return record

    def _left_behind(self) -> None:
        """Unread records are gone: even if the run is over, for this reader it failed."""
        self.lookup.left_behind = True
        self._leave(keep=False)
        self.outcome = None
        self.finish("failed", errors.WSAENOBUFS)

    def _pull(self, source: Iterator[QuerySet]) -> QuerySet | None:
        following: Callable[..., QuerySet | None] = next
        record, failure = self.lookup.router.call_provider(self.entry, following, source, None)
        if record is not None:
            if self.outcome is None and self._given is not None:
                self._given += 1
            return self.entry.stamped(record)
        self._source = None
        if failure is not None:
            self.fail(failure)
        else:
            self.finish("answered" if self.given else "empty")
        return None

    def peek(self) -> bool:
        """Whether there is a first record at hand; the record stays."""
        if self._at_hand:
            return True
        source = self._source
        if source is None:
            return False
        first = self._pull(source)
        if first is None:
            return False
        self._given = 0
        self._source = chain((first,), source)
        return True

    @property
    def unread(self) -> int:
        """Records that a run has given and nobody has taken."""
        if self.run is None or self._given is not None:
            return 0
        return self.run.total - self.cursor

    @property
    def synced(self) -> bool:
        """Whether a watch has all of the existing set behind it here, as far as it was read."""
        if self.outcome is not None:
            return True
        run = self.run
        return run is not None and run.synced_at is not None and self.cursor >= run.synced_at

    # The end

    def fail(self, failure: Failure) -> None:
        """The provider failed, or refused; some codes are just the end."""
        code = provider_code(failure.code)
        if code is None:
            self.finish("answered" if self.given else "empty")
        else:
            outcome: Outcome = "timed_out" if code == errors.WSAETIMEDOUT else "failed"
            self.finish(outcome, code, failure.setting)

    def run_ended(self) -> None:
        """The run is over (called by it); records that it gave may still be unread."""
        run = self.run
        assert run is not None
        if run.failure is not None:
            self.fail(run.failure)
        else:
            self.finish("answered" if run.total else "empty")
        self.lookup.part_ended(self)

    def _out_of_budget(self) -> None:
        self.budget = None
        self.out_of_time("budget")
        self.lookup.part_ended(self)

    def out_of_time(self, setting: str) -> bool:
        """Stop the work, if there is any; what is ready is still delivered."""
        if self.outcome is not None or self._source is not None or self._at_hand:
            return False
        self._leave(keep=True)
        self.finish("timed_out", errors.WSAETIMEDOUT, setting)
        return True

    def cancel(self) -> None:
        """Stop the work and forget what was not delivered: the provider was switched off."""
        if self.outcome is None:
            self._source = None
            self._at_hand = ()
            self._leave(keep=False)
            self.finish("cancelled")

    def skip(self) -> None:
        """The provider was not asked."""
        self.finish("skipped")

    def close(self, ending: Ending | None) -> None:
        """The lookup has ended."""
        if self.budget is not None:
            self.budget.cancel()
            self.budget = None
        self._source = None
        self._at_hand = ()
        run = self.run
        if run is None:
            return
        self._leave(keep=False)
        if ending is not None and run.working and not run.readers:
            ending.owe(run)
        self.run = None

    def _leave(self, *, keep: bool) -> None:
        run = self.run
        if run is not None and self._given is None:
            self._given = run.total
            if keep:
                rest = run.rest(self.cursor)
                if run.synced_at is not None and not self.lookup.set_over:
                    # The one 10110 to come ends the existing set: no change goes before it.
                    rest = rest[: max(0, run.synced_at - self.cursor)]
                self._source = self._kept(rest)
            run.leave(self)

    def _kept(self, records: list[QuerySet]) -> Iterator[QuerySet]:
        """What is left of a run, for which the lookup's user is charged until it is read."""
        hold = self.lookup.hold
        hold(sum(map(weight, records)))

        def release() -> Iterator[QuerySet]:
            for record in records:
                hold(-weight(record))
                yield record

        return release()

    def verdict(self, unfinished: Outcome = "cancelled") -> Verdict:
        """What became of the part; ``unfinished`` if it is under way and has given nothing."""
        entry = self.entry
        now = self._ended if self.outcome is not None else self.lookup.router.clock.now()
        return Verdict(
            provider_id=entry.provider_id,
            namespace=entry.namespace,
            identifier=entry.identifier,
            outcome=self.outcome or ("answered" if self.given else unfinished),
            error=self.error,
            setting=self.setting,
            records=self.given,
            elapsed=0.0 if self._asked is None else now - self._asked,
        )
