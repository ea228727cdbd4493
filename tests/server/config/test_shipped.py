"""The files in config/, against the code, with the kinds that the package announces."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from nspd.server import kinds as kinds_module
from nspd.server.config.layers import Configuration, Source, Surroundings, compile_settings
from nspd.server.config.values import PROVIDER_KEYS, SECTIONS
from nspd.server.kinds import Kinds, installed_kinds
from nspd.server.settings import default_socket, default_state_dir

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config"
NSPD_TOML = (CONFIG / "nspd.toml").read_text(encoding="utf-8")


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> Kinds:
    """The kinds of pyproject.toml, whether or not the package is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [
        EntryPoint(name, value, kinds_module.GROUP)
        for name, value in project["entry-points"][kinds_module.GROUP].items()
    ]
    monkeypatch.setattr(kinds_module, "entry_points", lambda group: found)
    return installed_kinds()


def compiled(surroundings: Surroundings, kinds: Kinds, text: str = "") -> Configuration:
    """The configuration of one text."""
    return compile_settings([Source("nspd.toml", text)], surroundings, {}, kinds)


def uncommented(text: str) -> str:
    """The text with its commented settings in force."""
    return re.sub(r"^#(?=[\[a-z])", "", text, flags=re.MULTILINE)


def test_nspd_toml_changes_nothing_as_it_is() -> None:
    """Every setting in it is commented out."""
    assert tomllib.loads(NSPD_TOML) == {}


def test_nspd_toml_has_every_setting_at_its_default(
    surroundings: Surroundings, kinds: Kinds
) -> None:
    """With its settings in force the daemon is configured as without a file."""
    shown = compiled(surroundings, kinds, uncommented(NSPD_TOML))
    assert shown.settings == compiled(surroundings, kinds).settings
    assert set(shown.origins) == {
        (section, key) for section, kind in SECTIONS.items() for key in kind.__struct_fields__
    }


def test_nspd_toml_shows_every_setting_of_a_provider(kinds: Kinds) -> None:
    """The common ones, and the options of each kind that has any."""
    shown = set(re.findall(r"^# ?(\w+) = ", NSPD_TOML, flags=re.MULTILINE))
    options = {option for load in kinds.values() for option in load().options}
    assert set(PROVIDER_KEYS) | options <= shown


def test_the_container_is_configured(surroundings: Surroundings, kinds: Kinds) -> None:
    """Its file is valid, and says where the volumes of the image are."""
    text = (CONFIG / "container.toml").read_text(encoding="utf-8")
    daemon = compiled(surroundings, kinds, text).settings.daemon
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    volumes = re.findall(r'"(/[^"]+)"', re.findall(r"^VOLUME (.*)$", dockerfile, re.MULTILINE)[0])
    assert {str(Path(daemon.socket).parent), daemon.state_dir} == set(volumes)


def test_the_service_runs_as_the_machines_daemon(surroundings: Surroundings) -> None:
    """Its directories are those that the daemon takes for the system's, its socket the default."""
    service = (CONFIG / "nspd.service").read_text(encoding="utf-8")
    told = dict(re.findall(r"^(\w+)=(.*)$", service, flags=re.MULTILINE))
    environment = {
        "CONFIGURATION_DIRECTORY": f"/etc/{told['ConfigurationDirectory']}",
        "STATE_DIRECTORY": f"/var/lib/{told['StateDirectory']}",
    }
    socket = (CONFIG / "nspd.socket").read_text(encoding="utf-8")
    assert f"ListenStream={default_socket(990, environment)}\n" in socket
    root = default_state_dir(0, {}, surroundings.home)
    assert default_state_dir(990, environment, surroundings.home) == root
