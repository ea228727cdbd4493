"""The bench measures what it says: its load generator checks replies, its figures add up.

No test here asks how fast anything is; a busy machine must not fail the build.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench import capacity, processes, servers
from bench.jsonrpc import Connection, UnexpectedReply
from bench.report import Line, Measure, compare, results, table
from tests.providers.dns.servers import need

_REPLY = (
    b'{"jsonrpc":"2.0","id":1,"result":{"results":[{"service_instance_name":"printer.example",'
    b'"namespace":11,"provider_id":"5e1d0000-0000-4000-8000-00000000000b","context":"",'
    b'"addresses":[{"remote":{"family":"inet","host":"192.0.2.10","port":0},"socket_type":0,'
    b'"protocol":0},{"remote":{"family":"inet6","host":"2001:db8::10","port":0},"socket_type":0,'
    b'"protocol":0}],"output_flags":0}],"verdicts":[{"provider_id":'
    b'"5e1d0000-0000-4000-8000-00000000000b","namespace":11,"identifier":"hosts","outcome":'
    b'"answered","error":null,"setting":null,"records":1,"elapsed":0.0}]}}\n'
)

_SHORT = ("-s", "0.3", "-w", "0.1")


@pytest.fixture(scope="module")
def load() -> str:
    """The load generator, freshly compiled if its source is newer."""
    need("cc")
    return str(processes.build_load())


def run_load(load: str, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One run of the load generator, whatever comes of it."""
    return subprocess.run(
        [load, str(path), *arguments], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_the_bare_server_under_load_gives_figures(load: str, loop: str, tmp_path: Path) -> None:
    """The bare server answers 50 connections on each loop, and the report's parts agree."""
    with servers.bare(loop, _REPLY, tmp_path) as (path, pid):
        done = run_load(load, path, "lookup", "-c", "50", *_SHORT)
        spent = processes.cpu_seconds(pid)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["scenario"], figures["connections"]) == ("lookup", 50)
    assert figures["operations"] > 0
    assert figures["rate"] == pytest.approx(figures["operations"] / figures["seconds"], rel=0.01)
    assert 0 < figures["p50_us"] <= figures["p99_us"] <= figures["max_us"]
    assert 0 < figures["client_cpu"] <= 1.1
    assert figures["cancelled"] == 0
    assert spent > 0


@pytest.mark.parametrize(
    ("scenario", "reply"),
    [
        pytest.param("lookup", b'{"jsonrpc":"2.0","id":2,"result":{}}\n', id="another id"),
        pytest.param("lookup", b'{"jsonrpc":"2.0","id":1,"result":{}}\n', id="no record"),
        pytest.param(
            "lookup",
            b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}\n',
            id="protocol error",
        ),
        pytest.param("race", _REPLY, id="a record for NSPv2Startup"),
        pytest.param("lookup", _REPLY * 2, id="one reply too many"),
    ],
)
def test_the_load_generator_refuses_a_wrong_reply(
    load: str, scenario: str, reply: bytes, tmp_path: Path
) -> None:
    """A server that answers wrongly is not measured: the run fails and shows what came."""
    with servers.bare("asyncio", reply, tmp_path) as (path, _):
        done = run_load(load, path, scenario, "-c", "1", *_SHORT)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("load: ")


def test_the_load_generator_needs_a_server(load: str, tmp_path: Path) -> None:
    """Nobody listening is a failure that names the socket."""
    done = run_load(load, tmp_path / "nobody", "lookup")
    assert done.returncode == 1
    assert str(tmp_path / "nobody") in done.stderr


_RELEASED = b'{"jsonrpc":"2.0","id":7,"error":{"code":10111,"message":"WSA_E_CANCELLED"}}\n'
_ENDED = b'{"jsonrpc":"2.0","id":1,"result":{"cancelled":1,"work":"stopped"}}\n'


def test_an_end_after_its_cancelled_call_is_accepted(tmp_path: Path) -> None:
    """The capacity run takes the one right answer to an End (C1, C2)."""
    served = servers.bare("asyncio", _RELEASED + _ENDED, tmp_path)
    with served as (path, _), Connection(path) as connection:
        assert connection.end_waiting([(1000, 7)]) == 1


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        pytest.param(_ENDED + _RELEASED, "End before its NextEx", id="End first"),
        pytest.param(_RELEASED.replace(b"10111", b"10110") + _ENDED, "not 10111", id="10110"),
        pytest.param(
            _RELEASED + _ENDED.replace(b'"cancelled":1', b'"cancelled":0'),
            "not counted",
            id="none counted",
        ),
        pytest.param(_RELEASED + _ENDED * 2, "3 replies", id="two replies to End"),
        pytest.param(
            _RELEASED.replace(b":7", b":8") + _ENDED, "End before its NextEx", id="another call"
        ),
    ],
)
def test_the_capacity_run_refuses_a_broken_promise(
    reply: bytes, complaint: str, tmp_path: Path
) -> None:
    """A daemon that breaks C1, C2 or C8 gets no figure for its Ends."""
    with (
        servers.bare("asyncio", reply, tmp_path) as (path, _),
        Connection(path) as connection,
        pytest.raises(UnexpectedReply, match=complaint),
    ):
        connection.end_waiting([(1000, 7)])


@pytest.mark.parametrize("loop", ["uvloop", "trio"])
@pytest.mark.parametrize(
    ("scenario", "cancels"), [("lookup", False), ("whole", False), ("race", True)]
)
def test_nspd_keeps_its_word_under_load(
    load: str, loop: str, scenario: str, cancels: bool, tmp_path: Path
) -> None:
    """50 clients at once get the right replies in the right order, and nothing is left (C1, C2)."""
    hosts = servers.write_hosts(tmp_path)
    with servers.nspd(loop, hosts, tmp_path) as (path, _):
        done = run_load(load, path, scenario, "-n", servers.NAME, *_SHORT)
        with Connection(path) as observer:
            capacity.wait_for_census(observer, lookups=0, waiting_calls=0, provider_tasks=0)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["operations"] > 0
    assert (figures["cancelled"] > 0) == cancels


@pytest.mark.parametrize("loop", ["uvloop", "trio"])
def test_the_capacity_run_gives_every_figure(loop: str, tmp_path: Path) -> None:
    """A small capacity run ends its lookups, kills their client and measures all of it."""
    figures = capacity.measure(loop, 300, tmp_path)
    assert set(figures) > set(capacity.TARGETS)
    assert all(figures[name] > 0 for name in ("longest_wait_ms", "swept_s"))


def _run(rate: float, server_cpu: float) -> dict[str, Any]:
    return {"rate": rate, "server_cpu": server_cpu}


def test_a_ratio_compares_runs_of_the_same_round() -> None:
    """One disturbed round moves the range and leaves the median alone."""
    subject = [_run(50, 1.0), _run(10, 1.0), _run(60, 1.0)]
    reference = [_run(100, 0.5), _run(100, 0.5), _run(100, 0.5)]
    ratio = compare(subject, reference)
    assert (ratio.value, ratio.low, ratio.high) == (0.5, 0.1, 0.6)
    assert ratio.per_server_cpu == pytest.approx(0.25)


def test_a_missing_peer_is_named_with_its_reason() -> None:
    """A line whose peer cannot run says so, and the others stand."""
    ours, peer, absent = Measure("ours", "lookup"), Measure("peer", "lookup"), Measure("no", "x")
    lines = [Line("a", "to peer", ours, peer, 0.5), Line("b", "to absent", ours, absent, 4)]
    figures = {ours: [_run(60, 1.0)], peer: [_run(100, 1.0)]}
    entries = results(lines, figures, {"no": "its package is gone"})
    assert [entry.get("met") for entry in entries] == [True, None]
    text = table(entries)
    assert "to peer" in text
    assert "0.600" in text
    assert "to absent: not available: its package is gone" in text
