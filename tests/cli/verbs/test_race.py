"""``nspctl race`` as a command: options, output, exit status."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from tests.cli.conftest import Nspctl
from tests.race.fake_daemon import EndsFirst, FakeDaemon, serving

Serve = Callable[[FakeDaemon], str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve a fake daemon from a thread of its own; gives the path of its socket."""
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())

        def start(daemon: FakeDaemon) -> str:
            served = serving(daemon, tmp_path / "s")
            return stack.enter_context(portal.wrap_async_context_manager(served))

        yield start


def test_passes(nspctl: Nspctl, serve: Serve) -> None:
    """Against an honest daemon: exit 0, a row for each scenario, the verdict last."""
    socket = serve(FakeDaemon())
    options = ("--scenario", "end-vs-next", "--scenario", "double-end", "--lookups", "20")
    result = nspctl("race", "--socket", socket, "--clients", "4", *options)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[1].startswith("SCENARIO")
    assert [line.split()[:2] for line in lines[2:4]] == [
        ["end-vs-next", "20"],
        ["double-end", "20"],
    ]
    assert lines[-1].startswith("passed: ")
    assert result.stderr == ""


def test_violation(nspctl: Nspctl, serve: Serve) -> None:
    """Against a liar: exit 1, and the violation in words."""
    socket = serve(EndsFirst())
    result = nspctl("race", "--socket", socket, "--lookups", "2", "--scenario", "double-end", "-q")
    assert result.exit_code == 1
    assert "C2 on connection" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("FAILED: ")


def test_json(nspctl: Nspctl, serve: Serve) -> None:
    """With --json it writes one object, from which the run can be repeated."""
    socket = serve(FakeDaemon())
    result = nspctl(
        "race", "-j", "--socket", socket, "--seed", "5", "--scenario", "end-vs-next", "--lookups=3"
    )
    [line] = result.stdout.splitlines()
    report = json.loads(line)
    assert (result.exit_code, report["passed"], report["seed"]) == (0, True, 5)
    assert report["scenarios"][0]["outcomes"] == {"cancelled": 3}


def test_scenario_may_be_repeated(nspctl: Nspctl, serve: Serve) -> None:
    """Scenarios run in the order given; --duration takes units."""
    socket = serve(FakeDaemon())
    names = ("double-end", "end-vs-next")
    options = [word for name in names for word in ("--scenario", name)]
    result = nspctl("race", "-j", "--socket", socket, "--duration", "20ms", *options)
    report = json.loads(result.stdout)
    assert [scenario["scenario"] for scenario in report["scenarios"]] == list(names)


def test_unreachable(nspctl: Nspctl, tmp_path: Path) -> None:
    """Exit 6 if nobody listens there."""
    result = nspctl("race", "--socket", str(tmp_path / "nobody"))
    assert result.exit_code == 6
    assert "not reachable" in result.stderr


def test_no_test_namespace(nspctl: Nspctl, serve: Serve) -> None:
    """Exit 5, with a hint, if the daemon has no test namespace."""
    daemon = FakeDaemon()
    daemon.namespaces = ()
    result = nspctl("race", "--socket", serve(daemon))
    assert result.exit_code == 5
    assert 'kind "test"' in result.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--duration", "soon"), "not a duration"),
        (("--scenario", "tea"), "end-vs-next"),
        (("--clients", "0"), "0"),
        (("--socket", "s", "--backend", "trio"), "--backend"),
    ],
)
def test_usage(nspctl: Nspctl, arguments: tuple[str, ...], word: str) -> None:
    """Exit 2 for what makes no sense, saying which part of it."""
    result = nspctl("race", *arguments)
    assert result.exit_code == 2
    assert word in result.stderr
