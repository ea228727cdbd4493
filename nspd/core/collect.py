"""`nspd.Lookup`: a whole lookup as one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nspd.core.outcome import Failure, Outcome
from nspd.core.waiting import Waiter
from nspd.model import errors
from nspd.model.queryset import QuerySet
from nspd.model.verdict import Verdict

if TYPE_CHECKING:
    from nspd.core.lookup import Lookup

MOST_RECORDS = 10_000
MOST_BYTES = 1024 * 1024


class Collector(Waiter):
    """Takes every record of a lookup of its own, then ends it and reports.

    ``weigh`` says how many bytes a record will take in the reply. ``done`` is
    called once, with the records and verdicts, or with the failure.
    """

    __slots__ = ("_bytes", "_done", "_limit", "_of", "_weigh", "records")

    def __init__(
        self,
        lookup: Lookup,
        limit: int | None,
        weigh: Callable[[QuerySet], int],
        done: Callable[[list[QuerySet], list[Verdict], Failure | None], None],
    ) -> None:
        super().__init__()
        self._of = lookup
        self._limit = limit
        self._weigh = weigh
        self._done = done
        self._bytes = 0
        self.records: list[QuerySet] = []

    def run(self) -> None:
        """Take what is ready, and wait for the rest."""
        lookup = self._of
        while True:
            outcome = lookup.take()
            if outcome is None:
                lookup.wait(self)
                return
            if not self._accept(outcome):
                return

    def settle(self, outcome: Outcome) -> None:
        if self._accept(outcome):
            self.run()

    def _accept(self, outcome: Outcome) -> bool:
        """Take one outcome in; whether more is wanted."""
        if isinstance(outcome, Failure):
            # With any record the end is no failure, but a cancellation is.
            if outcome.code == errors.WSA_E_NO_MORE:
                self._finish(None)
            else:
                self._finish(outcome)
            return False
        size = self._weigh(outcome)
        self._bytes += size
        self._of.session.user.bytes += size
        if self._bytes > MOST_BYTES or len(self.records) >= MOST_RECORDS:
            self._finish(Failure(errors.WSAENOBUFS, "the result is too large for one reply"))
            return False
        self.records.append(outcome)
        if self._limit is not None and len(self.records) >= self._limit:
            self._finish(None)
            return False
        return True

    def _finish(self, failure: Failure | None) -> None:
        lookup = self._of
        verdicts = lookup.verdicts()
        lookup.session.user.discharge(self._bytes)
        if not lookup.ended and lookup.life.alive:
            lookup.end()
        self._done(self.records, verdicts, failure)
