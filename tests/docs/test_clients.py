"""The programs of docs/clients.md, run against a real daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from nspd.cli._demo_daemon import DemoDaemon
from tests.docs.running import output_of, programs

PROGRAMS = programs(Path(__file__).parents[2] / "docs" / "clients.md")
LAST_LINES = [
    "localhost",
    "localhost (CsAddr(",
    "hosts answered 3",
    "finished None {'records': 0, 'error': 10108} after 0.",
    "given up: True",
    "registry empty",
    "it was there only once",
    "lookup_ended ",
    "True",
]
"""How the last line begins that each of them prints."""


@pytest.mark.parametrize(
    ("program", "last"), list(zip(PROGRAMS, LAST_LINES, strict=True)), ids=LAST_LINES
)
def test_program(program: str, last: str, demo_daemon: DemoDaemon) -> None:
    """It runs as it stands, without a warning, and says at last what it should."""
    assert output_of(program, demo_daemon.socket)[-1].startswith(last)
