"""A host for the registry's provider, and its clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog

from nspd.core.backend import threadsafe_caller
from nspd.core.workers import Workers
from nspd.providers.registry import RegistryProvider

_T = TypeVar("_T")


class WorkerHost:
    """The part of the daemon that a provider sees: a logger and one worker thread."""

    def __init__(self) -> None:
        self.log = structlog.get_logger()
        self._workers = Workers(1, threadsafe_caller())

    async def run_blocking(self, function: Callable[..., _T], *args: Any) -> _T:
        return await self._workers.run(function, *args)


class WallClock:
    """Seconds since 1970, set by the test."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def host(anyio_backend: tuple[str, dict[str, Any]]) -> WorkerHost:
    """A host on the backend of the test."""
    return WorkerHost()


@pytest.fixture
def wall_clock() -> WallClock:
    """The time that leases go by."""
    return WallClock()


@pytest.fixture
def host_type() -> type[WorkerHost]:
    """To make a host with, on an event loop that is not the test's."""
    return WorkerHost


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the database of a test is."""
    return tmp_path / "registry.db"


@pytest.fixture(params=["memory", "sqlite"])
def registry(
    request: pytest.FixtureRequest, database: Path, wall_clock: Callable[[], float]
) -> RegistryProvider:
    """A registry on each kind of store; its life is the test's to begin."""
    store = "memory" if request.param == "memory" else f"sqlite:{database}"
    return RegistryProvider(store=store, clock=wall_clock)


@pytest.fixture
def stored(database: Path, wall_clock: Callable[[], float]) -> RegistryProvider:
    """A registry on a database."""
    return RegistryProvider(store=f"sqlite:{database}", clock=wall_clock)
