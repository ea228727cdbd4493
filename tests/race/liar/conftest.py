"""A long history is judged in another process while the tests before the one that asks run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ahead import Begun, open_processes
from tests.race.liar.long import REQUESTS, Outcome, judged


@pytest.fixture(scope="package", autouse=True)
def long_history() -> Iterator[Begun[Outcome]]:
    """What came of it."""
    with open_processes(1) as processes:
        yield processes.begin(judged, REQUESTS)
