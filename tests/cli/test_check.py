"""``nspd check`` and the way of ``nspd serve`` up to the daemon."""

from __future__ import annotations

import os
import tomllib
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nspd.cli.nspd import main
from nspd.core.provider import Provider
from nspd.server.config import files
from nspd.server.kinds import kind_of


class Nothing(Provider):
    """A provider without options."""

    kind = "nothing"
    namespace = 70003


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A valid configuration file of the one kind that is installed."""
    for name in [name for name in os.environ if name.startswith("NSPD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(files, "installed_kinds", lambda: {"nothing": lambda: kind_of(Nothing)})
    path = tmp_path / "nspd.toml"
    path.write_text(
        "[daemon]\nsocket = '/run/x.sock'\nstate_dir = \"/sp ace\\u007f\\u00e9\"\n"
        "[access]\nlookup = ['ann', '@staff']\n"
        "[[provider]]\nkind = 'nothing'\nbudget = '90s'\n"
    )
    return path


def run(*arguments: str | Path, **environment: str) -> Result:
    """Run ``nspd``."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments], env=environment)


def test_a_valid_configuration_is_said_to_be_valid(config: Path) -> None:
    """Exit 0, and the files that were read."""
    result = run("check", "--config", config)
    assert result.exit_code == 0
    assert result.output == f"The configuration is valid ({config}).\n"


def test_mistakes_are_listed_and_exit_78(config: Path) -> None:
    """One line for each on standard error, nothing on standard output."""
    config.write_text(
        "[log]\nlevl = 'info'\n\n[limits]\nlookups = 'many'\n[[provider]]\nkind='nothing'"
    )
    result = run("check", "--config", config, NSPD_SOCKET="/run/x.sock")
    assert result.exit_code == 78
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        f"{config}:2: log.levl: there is no such setting; the nearest known is 'log.level'",
        f"{config}:5: limits.lookups: Expected an integer, got text",
    ]


def test_a_variable_that_names_no_setting_is_warned_of(config: Path) -> None:
    """The configuration is valid all the same."""
    result = run("check", "--config", config, NSPD_LOUD="1")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: the environment variable NSPD_LOUD names no setting")


def test_show_says_the_same_configuration_again(config: Path, tmp_path: Path) -> None:
    """Its output is a configuration file with the same settings, each with its origin."""
    shown = run("check", "--config", config, "--show", NSPD_LOG_LEVEL="debug").stdout
    assert f'socket = "/run/x.sock"  # {config}:2\n' in shown
    assert 'level = "debug"  # environment\n' in shown
    assert 'format = "auto"\n' in shown
    assert tomllib.loads(shown)["daemon"]["state_dir"] == "/sp ace\x7fé"
    again = tmp_path / "again.toml"
    again.write_text(shown)
    first = files.load(config, {("log", "level"): "debug"})
    assert files.load(again).settings == first.settings


def test_serve_with_a_wrong_configuration_exits_78_before_the_daemon_begins(config: Path) -> None:
    """Nothing is opened; the message is on standard error."""
    config.write_text("daemon.socket = 3")
    result = run("serve", "--config", config)
    assert result.exit_code == 78
    assert result.stderr.startswith(f"{config}:1: daemon.socket: Expected text")


@pytest.mark.parametrize(
    "arguments",
    [("serve", "--backend", "curio"), ("serve", "--log-level", "loud"), ("sevre",), ("check", "x")],
)
def test_wrong_usage_exits_2(arguments: tuple[str, ...]) -> None:
    """Unknown verbs, options and choices are usage errors."""
    assert run(*arguments).exit_code == 2


def test_options_win_over_the_file(config: Path) -> None:
    """serve's options are the last layer; a bad one is named as it was typed."""
    result = run("serve", "--config", config, "--socket", "/" + "x" * 200)
    assert result.exit_code == 78
    assert result.stderr.startswith("command line: --socket: the path of a socket has at most")


def test_version() -> None:
    """The version goes to standard output."""
    from nspd import __version__

    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"nspd, version {__version__}\n")


def test_version_of_a_compiled_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so: a report of a fault has to."""
    from nspd import __version__

    def find(name: str) -> ModuleSpec:
        assert name == "nspd.core.lookup"
        return ModuleSpec(name, None, origin="lookup.cpython-311-x86_64-linux-gnu.so")

    monkeypatch.setattr("nspd.cli.nspd.find_spec", find)
    assert run("--version").stdout == f"nspd, version {__version__}, compiled\n"
