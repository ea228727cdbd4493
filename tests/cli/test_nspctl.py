"""What all verbs of nspctl have in common: options, exit statuses, signals, start-up."""

from __future__ import annotations

import importlib
import json
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from nspd import __version__
from nspd.cli._exits import Exit
from nspd.cli._lazy import LazyGroup
from nspd.cli.nspctl import main
from tests.cli.conftest import Nspctl
from tests.cli.fake_daemon import FakeDaemon, record
from tests.cli.processes import LIMIT, environment, in_terminal, start

HEAVY = {"rich", "anyio", "trio", "asyncio", "uvloop", "structlog", "grpc", "dns"}
VERBS = main.list_commands(click.Context(main))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_the_common_options(verb: str, nspctl: Nspctl) -> None:
    """``nspctl VERB --help`` tells what the verb does, and that it takes the common options."""
    result = nspctl(verb, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: nspctl {verb}")
    for option in ("--socket", "--json", "-j", "--timeout", "--quiet"):
        assert option in result.stdout


def test_help_of_the_group_lists_all_verbs_and_imports_none() -> None:
    """Asking what there is costs no import of what is not used."""
    program = (
        "import sys\n"
        "from nspd.cli.nspctl import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit:\n"
        "    print([m for m in sys.modules if m.startswith('nspd.cli.verbs.')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
        env=environment(),
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"\n  {verb} " in done.stdout for verb in VERBS)


def test_query_imports_nothing_heavy(daemon: FakeDaemon) -> None:
    """A whole ``nspctl query`` loads no event loop, no rich, no structlog: it must start fast."""
    program = (
        "import sys\n"
        "from nspd.cli.nspctl import main\n"
        "try:\n"
        "    main(['query', 'localhost'])\n"
        "except SystemExit as end:\n"
        "    print(end.code, *{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
        env=environment(NSPD_SOCKET=daemon.path),
    )
    status, *modules = done.stdout.splitlines()[-1].split()
    assert status == "0"
    assert "msgspec" in modules
    assert not HEAVY & set(modules)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--socket", "{}", "-q", "query", "localhost"),
        ("query", "localhost", "--socket", "{}", "--quiet"),
        ("-q", "query", "--socket={}", "localhost"),
    ],
)
def test_common_options_stand_before_or_after_the_verb(
    arguments: tuple[str, ...],
    daemon: FakeDaemon,
    nspctl: Nspctl,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever --socket and --quiet are written, they hold."""
    monkeypatch.delenv("NSPD_SOCKET")
    result = nspctl(*(argument.format(daemon.path) for argument in arguments))
    assert (result.exit_code, result.stdout) == (0, "localhost: 127.0.0.1\n")


def test_the_later_option_wins(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """An option after the verb is the more particular one."""
    result = nspctl("--json=pretty", "query", "localhost", "--json=off", "-q")
    assert result.stdout == "localhost: 127.0.0.1\n"


def test_an_unreachable_daemon_is_exit_6(tmp_path: Path, nspctl: Nspctl) -> None:
    """No daemon: one sentence that names the socket, in words and as JSON."""
    path = str(tmp_path / "nobody")
    result = nspctl("--socket", path, "query", "localhost")
    assert (result.exit_code, result.stdout) == (6, "")
    assert result.stderr.startswith("nspctl: cannot reach the daemon at ")
    assert result.stderr.count("\n") == 1
    assert path in result.stderr
    as_json = nspctl("-j", "--socket", path, "status")
    assert as_json.exit_code == 6
    assert json.loads(as_json.stderr)["error"]["code"] == 10050


@pytest.mark.parametrize("arguments", [(), ("quary",), ("query",), ("query", "x", "--nonsense")])
def test_usage_errors_are_exit_2(arguments: tuple[str, ...], nspctl: Nspctl) -> None:
    """A command line that cannot be understood is answered with how to use it."""
    result = nspctl(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: nspctl" in result.stderr


def test_a_misspelt_verb_is_answered_with_the_nearest(nspctl: Nspctl) -> None:
    """Who mistypes is told what he may have meant."""
    assert "Did you mean 'query'?" in nspctl("quary").stderr


@pytest.mark.parametrize("option", ["-j", "--json=short", "-qj"])
def test_usage_errors_are_json_too(option: str, nspctl: Nspctl) -> None:
    """A program that asked for JSON gets its mistake as JSON."""
    result = nspctl("query", option, "--limit", "none", "x")
    assert result.exit_code == 2
    error = json.loads(result.stderr)["error"]
    assert error["name"] == "usage"
    assert "--limit" in error["detail"]


def test_every_verb_and_exit_status_is_documented() -> None:
    """docs/nspctl.md speaks of every verb and of every exit status."""
    text = (Path(__file__).parents[2] / "docs" / "nspctl.md").read_text(encoding="utf-8")
    assert [verb for verb in VERBS if f"`{verb}" not in text] == []
    assert [status for status in Exit if f"\n| {int(status)} | " not in text] == []


def test_version(nspctl: Nspctl) -> None:
    """``nspctl --version`` prints the version of the package."""
    assert nspctl("--version").stdout == f"nspctl {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script_of_a_shell(shell: str, nspctl: Nspctl) -> None:
    """The script asks nspctl itself for completions."""
    result = nspctl("completion", shell)
    assert result.exit_code == 0
    assert "_NSPCTL_COMPLETE" in result.stdout


def test_an_unknown_shell_is_a_usage_error(nspctl: Nspctl) -> None:
    """What cannot be completed for is said so."""
    assert nspctl("completion", "tcsh").exit_code == 2


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("nspctl qu", ["query"]),
        ("nspctl query --namespace re", ["registry"]),
        ("nspctl query --flags return_addr,flushc", ["return_addr,flushcache"]),
        ("nspctl query --policy f", ["first"]),
        ("nspctl query --flags return_pref", ["return_preferred_names"]),
        ("nspctl explain --namespace ema", ["email"]),
        ("nspctl log-level de", ["debug"]),
    ],
)
def test_words_are_completed(words: str, completions: list[str]) -> None:
    """Verbs, options' values, and each of several flags."""
    done = subprocess.run(
        [sys.executable, "-m", "nspd.cli.nspctl"],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
        env=environment(
            _NSPCTL_COMPLETE="bash_complete",
            COMP_WORDS=words,
            COMP_CWORD=str(len(words.split()) - 1),
        ),
    )
    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == completions


def test_ctrl_c_sends_end_and_exits_130(daemon: FakeDaemon) -> None:
    """Interrupted while a NextEx waits, nspctl ends the lookup first."""
    daemon.records, daemon.end = [record()], None
    with start("query", "localhost", "--watch", NSPD_SOCKET=daemon.path) as process:
        assert daemon.waiting.wait(LIMIT)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert out.startswith("localhost: 127.0.0.1")
    assert daemon.wait_for("NSPv2LookupServiceEnd")


def test_a_reader_that_leaves_ends_the_lookup(daemon: FakeDaemon) -> None:
    """``nspctl query ... | head -1``: no traceback, and the lookup is ended."""
    daemon.records = [record(f"name-{i}", comment="x" * 500) for i in range(2000)]
    with start("-j", "list", NSPD_SOCKET=daemon.path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(LIMIT) == 1
    assert daemon.wait_for("NSPv2LookupServiceEnd")


def test_a_terminal_gets_colours(daemon: FakeDaemon) -> None:
    """Names are bold in a terminal."""
    shown = in_terminal("query", "localhost", variables={"NSPD_SOCKET": daemon.path})
    assert "\x1b[1mlocalhost:\x1b[0m 127.0.0.1" in shown


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_color_is_honoured(variables: dict[str, str], daemon: FakeDaemon) -> None:
    """With NO_COLOR, or on a terminal without colours, nothing is styled."""
    shown = in_terminal("query", "localhost", variables={"NSPD_SOCKET": daemon.path, **variables})
    assert "localhost: 127.0.0.1" in shown
    assert "\x1b" not in shown


def test_a_pipe_gets_no_colours(daemon: FakeDaemon) -> None:
    """What another program reads is plain."""
    with start("query", "localhost", NSPD_SOCKET=daemon.path) as process:
        out, _ = process.communicate(timeout=LIMIT)
    assert out.startswith("localhost: 127.0.0.1")
    assert "\x1b" not in out


def test_tables_fit_a_narrow_terminal(daemon: FakeDaemon) -> None:
    """No line of a table is longer than the terminal is wide; in a pipe nothing is cut."""
    daemon.records = [record("n" * 60, comment="c" * 60)]
    variables = {"NSPD_SOCKET": daemon.path, "COLUMNS": "50", "NO_COLOR": "1"}
    lines = in_terminal("list", variables=variables).splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= 50
    assert "…" in lines[1]


def test_a_name_that_the_locale_lacks_is_escaped(daemon: FakeDaemon) -> None:
    """In an ASCII locale a foreign name is shown as escapes and ends nothing."""
    daemon.records = [record("münchen")]
    variables = {"NSPD_SOCKET": daemon.path, "PYTHONIOENCODING": "ascii"}
    with start("-q", "query", "m*", **variables) as process:
        out, _ = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (0, "m\\xfcnchen: 127.0.0.1\n")


def test_the_installed_command_exists() -> None:
    """What pyproject.toml installs as nspctl can be imported and called."""
    project = Path(__file__).parents[2] / "pyproject.toml"
    entry = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["scripts"]["nspctl"]
    module, _, name = entry.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_a_lazy_command_must_be_a_command() -> None:
    """A wrong entry in the table of verbs is found as soon as it is used."""
    group = LazyGroup(name="group", lazy={"bad": ("nspd.cli._text:pad", "Not a command.")})
    with pytest.raises(TypeError, match="no click command"):
        group.get_command(click.Context(group), "bad")
