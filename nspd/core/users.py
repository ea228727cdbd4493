"""What each user holds, over all his connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nspd.core.run import Run


class User:
    """The account of one uid. Kept as long as it has a session or work that runs.

    Counts change in the step that takes or gives, never in a task's clean-up,
    so they cannot drift.
    """

    __slots__ = (
        "byte_limit",
        "bytes",
        "detached",
        "lookups",
        "runs",
        "sessions",
        "starved",
        "uid",
    )

    def __init__(self, uid: int, byte_limit: int) -> None:
        self.uid = uid
        self.byte_limit = byte_limit
        self.sessions = 0
        """Sessions open, one for each connection."""
        self.lookups = 0
        self.bytes = 0
        """Bytes of restrictions, ready records and unsent replies."""
        self.runs = 0
        """Work begun for him that has not ended, detached or not."""
        self.detached = 0
        """Work that was cancelled and still runs after ``end_grace``."""
        self.starved: set[Run] = set()
        """Runs that wait until the user's bytes are below the limit."""

    def discharge(self, size: int) -> None:
        """Give bytes back, and let work go on that waited for them."""
        self.bytes -= size
        if self.starved and self.bytes < self.byte_limit:
            starved, self.starved = self.starved, set()
            for run in starved:
                run.make_room()


class Peer:
    """Who is at the other end, as the kernel says, and what he may."""

    __slots__ = (
        "administrator",
        "may_lookup",
        "may_machine",
        "may_register",
        "pid",
        "uid",
    )

    def __init__(
        self,
        uid: int,
        *,
        pid: int = 0,
        administrator: bool = False,
        may_lookup: bool = True,
        may_register: bool = True,
        may_machine: bool = False,
    ) -> None:
        self.uid = uid
        self.pid = pid
        self.administrator = administrator
        self.may_lookup = may_lookup
        self.may_register = may_register
        self.may_machine = may_machine or administrator
