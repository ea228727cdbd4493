"""``nspctl race`` as a command: options, output, exit status."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from tests.cli.conftest import Nspctl
from tests.cli.processes import COMMAND, LIMIT, environment, in_terminal
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
        (("--processes", "0"), "0"),
        (("--rate", "0"), "not a number of lookups"),
        (("--rate", "nan"), "not a number of lookups"),
        (("--scenario-file", "nowhere.toml"), "nowhere.toml"),
        (("--socket", "s", "--backend", "trio"), "--backend"),
        (("tea",), "tea"),
    ],
)
def test_usage(nspctl: Nspctl, arguments: tuple[str, ...], word: str) -> None:
    """Exit 2 for what makes no sense, saying which part of it."""
    result = nspctl("race", *arguments)
    assert result.exit_code == 2
    assert word in result.stderr


SCENARIO = """\
[[scenario]]
name = "from-file"
query = "records=0&hang=1"
outcomes = ["cancelled"]
steps = [{ send = ["next", "end"] }]
"""


def test_scenario_file(nspctl: Nspctl, serve: Serve, tmp_path: Path) -> None:
    """With a scenario file alone, its scenarios are run and no others."""
    file = tmp_path / "own.toml"
    file.write_text(SCENARIO)
    options = ("--socket", serve(FakeDaemon()), "--lookups", "5", "--scenario-file", str(file))
    result = nspctl("race", "-j", *options)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [each["scenario"] for each in report["scenarios"]] == ["from-file"]


def test_bad_scenario_file(nspctl: Nspctl, tmp_path: Path) -> None:
    """A file that is none is refused by name, with the reason."""
    file = tmp_path / "own.toml"
    file.write_text(SCENARIO.replace("steps", "stairs"))
    result = nspctl("race", "--scenario-file", str(file))
    assert result.exit_code == 2
    assert "own.toml" in result.stderr
    assert "stairs" in result.stderr


def test_history_is_judged(nspctl: Nspctl, serve: Serve, tmp_path: Path) -> None:
    """What --history writes, `race check` judges as the run did."""
    history = str(tmp_path / "history")
    options = ("--socket", serve(EndsFirst()), "--scenario", "double-end", "--lookups", "3")
    run = json.loads(nspctl("race", "-j", *options, "--history", history).stdout)
    checked = nspctl("race", "check", history, "-j")
    assert checked.exit_code == 1
    *violations, result = [json.loads(line) for line in checked.stdout.splitlines()]
    assert result["violations"] == run["scenarios"][0]["violations"]
    assert result["judged"] == run["judged"]
    assert [each["violation"]["promise"] for each in violations] == ["C2"] * 3


def test_check_for_people(nspctl: Nspctl, serve: Serve, tmp_path: Path) -> None:
    """A history without a violation passes, with a table of its latencies."""
    history = str(tmp_path / "history")
    options = ("--socket", serve(FakeDaemon()), "--scenario", "double-end", "--lookups", "3")
    nspctl("race", *options, "--history", history)
    with open(history, encoding="utf-8") as text:
        result = nspctl("race", "check", "-", input=text.read())
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("LATENCY")
    assert lines[-1].startswith("passed: ")


@pytest.mark.parametrize(("text", "word"), [("rubbish", "line 1"), ("", "0 replies")])
def test_check_rubbish(nspctl: Nspctl, tmp_path: Path, text: str, word: str) -> None:
    """What is no history, or an empty one, does not pass."""
    file = tmp_path / "history"
    file.write_text(text)
    result = nspctl("race", "check", str(file))
    assert result.exit_code == 1
    assert word in result.output


def test_check_nothing(nspctl: Nspctl, tmp_path: Path) -> None:
    """A history that is not there is wrong usage."""
    result = nspctl("race", "check", str(tmp_path / "nowhere"))
    assert result.exit_code == 2


def test_history_nowhere(nspctl: Nspctl, serve: Serve, tmp_path: Path) -> None:
    """A history that cannot be written ends the run before it begins."""
    options = ("--socket", serve(FakeDaemon()), "--scenario", "double-end")
    result = nspctl("race", *options, "--history", str(tmp_path / "no" / "history"))
    assert result.exit_code == 1
    assert "No such file" in result.stderr


def test_report(nspctl: Nspctl, serve: Serve, tmp_path: Path) -> None:
    """--report writes a page and its plots into a directory that it makes."""
    options = ("--socket", serve(FakeDaemon()), "--scenario", "double-end", "--lookups", "5")
    result = nspctl("race", *options, "--report", str(tmp_path / "a" / "report"))
    assert result.exit_code == 0, result.output
    assert "index.html" in result.stderr
    names = {path.name for path in (tmp_path / "a" / "report").iterdir()}
    assert names == {
        "index.html",
        "latencies.png",
        "outcomes.png",
        "scenarios.png",
        "throughput.png",
    }


def test_report_without_matplotlib(
    nspctl: Nspctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra, --report says what to install, and nothing is run."""
    monkeypatch.setattr("nspd.race.page.plotting_missing", lambda: "matplotlib")
    result = nspctl("race", "--report", str(tmp_path / "report"))
    assert result.exit_code == 1
    assert "pip install 'nspd[report]'" in result.stderr
    assert not (tmp_path / "report").exists()


def test_report_in_the_way(nspctl: Nspctl, tmp_path: Path) -> None:
    """A report that cannot be written is found before the run."""
    (tmp_path / "file").touch()
    result = nspctl("race", "--report", str(tmp_path / "file" / "report"))
    assert result.exit_code == 1
    assert "Not a directory" in result.stderr


def test_interrupted() -> None:
    """Ctrl-C ends the race at once: what there was is reported, and the exit status is 130."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "race", "--scenario", "end-vs-next", "--duration", "10min"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
        env=environment(TERM="xterm"),
    ) as process:
        os.close(slave)
        try:
            shown_at(master, "1 of 1")
            process.send_signal(signal.SIGINT)
            shown_at(master, None)
        finally:
            os.close(master)
        report, _ = process.communicate(timeout=LIMIT)
    *_, interrupted, verdict = report.splitlines()
    assert process.returncode == 130
    assert interrupted.startswith("interrupted: ")
    assert verdict.startswith("FAILED: ")
    assert verdict.endswith(" violations: 0")  # a leak would count as one


def shown_at(terminal: int, wanted: str | None) -> None:
    """Read what is shown on a terminal up to some words, or until nobody has it open."""
    shown = ""
    while wanted is None or wanted not in shown:
        assert select.select([terminal], [], [], LIMIT)[0], shown
        try:
            shown += os.read(terminal, 65536).decode(errors="replace")
        except OSError:
            # How Linux says that the other end of a terminal is closed.
            assert wanted is None, shown
            return


def test_progress() -> None:
    """On a terminal the scenario under way is shown while it runs, then the tables."""
    options = ("--scenario", "end-vs-next", "--lookups", "2000", "--clients", "4")
    text = in_terminal("race", *options, variables={})
    assert "1 of 1" in text
    assert "lookups (" in text
    assert text.index("1 of 1") < text.index("SCENARIO") < text.index("passed: ")


def test_quiet_progress() -> None:
    """With --quiet nothing is shown while it runs, on a terminal either."""
    options = ("--scenario", "end-vs-next", "--lookups", "100", "-q")
    assert "1 of 1" not in in_terminal("race", *options, variables={})


def test_other_verbs_load_nothing_of_it() -> None:
    """What races need is not loaded by verbs that do not race."""
    code = "import sys, nspd.cli.verbs.query, nspd.cli.nspctl; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"hdrh", "hdrh.histogram", "matplotlib", "rich", "nspd.race.driver"}
    assert "nspd.cli.nspctl" in loaded
    assert heavy.isdisjoint(loaded)
