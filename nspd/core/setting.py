"""SetServiceEx on its way to the providers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nspd.core.outcome import Failure
from nspd.model.errors import WSAError

if TYPE_CHECKING:
    from nspd.core.catalog import Entry
    from nspd.core.provider import Change


class Setting:
    """One change for one or several providers. It runs to its end whoever leaves meanwhile."""

    __slots__ = ("_change", "_entries", "done")

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

    @property
    def session(self) -> int | None:
        """The client session to which the registration is bound, if to any."""
        return self._change.session

    async def carry_out(self) -> None:
        """Ask each provider in catalog order; success if one succeeded.

        Raises:
            WSAError: none did; this is the last one's answer.
        """
        refusal: WSAError | None = None
        made = False
        for entry in self._entries:
            try:
                await entry.provider.set_service(self._change)
                made = True
            except WSAError as error:
                refusal = error
        if refusal is not None and not made:
            raise refusal
