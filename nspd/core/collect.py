"""`nspd.Lookup`: a whole lookup as one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from nspd.core.outcome import Failure, Outcome, failure_of
from nspd.core.waiting import Waiter
from nspd.model import errors
from nspd.model.queryset import QuerySet
from nspd.model.verdict import Verdict

if TYPE_CHECKING:
    from nspd.core.lookup import Lookup

MOST_RECORDS = 10_000
MOST_BYTES = 1024 * 1024


@mypyc_attr(allow_interpreted_subclasses=True)
class Collector(Waiter):
    """Takes every record of a lookup of its own, then ends it and reports.

    Subclasses say what a record looks like in the reply (`prepare`), whose
    length is what counts in bytes, and take the result (`done`).
    """

    __slots__ = ("_bytes", "_entered", "_limit", "collects", "prepared")

    def __init__(self, lookup: Lookup, limit: int | None) -> None:
        super().__init__()
        self.collects = lookup
        self._limit = limit
        self._bytes = 0
        self._entered = False
        self.prepared: list[bytes] = []

    def prepare(self, record: QuerySet) -> bytes:
        """The form of a record in the reply.

        Raises:
            WSAError: it has none, and the whole lookup fails with this.
        """
        raise NotImplementedError

    def done(self, verdicts: list[Verdict], failure: Failure | None) -> None:
        """The lookup is over, with the records in `prepared` or with the failure; called once."""
        raise NotImplementedError

    def run(self) -> None:
        """Take what is ready, and wait for the rest."""
        lookup = self.collects
        while True:
            outcome = lookup.take()
            if outcome is None:
                if not self._entered:
                    self._entered = True
                    lookup.enter(lookup.session.oneshots)
                lookup.wait(self)
                return
            if not self._accept(outcome):
                return

    def settle(self, outcome: Outcome) -> None:
        if self._accept(outcome):
            self.run()

    def refuse(self, failure: Failure) -> None:
        """End the call, and the lookup with it; one that is being swept is answered by that."""
        lookup = self.lookup
        if lookup is not None and lookup.life.alive:
            lookup.waiting.remove(self)
            self._finish(failure)

    def _accept(self, outcome: Outcome) -> bool:
        """Take one outcome in; whether more is wanted."""
        if isinstance(outcome, Failure):
            # After any record the end is no failure; a cancellation always is.
            self._finish(None if outcome.code == errors.WSA_E_NO_MORE else outcome)
            return False
        try:
            prepared = self.prepare(outcome)
        except errors.WSAError as error:
            self._finish(failure_of(error))
            return False
        self._bytes += len(prepared)
        session = self.collects.session
        user = session.user
        user.bytes += len(prepared)
        if self._bytes > MOST_BYTES or len(self.prepared) >= MOST_RECORDS:
            self._finish(Failure(errors.WSAENOBUFS, "the result is too large for one reply"))
            return False
        if user.bytes > user.byte_limit and not session.peer.administrator:
            # What others hold ready waits for bytes; these would wait for one another.
            self._finish(Failure(errors.WSAENOBUFS, "limits.bytes_per_user is reached"))
            return False
        self.prepared.append(prepared)
        if self._limit is not None and len(self.prepared) >= self._limit:
            self._finish(None)
            return False
        return True

    def _finish(self, failure: Failure | None) -> None:
        lookup = self.collects
        verdicts = lookup.verdicts()
        if not lookup.ended and lookup.life.alive:
            if self._entered:
                lookup.session.forget(lookup)
            lookup.close()
        lookup.session.user.discharge(self._bytes)
        self.done(verdicts, failure)
