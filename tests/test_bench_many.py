"""bench.many measures what it says, whatever the figures are."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import many
from bench.jsonrpc import UnexpectedReply
from bench.many import Sample
from tests.providers.dns.servers import need


@pytest.fixture
def knotd() -> None:
    """The live server of the bench is knotd."""
    need("knotd")


@pytest.mark.usefixtures("knotd")
def test_three_daemons_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each gives the first record of each kind of name, and the figures are in the report."""
    measured = many.compare("uvloop", 3, 2, 0, tmp_path)
    assert {state: len(rounds) for state, rounds in measured.items()} == {
        "local": 2, "alive": 2, "dead": 2,
    }  # fmt: skip
    for rounds in measured.values():
        for found in rounds:
            assert {kind: len(samples) for kind, samples in found.items()} == {
                "hosts": 3, "registry": 3, "address": 3,
            }  # fmt: skip
            assert all(sample.took > 0 for samples in found.values() for sample in samples)
    report = many.show("uvloop", measured)
    printed = capsys.readouterr().out
    assert printed.count("\n") == len(report) == 3
    assert set(report["hosts"]["added_p99_ms"]) == {"local", "alive"}


def test_percentiles() -> None:
    """A percentile is one of the values; the last one is not passed."""
    values = [float(number) for number in range(1, 101)]
    assert many.percentile(values, 0.5) == 51
    assert many.percentile(values, 0.99) == 100
    assert many.percentile([1.0], 0.99) == 1


def test_waits_are_taken_off() -> None:
    """What was spent in waiting for a processor is not the daemon's, and never below nothing."""
    assert Sample(took=0.5, waited=0.25).own == 0.25
    assert Sample(took=0.5, waited=0.75).own == 0
    rounds = [{"hosts": [Sample(0.001, 0.0), Sample(0.005, 0.002)]}]
    assert many.milliseconds(rounds, "hosts", 0.99, many.own) == [3]
    assert many.milliseconds(rounds, "hosts", 0.99, many.took) == [5]


class Wrong:
    """A daemon whose first record is of another namespace."""

    def call(self, method: str, params: object) -> dict[str, int]:
        """Answer like a Begin and a NextEx."""
        return {"lookup": 1, "namespace": 12}


def test_a_record_from_elsewhere_is_no_sample() -> None:
    """If the DNS had answered, the bench would measure something else; it stops."""
    asking = many.Asking(Wrong(), pid=1)  # type: ignore[arg-type]  # no connection is needed
    with pytest.raises(UnexpectedReply, match="not of hosts"):
        asking.first_record("hosts", 0)
