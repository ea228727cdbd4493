"""The case tests run on each backend, in virtual time where the backend can have it."""

from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from tests.seeded import VirtualLoop


@pytest.fixture(params=["asyncio", "uvloop", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The event loop of an async test; on uvloop the time is real."""
    if request.param == "trio":
        return "trio", {"clock": MockClock(autojump_threshold=0)}
    if request.param == "uvloop":
        return "asyncio", {"use_uvloop": True}
    if request.param == "trio in real time":
        return "trio", {}
    return "asyncio", {"loop_factory": VirtualLoop}
