"""What is over is freed by reference counts, at once; it does not wait for the collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from anyio.lowlevel import checkpoint

from nspd.core.catalog import Entry
from nspd.core.lookup import Lookup
from nspd.core.outcome import Failure
from nspd.core.part import Part
from nspd.core.router import open_router
from nspd.core.run import Run
from nspd.core.setting import Setting
from nspd.core.users import Peer
from nspd.core.work import Work
from nspd.model.queryset import QuerySet
from nspd.providers.registry import RegistryProvider
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


@pytest.mark.anyio
@pytest.mark.usefixtures("_collector_off")
@pytest.mark.parametrize("operation", [0, 2], ids=["made", "refused"])
async def test_a_change_leaves_no_cycle(operation: int) -> None:
    """What a SetServiceEx held is free when it is done: 64 KiB of it may come with each."""
    async with open_router([Entry(RegistryProvider())], log=logs.get_logger()) as router:
        session = router.open_session(Peer(0, administrator=True))
        session.startup(1, "", cancel_on_begin=False)
        outcomes: list[Failure | None] = []
        before = _of_changes()
        for _ in range(20):
            registration = QuerySet(namespace=65536, service_instance_name="n")
            router.set_service(session, registration, operation, done=outcomes.append)
        while len(outcomes) < 20:
            await checkpoint()
        await checkpoint()  # the last task's own end
        assert _of_changes() == before
        session.close()


def _of_changes() -> int:
    return sum(isinstance(found, Setting | Work) for found in gc.get_objects())
