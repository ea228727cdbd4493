"""What is over is freed by reference counts, at once; it does not wait for the collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from anyio.lowlevel import checkpoint

from nspd.core.catalog import Entry
from nspd.core.lookup import Lookup
from nspd.core.part import Part
from nspd.core.router import open_router
from nspd.core.run import Run
from nspd.core.users import Peer
from nspd.core.work import Work
from nspd.model.queryset import QuerySet
from nspd.providers.test import TestProvider
from nspd.server import logs


@pytest.fixture
def _collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.anyio
@pytest.mark.usefixtures("_collector_off")
@pytest.mark.parametrize(
    "script", ["records=2", "records=1&hang=1", "fail=11002", "shared=a&hang=1"]
)
async def test_an_ended_lookup_leaves_no_cycle(script: str) -> None:
    """A lookup that is read and ended leaves nothing behind that only the collector could free."""
    async with open_router([Entry(TestProvider())], log=logs.get_logger()) as router:
        session = router.open_session(Peer(0, administrator=True))
        session.startup(1, "", cancel_on_begin=False)
        restrictions = QuerySet(namespace=65537, query_string=script)

        async def once() -> None:
            lookup = session.begin(restrictions)
            await lookup.next()
            ended = lookup.end()
            while ended.work is None:
                await checkpoint()

        before = _of_lookups()
        for _ in range(20):
            await once()
        await checkpoint()  # the last task's own end
        assert _of_lookups() == before
        session.close()


def _of_lookups() -> int:
    """How many objects of a lookup, its parts and its work there are, reachable or not."""
    return sum(isinstance(found, Lookup | Part | Run | Work) for found in gc.get_objects())
