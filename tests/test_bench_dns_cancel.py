"""The bench of cancelled DNS lookups: both ways are measured, and judged rightly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench import dns_cancel
from bench.dns_cancel import Sample


@pytest.mark.parametrize("loop", ["uvloop", "trio"])
def test_both_ways_are_measured(loop: str, tmp_path: Path) -> None:
    """Each round opens two sockets for each lookup, and sees them closed."""
    found = dns_cancel.measure_all(loop, tmp_path, lookups=5, rounds=2)
    assert {way: len(samples) for way, samples in found.items()} == {"ends": 2, "gone": 2}
    assert all(each.took > 0 for samples in found.values() for each in samples)


def test_the_median_is_held_against_the_target() -> None:
    """What the daemon waited for a processor is taken off, and shown."""
    samples = [Sample(0.09, 0.0), Sample(0.25, 0.2), Sample(0.3, 0.0)]
    text, met = dns_cancel.row("trio", "ends", samples)
    assert text.split() == ["trio", "ends", "90", "50", "300", "250", "met"]
    assert met
    assert not dns_cancel.row("trio", "ends", [Sample(0.101, 0.0)])[1]


def test_descriptors_are_counted() -> None:
    """As many as there are, of this process too."""
    before = dns_cancel.descriptors(os.getpid())
    with Path("/dev/null").open("rb"):
        assert dns_cancel.descriptors(os.getpid()) == before + 1


def test_what_does_not_happen_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that keeps its sockets is no endless wait."""
    monkeypatch.setattr(dns_cancel, "_PATIENCE", 0.0)
    with pytest.raises(TimeoutError, match="descriptors"):
        dns_cancel.wait_until(os.getpid(), lambda number: number < 0)
