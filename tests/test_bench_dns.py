"""The DNS benchmark measures what it says: names are new or the same, answers are checked.

As in test_bench.py, no test asks how fast anything is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import dns as dns_bench
from bench import dns_servers, processes
from bench.dns_servers import ZONE
from bench.report import Line, Measure, results, table
from tests.providers.dns.fakes import Asked, FakeServer
from tests.providers.dns.servers import need

_SHORT = ("-s", "0.3", "-w", "0.1", "-c", "4")


@pytest.fixture
def knot(tmp_path: Path) -> Iterator[str]:
    """The benchmark's own server."""
    need("knotd")
    with dns_servers.knot(tmp_path) as address:
        yield address


@pytest.fixture(scope="module")
def load() -> str:
    """The load generator."""
    need("cc")
    return str(processes.build_load())


def by_zone(ask: Asked) -> None:
    """Answer as the benchmark's zone would."""
    ask.answer(ask.rdtype, {"A": "192.0.2.1", "AAAA": "2001:db8::1"}[ask.rdtype], ttl=3600)


def run_load(load: str, path: Path, *arguments: str) -> int:
    """Operations that a run of the load generator completed, warm-up left out."""
    done = subprocess.run(
        [load, str(path), "dns", *arguments, *_SHORT],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    operations: int = json.loads(done.stdout)["operations"]
    return operations


def test_uncached_names_are_all_new(load: str, tmp_path: Path) -> None:
    """With -u no name is asked for twice, not even by the next run, and all are in the zone."""
    with (
        FakeServer(by_zone) as fake,
        dns_bench.nspd("uvloop", str(fake), tmp_path) as (path, _),
    ):
        completed = [run_load(load, path, "-n", ZONE, "-u") for _ in range(2)]
    questions = [(ask.name, ask.rdtype) for ask in fake.asked]
    assert len(set(questions)) == len(questions)
    assert len(questions) >= 2 * sum(completed) > 0
    assert all(name.endswith(f".{ZONE}") for name, _ in questions)


def test_a_cached_name_is_asked_for_once(load: str, tmp_path: Path) -> None:
    """Without -u the server hears of the name once for each type, however long the run is."""
    with (
        FakeServer(by_zone) as fake,
        dns_bench.nspd("uvloop", str(fake), tmp_path) as (path, _),
    ):
        assert run_load(load, path, "-n", dns_bench.NAME) > 0
    assert sorted(ask.rdtype for ask in fake.asked) == ["A", "AAAA"]


@pytest.mark.parametrize("loop", ["uvloop", "trio"])
def test_lookups_of_one_name_at_once_send_one_question(loop: str, tmp_path: Path) -> None:
    """All that is begun before the answer comes shares one query of each type (C11)."""
    assert dns_bench.questions_for(loop, 500, tmp_path) == {"A": 1, "AAAA": 1}


@pytest.mark.parametrize("peer", ["dnspython/uvloop", "dnspython/trio", "aiodns/uvloop"])
def test_a_library_gives_figures(peer: str, knot: str) -> None:
    """A library resolves both addresses over and over, and reports as the load generator does."""
    command = [sys.executable, "-m", "bench.dns_peer", peer, knot, ZONE, "4", "0.3", "0.1"]
    done = subprocess.run(
        command, cwd=processes.ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["operations"] > 0
    assert 0 < figures["p50_us"] <= figures["p99_us"] <= figures["max_us"]
    assert 0 < figures["server_cpu"] <= 1.1


def test_a_line_without_a_target_is_neither_met_nor_missed() -> None:
    """It is shown for what it tells."""
    subject, reference = Measure("ours", "uncached"), Measure("peer", "uncached")
    runs = [{"rate": 1.0, "server_cpu": 1.0}]
    entries = results([Line("a", "to peer", subject, reference, None)], {
        subject: runs, reference: runs,
    }, {})  # fmt: skip
    assert entries[0]["met"] is None
    assert not {"met", "MISSED"} & set(table(entries).split())
