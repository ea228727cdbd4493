from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import nspd
from tests.client.fake import FakeDaemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    """A fake daemon that listens and answers Startup, Begin, End and Cleanup."""
    with FakeDaemon(tmp_path) as daemon:
        daemon.answer("NSPv2LookupServiceBegin", {"lookup": 7})
        daemon.answer("NSPv2LookupServiceEnd", {"cancelled": 0, "work": "none"})
        yield daemon


@pytest.fixture
def client(daemon: FakeDaemon) -> Iterator[nspd.Client]:
    """A blocking client of the fake daemon."""
    with nspd.Client(daemon.path) as client:
        yield client
