"""Event loops for tests, by name; in virtual time where the loop can have it."""

from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from tests.seeded import VirtualLoop

EACH = ("asyncio", "uvloop", "trio")
"""The backends of a test that does not care; asyncio and trio are in virtual time."""

VIRTUAL_TIME = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"], indirect=True)
"""For tests in which time passes: not on uvloop, where it would be real."""

REAL_TIME = pytest.mark.parametrize(
    "anyio_backend", ["asyncio in real time", "uvloop", "trio in real time"], indirect=True
)
"""For tests with threads, for which virtual time does not wait."""


def backend(name: str) -> tuple[str, dict[str, Any]]:
    """What anyio's plugin is to be told."""
    backends: dict[str, tuple[str, dict[str, Any]]] = {
        "asyncio": ("asyncio", {"loop_factory": VirtualLoop}),
        "asyncio in real time": ("asyncio", {"use_uvloop": False}),
        "uvloop": ("asyncio", {"use_uvloop": True}),
        "trio": ("trio", {"clock": MockClock(autojump_threshold=0)}),
        "trio in real time": ("trio", {}),
    }
    return backends[name]
