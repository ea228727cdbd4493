"""SetServiceEx on its way to the providers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from nspd.core.outcome import Failure, failure_of
from nspd.model.errors import WSASYSCALLFAILURE, WSAError
from nspd.model.queryset import weight

if TYPE_CHECKING:
    from nspd.core.catalog import Entry
    from nspd.core.provider import Change
    from nspd.core.router import Router


class Setting:
    """One change for one or several providers. It runs to its end whoever leaves meanwhile."""

    __slots__ = (
        "_asked",
        "_change",
        "_entries",
        "_failure",
        "_made_in",
        "_over",
        "_router",
        "done",
    )

    def __init__(
        self,
        entries: Sequence[Entry],
        change: Change,
        done: Callable[[Failure | None], None],
    ) -> None:
        self._entries = entries
        self._change = change
        self.done = done
        """Called once: with None after success, else with the failure."""
        self._asked = 0
        self._made_in: set[int] = set()
        self._failure: Failure | None = None
        self._router: Router
        self._over: Callable[[Failure | None], None]

    @property
    def session(self) -> int | None:
        """The client session to which the registration is bound, if to any."""
        return self._change.session

    @property
    def size(self) -> int:
        """Bytes that it holds while it waits."""
        return weight(self._change.registration)

    def carry_out(self, router: Router, over: Callable[[Failure | None], None]) -> None:
        """Ask each provider in its turn; ``over`` is called when the last has answered.

        Of those that go by level, none is asked after one that has made the change.

        With None if one made the change, whatever became of the others; else
        with the last one's failure.
        """
        self._router = router
        self._over = over
        self._ask()

    def _ask(self) -> None:
        # Each has a task of its own: so the supervisor tells how it ended, and a
        # stray cancellation strikes nobody else (C15).
        provider = self._entries[self._asked].provider
        self._router.work.start(partial(provider.set_service, self._change), self._answered)

    def _answered(self, error: BaseException | None) -> None:
        if error is None:
            self._made_in.add(self._entries[self._asked].namespace)
        else:
            self._failure = self._failed(self._entries[self._asked], error)
        self._asked += 1
        while self._asked < len(self._entries) and self._is_spared(self._entries[self._asked]):
            self._asked += 1
        if self._asked < len(self._entries) and not self._router.work.stopping:
            self._ask()
        else:
            # It points back here: without this only the collector could free both.
            over, self._over = self._over, _nobody
            over(None if self._made_in else self._failure)

    def _is_spared(self, entry: Entry) -> bool:
        """Whether one of a higher level has made the change already."""
        return entry.provider.leveled and entry.namespace in self._made_in

    def _failed(self, entry: Entry, error: BaseException) -> Failure:
        if isinstance(error, WSAError):
            return failure_of(error)
        self._router.log.error("registration failed", provider=entry.identifier, exc_info=error)
        return Failure(WSASYSCALLFAILURE, "a provider failed to make the change")


def _nobody(failure: Failure | None) -> None:
    """Whom a change has to tell that is over."""
