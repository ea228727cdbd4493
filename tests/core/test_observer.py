"""Who watches the router is told what happens."""

from __future__ import annotations

import anyio
import pytest

from nspd.core.lookup import Lookup
from nspd.core.run import Run
from nspd.core.session import Session
from tests.backends import VIRTUAL_TIME
from tests.core.world import begin, next_ex, open_world, until

pytestmark = pytest.mark.anyio


class Observing:
    """Notes what the router tells."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def session_started(self, session: Session) -> None:
        self.told.append(f"started {session.id}")

    def session_ended(self, session: Session, number: int) -> None:
        self.told.append(f"ended {number}")

    def lookup_begun(self, lookup: Lookup) -> None:
        self.told.append("begun")

    def lookup_ended(self, lookup: Lookup) -> None:
        self.told.append(f"over {lookup.final_code}")

    def work_detached(self, run: Run) -> None:
        self.told.append("detached")

    def work_returned(self, run: Run) -> None:
        self.told.append("returned")


@VIRTUAL_TIME
async def test_observer_is_told_once_each() -> None:
    """An observer hears of sessions, lookups and detached work, each once."""
    async with open_world(end_grace=0.1) as world:
        observer = Observing()
        world.router.observer = observer
        session = world.session()
        lookup = begin(session, "records=0&hang=1&stubborn=1")
        await anyio.sleep(0.01)
        lookup.end()
        await anyio.sleep(2)
        empty = begin(session, "records=0")
        await until(lambda: empty.parts[0].outcome)
        assert next_ex(empty).code == 11004
        empty.end()
        session.cleanup(lambda: None)
        world.router.observer = None
        expected = ["started 1", "begun", "over None", "detached", "returned"]
        assert observer.told == [*expected, "begun", "over 11004", "ended 1"]
