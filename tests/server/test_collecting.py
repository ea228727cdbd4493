"""When the daemon collects its garbage: in a quiet second, and at the latest after ten minutes."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import cast

import anyio
import pytest

from nspd.server.daemon import collect_when_quiet
from nspd.server.server import Server
from tests.backends import VIRTUAL_TIME

pytestmark = [pytest.mark.anyio, VIRTUAL_TIME]


class Load:
    """What the collecting task sees of a server, and when it collected."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.router = SimpleNamespace(lookups=0)
        self.requests = 0
        self.collected: list[float] = []
        self.something_to_do = True
        monkeypatch.setattr(gc, "collect", self._collect)
        monkeypatch.setattr(gc, "get_count", lambda: (0, 0, int(self.something_to_do)))

    def _collect(self) -> None:
        self.collected.append(anyio.current_time() - self._begun)

    async def run(self, seconds: float, busy_until: float = 0.0) -> list[float]:
        """Serve for so long, a request every half second at first; when it collected."""
        self._begun = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(collect_when_quiet, cast(Server, self))
            while anyio.current_time() - self._begun < seconds:
                await anyio.sleep(0.5)
                if anyio.current_time() - self._begun < busy_until:
                    self.requests += 1
            tasks.cancel_scope.cancel()
        return self.collected


async def test_a_quiet_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks: every half minute, in the first second that stays quiet."""
    assert await Load(monkeypatch).run(70) == [pytest.approx(31), pytest.approx(62)]


async def test_a_moment_of_quiet_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that is busy most of the time collects as soon as it has a second for it."""
    (first, *_) = await Load(monkeypatch).run(120, busy_until=100.2)
    assert first == pytest.approx(101, abs=1.1)


async def test_a_daemon_that_is_always_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one quiet second it collects after ten minutes all the same."""
    assert await Load(monkeypatch).run(700, busy_until=700) == [pytest.approx(630, abs=1)]


async def test_not_with_many_lookups_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walking 100,000 lookups would stop everybody: then it waits for better times."""
    load = Load(monkeypatch)
    load.router.lookups = 100_000
    assert await load.run(100) == []


async def test_not_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """If nothing has grown old since the last time, there is nothing to walk."""
    load = Load(monkeypatch)
    load.something_to_do = False
    assert await load.run(100) == []
