"""A whole lookup as one call."""

from __future__ import annotations

import pytest

from nspd.core.collect import MOST_BYTES, Collector
from nspd.core.lookup import Lookup
from nspd.core.outcome import Failure
from nspd.core.session import Session
from nspd.model.queryset import QuerySet
from nspd.model.verdict import Verdict
from tests.core.world import add_tokens, begin, open_world, turns, until

pytestmark = pytest.mark.anyio


class Collecting(Collector):
    """Collects names, each weighing as much as its record's blob."""

    __slots__ = ("results",)

    def __init__(self, lookup: Lookup, limit: int | None = None) -> None:
        super().__init__(lookup, limit)
        self.results: list[tuple[int, Failure | None]] = []

    def prepare(self, record: QuerySet) -> bytes:
        return (record.service_instance_name or "").encode() + (record.blob or b"")

    def done(self, verdicts: list[Verdict], failure: Failure | None) -> None:
        assert len(verdicts) == 1
        self.results.append((len(self.prepared), failure))


def collect(session: Session, script: str, limit: int | None = None) -> Collecting:
    """Begin a whole lookup."""
    collector = Collecting(begin(session, script, oneshot=True), limit)
    collector.run()
    return collector


@pytest.mark.parametrize(
    ("script", "limit", "records", "code"),
    [
        ("records=40", None, 40, None),
        ("records=40", 7, 7, None),
        ("records=3", 3, 3, None),
        ("records=0", None, 0, 11004),
        ("records=2&fail=11002", None, 2, None),
        ("records=0&fail=10060", None, 0, 10060),
        ("records=9&size=300000", None, 3, 10055),
        ("records=10001", None, 10000, 10055),
        ("records=10000", None, 10000, None),
    ],
)
async def test_results(script: str, limit: int | None, records: int, code: int | None) -> None:
    """All records up to the limit, or the error that NextEx would have given."""
    async with open_world() as world:
        session = world.session()
        collector = collect(session, script, limit)
        await until(lambda: collector.results)
        ((got, failure),) = collector.results
        assert (got, None if failure is None else failure.code) == (records, code)
        assert (world.router.lookups, session.oneshots, session.user.bytes) == (0, {}, 0)


async def test_a_collector_that_waits_is_cancelled_with_its_session() -> None:
    """Rundown ends every whole lookup of the connection with 10111, once."""
    async with open_world() as world:
        session = world.session()
        collectors = [collect(session, "records=3&gate=g&size=1000") for _ in range(3)]
        await turns()
        add_tokens(world, "g", 3)  # one for each
        await turns(50)
        assert 0 < session.user.bytes < MOST_BYTES
        session.rundown(lambda: None)
        for collector in collectors:
            ((_, failure),) = collector.results
            assert failure is not None
            assert failure.code == 10111
        assert session.user.bytes == 0
