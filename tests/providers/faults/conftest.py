"""These tests run on each backend, in virtual time where the backend can have it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.backends import EACH, backend


@pytest.fixture(params=EACH)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The event loop of an async test."""
    return backend(request.param)
