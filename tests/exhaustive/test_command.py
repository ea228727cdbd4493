"""``python -m tests.exhaustive`` runs again what a violation names."""

from __future__ import annotations

import pytest

from tests.exhaustive.__main__ import main


def test_one_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    """Every fact is shown in its order; the command is content."""
    assert main(["one", "begin:0 next:0 record:0 . next:0 end:0 ."]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "reply 1 0",
        "begun 0",
        "reply 2 0.1",
        "reply 3 10111",
        "cancelled",
        "reply 4 ('stopped', 1)",
    ]


def test_every_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a schedule all of a length are run, and counted."""
    assert main(["shared", "--events", "2", "--backend", "trio"]) == 0
    assert "schedules in" in capsys.readouterr().out


def test_a_fault_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    """With a fault planted, the command tells what is wrong, how to see it again, and fails."""
    assert main(["one", "begin:0 next:0 next:0 end:0", "--fault", "forget-one-waiter"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("seen [('reply', 2, 10111), ('cancelled',)")
    assert lines[1] == (
        "again: python -m tests.exhaustive one 'begin:0 next:0 next:0 end:0' --backend asyncio"
    )
