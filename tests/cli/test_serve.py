"""``nspd serve`` as far as the daemon: what it is told, and what its result becomes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner

import nspd.server
from nspd.cli.nspd import main
from nspd.model.errors import InvalidArgument
from nspd.server import logs
from nspd.server.settings import Settings


class Served:
    """A daemon that notes what it is told and finds the socket taken."""

    settings: Settings
    load: Callable[[], Settings]

    def main(self, settings: Settings, *, load: Callable[[], Settings]) -> int:
        """Stand in for `nspd.server.daemon.main`."""
        self.settings, self.load = settings, load
        return 75


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Put that daemon in place of ours; the log is set back afterwards."""
    daemon = Served()
    monkeypatch.setitem(sys.modules, "nspd.server.daemon", daemon)
    monkeypatch.setattr(nspd.server, "daemon", daemon, raising=False)
    yield daemon
    structlog.reset_defaults()
    logs.set_level("info")


def test_the_daemon_gets_the_settings_and_its_result_is_the_exit_status(
    served: Served, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Options win over the file; warnings are logged in the format that is in force."""
    config = tmp_path / "nspd.toml"
    config.write_text("provider = []\n[daemon]\nsocket = '/file'\n[log]\nformat = 'journal'\n")
    arguments = ["serve", "--config", str(config), "--socket", "/option", "--backend", "trio"]
    result = CliRunner().invoke(main, arguments, env={"NSPD_SOCKT": "/x"})
    assert result.exit_code == 75
    daemon = served.settings.daemon
    assert (daemon.socket, daemon.backend) == ("/option", "trio")
    assert served.settings.providers == ()
    assert capfd.readouterr().err.startswith("<4>the environment variable NSPD_SOCKT")


def test_a_reload_reads_the_same_file_and_keeps_the_options(served: Served, tmp_path: Path) -> None:
    """What the file says now, under what the command line said; a mistake is error 10022."""
    config = tmp_path / "nspd.toml"
    config.write_text("provider = []\nlog.format = 'json'")
    CliRunner().invoke(main, ["serve", "--config", str(config), "--socket", "/option"])
    config.write_text("provider = []\nlimits.lookups = 7\ndaemon.socket = '/file'")
    again = served.load()
    assert (again.limits.lookups, again.daemon.socket) == (7, "/option")
    config.write_text("provider = []\nlimits.lookups = 0")
    with pytest.raises(InvalidArgument, match=rf"{re.escape(str(config))}:2: limits\.lookups"):
        served.load()
