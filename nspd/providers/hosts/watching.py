"""What a watcher of the hosts file was told, and what it must be told next.

It remembers tables, not records: a watch of a million names costs no more than
the names that have changed while its reader was slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from nspd.model.changes import difference
from nspd.model.queryset import QuerySet
from nspd.providers.hosts.asking import RecordMaker
from nspd.providers.hosts.questions import Host, Question
from nspd.providers.hosts.table import HostTable


class Told:
    """The state of the names that one watcher knows of."""

    __slots__ = ("_later", "_maker", "_question", "table")

    def __init__(self, question: Question, maker: RecordMaker, table: HostTable) -> None:
        self._question = question
        self._maker = maker
        self.table = table
        """The table that the watcher knows; the next one is compared with it."""
        self._later: dict[str, Host | None] = {}
        # Hosts of which the watcher was told something newer than `table` says.

    def changes(self, current: Callable[[], HostTable]) -> Iterator[Sequence[QuerySet]]:
        """The changes of one name after the other; an empty list for a line without any.

        Every name is compared in the state that it has when its turn comes, so
        what changes meanwhile, or back again, is told once or not at all. All
        that was taken counts as told. Afterwards `table` is the newest one,
        unless another has come: then call again.

        Args:
            current: gives the newest table.
        """
        target = current()
        keys = self._question.keys
        for key in chain(keys(self.table), keys(target), tuple(self._later)):
            yield self._change(key, current()) if key is not None else ()
        if current() is target:
            self.table = target
            self._later.clear()

    def _change(self, key: str, table: HostTable) -> Sequence[QuerySet]:
        told = key in self._later
        before = self._later[key] if told else self._question.host(self.table, key)
        after = self._question.host(table, key)
        if before == after:
            return ()
        self._later[key] = after
        return difference(self._maker.keyed(before), self._maker.keyed(after))
