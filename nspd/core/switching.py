"""Providers are switched on and off, with lookups under way at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nspd.core.session import Life

if TYPE_CHECKING:
    from nspd.core.catalog import Entry
    from nspd.core.lookup import Lookup
    from nspd.core.router import Router


def _nothing() -> None:
    """Whom to tell if nobody waits for it."""


def enable_provider(
    router: Router, provider_id: str, enable: bool, then: Callable[[], None] = _nothing
) -> None:
    """Switch a provider on or off; off cancels its part of the lookups that run (C10).

    ``then`` is called when all calls that this ends are settled.

    Raises:
        InvalidArgument: there is no such provider.
    """
    entry = router.catalog.find(provider_id)
    if not router.catalog.enable(entry, enable) or enable:
        then()
        return
    alone: list[Lookup] = []
    over = Life(corked=True)
    over.alive = False
    for session in router.sessions:
        for lookup in [*session.lookups.values(), *session.oneshots.values()]:
            if _without(lookup, entry):
                session.forget(lookup)
                lookup.life = over
                alone.append(lookup)
    router.sweeper.sweep(alone, then)


def _without(lookup: Lookup, entry: Entry) -> bool:
    """Take a provider out of a lookup; whether it was the only one, and not through."""
    for part in lookup.parts:
        if part.entry is entry and part.outcome is None:
            if len(lookup.parts) == 1:
                return True
            part.cancel()
            lookup.part_ended(part)
    return False
