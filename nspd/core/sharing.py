"""Equal lookups share one run."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from nspd.core.outcome import Failure
from nspd.core.run import Run
from nspd.model import errors
from nspd.model.flags import scope_of

if TYPE_CHECKING:
    from nspd.core.catalog import Entry
    from nspd.core.part import Part
    from nspd.core.provider import Query
    from nspd.core.router import Router


class SharedRuns:
    """The runs that other lookups may still join, by what makes them equal."""

    __slots__ = ("runs",)

    def __init__(self) -> None:
        self.runs: dict[Hashable, Run] = {}

    def read(self, part: Part) -> Failure | None:
        """Have the part read a run: join one that is under way, or start one.

        Returns why there is none, if there is none.
        """
        entry, lookup = part.entry, part.lookup
        router = lookup.router
        key, failure = _sharing_key(router, entry, lookup.query)
        if failure is not None:
            return failure
        if key is not None:
            running = self.runs.get(key)
            if running is not None and running.joinable:
                part.read(running)
                return None
        administrator = lookup.session.peer.administrator
        if not router.may_start(entry, lookup.session.user, exempt=administrator):
            part.finish("failed", errors.WSAENOBUFS, "limits.detached_per_provider")
            return Failure(
                errors.WSAENOBUFS,
                f"too much cancelled work of the {entry.identifier} provider still runs "
                "(limits.detached_per_provider)",
            )
        run = Run(router, entry, lookup, exempt=administrator, key=key)
        part.read(run)
        run.start()
        if key is not None:
            self.runs[key] = run
        return None

    def forget(self, run: Run) -> None:
        """From this step on nobody can join the run."""
        if run.key is not None and self.runs.get(run.key) is run:
            del self.runs[run.key]


def _sharing_key(
    router: Router, entry: Entry, query: Query
) -> tuple[Hashable | None, Failure | None]:
    if query.watch:
        return None, None
    provider = entry.provider
    key, failure = router.call_provider(entry, provider.sharing_key, query)
    if key is None:
        return None, failure
    user = None if provider.shares_across_users else query.uid
    return (entry.provider_id, key, scope_of(query.control_flags), user), None
