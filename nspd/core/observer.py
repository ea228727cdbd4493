"""Who watches the router, as nspd.Monitor does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nspd.core.lookup import Lookup
    from nspd.core.run import Run
    from nspd.core.session import Session


class Observer(Protocol):
    """Somebody who watches the router; only while there is one is it told anything."""

    def session_started(self, session: Session) -> None:
        """The first Startup of a session."""

    def session_ended(self, session: Session, number: int) -> None:
        """The last Cleanup, or the end of the connection."""

    def lookup_begun(self, lookup: Lookup) -> None:
        """A lookup was begun."""

    def lookup_ended(self, lookup: Lookup) -> None:
        """A lookup was ended, by whatever means."""

    def work_detached(self, run: Run) -> None:
        """Cancelled work goes on beyond ``end_grace``."""

    def work_returned(self, run: Run) -> None:
        """Detached work has ended."""
