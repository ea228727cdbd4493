"""`nspd.Explain` and `nspd.ShowCache`: why a lookup gives what it gives."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from nspd.core.collect import MOST_BYTES
from nspd.core.explain import Explanation
from nspd.core.outcome import Failure, failure_of
from nspd.model import errors
from nspd.model.verdict import Verdict
from nspd.server.connection import Connection, Handler, Sink, reply_to
from nspd.server.operations import (
    WholeLookup,
    check_administrator,
    check_batch,
    check_may_look_up,
)
from nspd.wire import encode
from nspd.wire.events import Request
from nspd.wire.results import CachedAnswer, CacheResult
from nspd.wire.types import Id

if TYPE_CHECKING:
    from nspd.core.catalog import Entry
    from nspd.core.lookup import Lookup


class _ExplainedLookup(WholeLookup):
    """One `nspd.Explain` under way."""

    __slots__ = ("_explanation",)

    def __init__(
        self,
        connection: Connection,
        id: Id,
        sink: Sink,
        lookup: Lookup,
        limit: int | None,
        explanation: Explanation,
    ) -> None:
        super().__init__(connection, id, sink, lookup, limit)
        self._explanation = explanation

    def line(self, verdicts: list[Verdict], failure: Failure | None) -> bytes:
        if failure is not None and failure.code == errors.WSA_E_CANCELLED:
            return reply_to(self._id, failure)
        records = [] if failure is not None else self.prepared
        return _explained(self._id, self._explanation, records, verdicts, failure)


def _explained(
    id: Id,
    explanation: Explanation,
    records: list[bytes],
    verdicts: list[Verdict],
    failure: Failure | None,
) -> bytes:
    error = None if failure is None else (failure.code, failure.detail)
    elapsed = explanation.finished(None if error is None else error[0], len(records))
    story, left_out = explanation.told()
    return encode.explain_result(id, records, verdicts, error, elapsed, story, left_out)


def explain(connection: Connection, request: Request, sink: Sink) -> bytes | None:
    """nspd.Explain: as nspd.Lookup, and a lookup that fails is told of in the result."""
    id = request.id
    if id is None:
        return None
    if sink is not connection:
        check_batch(sink)
    check_may_look_up(connection)
    p = request.params
    session = connection.session
    router = session.router
    explanation = Explanation(router, p.restrictions, p.provider_id, p.policy, p.timeout)
    try:
        begun = router.begin(
            session,
            p.restrictions,
            p.control_flags,
            p.provider_id,
            p.policy,
            False,
            p.timeout,
            True,
            explanation,
        )
    except errors.WSAError as error:
        if not explanation.covers(error):
            raise
        return _explained(id, explanation, [], explanation.verdicts(), failure_of(error))
    explanation.charge(begun)
    return _ExplainedLookup(connection, id, sink, begun, p.limit, explanation).answer()


def show_cache(connection: Connection, request: Request, sink: Sink) -> bytes:
    """nspd.ShowCache: for administrators, since a cache tells what others look up."""
    check_administrator(connection)
    p = request.params
    router = connection.server.router
    shown: list[CachedAnswer] = []
    room = MOST_BYTES
    for entry in router.catalog:
        found, _ = router.call_provider(entry, _cached, entry, p.name, p.limit + 1 - len(shown))
        for cached in found or ():
            room -= len(cached.name) + sum(map(len, cached.records))
            if len(shown) == p.limit or room < 0:
                return encode.result(request.id, CacheResult(entries=tuple(shown), complete=False))
            shown.append(cached)
    return encode.result(request.id, CacheResult(entries=tuple(shown), complete=True))


def _cached(entry: Entry, name: str | None, most: int) -> list[CachedAnswer]:
    return [
        CachedAnswer(
            provider_id=entry.provider_id,
            identifier=entry.identifier,
            name=cached.name,
            type=cached.type,
            kind=cached.kind,
            ttl=cached.ttl,
            records=cached.records,
        )
        for cached in islice(entry.provider.cache_entries(name), most)
    ]


HANDLERS: dict[str, Handler] = {
    "nspd.Explain": explain,
    "nspd.ShowCache": show_cache,
}
