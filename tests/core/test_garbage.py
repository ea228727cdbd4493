"""What is over is freed by reference counts, at once; it does not wait for the collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from anyio.lowlevel import checkpoint

from nspd.core.catalog import Entry
from nspd.core.router import open_router
from nspd.core.users import Peer
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

        await once()  # whatever is made on first use
        gc.collect()
        for _ in range(20):
            await once()
        assert gc.collect() < 20  # less than one object for each lookup
        session.close()
