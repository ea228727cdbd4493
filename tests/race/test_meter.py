"""What a process costs, from the kernel's figures."""

from __future__ import annotations

import os

import pytest

from nspd.race.meter import Meter, Sample, sample


def test_own_process() -> None:
    """This process has used some time and some memory, and never less than before."""
    first = sample(os.getpid())
    sum(range(200_000))
    second = sample(os.getpid())
    assert first is not None
    assert second is not None
    assert first.resident > 1_000_000
    assert second.cpu >= first.cpu > 0
    assert second.time > first.time


def test_nobody() -> None:
    """A process that is not there has no sample, and a meter of it no share."""
    meter = Meter(None)
    meter.take()
    assert (sample(2**22 + 1), meter.share(), meter.shares()) == (None, None, [])


def test_few_samples() -> None:
    """However often it is taken, a meter keeps no more than it may."""
    meter = Meter(os.getpid(), most=8)
    for _ in range(200):
        meter.take()
    assert 2 <= len(meter.samples) < 8
    times = [each.time for each in meter.samples]
    assert times == sorted(times)


def test_shares() -> None:
    """Shares are time spent for time gone, over all and step by step."""
    meter = Meter(None)
    meter.samples = [Sample(0.0, 1.0, 1), Sample(1.0, 1.5, 1), Sample(3.0, 3.5, 1)]
    assert meter.share() == pytest.approx(2.5 / 3)
    assert meter.shares() == [(1.0, 0.5), (3.0, 1.0)]
