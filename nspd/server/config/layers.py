"""From texts, environment and options to `Settings`, or to a list of what is wrong.

`compile_settings` does no I/O: later layers win, key by key; every value is
checked where it stands, even one that a later layer replaces, and everything
wrong is reported at once.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct

from nspd.core.limits import Limits
from nspd.server.config.providers import ProviderList
from nspd.server.config.report import ConfigError, Origin, Place, Problem, nearest, reason
from nspd.server.config.toml_lines import key_lines
from nspd.server.config.values import (
    ENVIRONMENT,
    PROVIDER_SECTION,
    SECTIONS,
    SettingKey,
    convert_key,
    nearest_section,
    nearest_setting,
)
from nspd.server.kinds import Kinds
from nspd.server.settings import (
    AccessSettings,
    DaemonSettings,
    LogSettings,
    MetricsSettings,
    Settings,
    default_socket,
    default_state_dir,
)

_SHORT_SOCKET = "NSPD_SOCKET"
_LONG_SOCKET = "NSPD_DAEMON_SOCKET"


class Source(Struct, frozen=True):
    """The text of one configuration file."""

    name: str
    text: str


class Surroundings(Struct, frozen=True, kw_only=True):
    """Where the daemon runs, as far as its settings depend on that."""

    uid: int
    home: PurePosixPath
    environment: Mapping[str, str]


class Configuration(Struct, frozen=True, kw_only=True):
    """Valid settings, and what a person may want to know about them."""

    settings: Settings
    origins: Mapping[SettingKey, Origin]
    """Of the settings that are not left at their defaults."""
    sources: tuple[str, ...]
    """The files that were read, the one that wins last."""
    warnings: tuple[str, ...]


def compile_settings(
    sources: Sequence[Source],
    surroundings: Surroundings,
    options: Mapping[SettingKey, str],
    kinds: Kinds,
) -> Configuration:
    """Put all layers together.

    Args:
        sources: the files, the one that wins last.
        surroundings: user and environment; ``NSPD_*`` variables win over files.
        options: what the command line says, as text; it wins over everything.
        kinds: the kinds of provider that are installed.

    Raises:
        ConfigError: anything in any layer is wrong.
    """
    layers = _Layers(kinds)
    for source in sources:
        layers.add_source(source)
    layers.add_environment(surroundings.environment)
    for setting, text in options.items():
        option = f"--{setting[1].replace('_', '-')}"
        layers.add_text(Origin("command line"), option, setting, text)
    settings = layers.finish(surroundings)
    return Configuration(
        settings=settings,
        origins=layers.origins,
        sources=tuple(source.name for source in sources),
        warnings=tuple(layers.warnings),
    )


class _Layers:
    """Gathers values and problems, layer by layer."""

    def __init__(self, kinds: Kinds) -> None:
        self.origins: dict[SettingKey, Origin] = {}
        self.warnings: list[str] = []
        self._values: dict[SettingKey, Any] = {}
        self._problems: list[Problem] = []
        self._providers = ProviderList(kinds, self._problems)

    def add_source(self, source: Source) -> None:
        try:
            document = tomllib.loads(source.text)
        except (ValueError, RecursionError) as error:
            # int()'s own ValueError comes through tomllib as well.
            origin = Origin(source.name, _line_in(str(error), source.text))
            self._problems.append(Problem(origin, "", f"this is not TOML: {error}"))
            return
        top = Place(source.name, key_lines(source.text), ())
        for section, content in document.items():
            if section == PROVIDER_SECTION:
                self._providers.add(top, content)
            elif section not in SECTIONS:
                self._unknown(top.origin(section), section, nearest_section(section))
            elif not isinstance(content, dict):
                message = f"write it as a table, [{section}]"
                self._problems.append(Problem(top.origin(section), section, message))
            else:
                for key, value in content.items():
                    self._add_value(top.origin(section, key), section, key, value)

    def add_environment(self, environment: Mapping[str, str]) -> None:
        for name, text in environment.items():
            if not name.startswith("NSPD_"):
                continue
            if name == _SHORT_SOCKET:
                if _LONG_SOCKET not in environment:
                    self.add_text(Origin("environment"), name, ENVIRONMENT[_LONG_SOCKET], text)
            elif name in ENVIRONMENT:
                self.add_text(Origin("environment"), name, ENVIRONMENT[name], text)
            else:
                self.warnings.append(
                    f"the environment variable {name} names no setting and is ignored; "
                    f"the nearest that does is {nearest(name, ENVIRONMENT)}"
                )

    def add_text(self, origin: Origin, shown: str, setting: SettingKey, text: str) -> None:
        """Take a value that is known as text only."""
        section, key = setting
        try:
            value = convert_key(SECTIONS[section], key, text, is_text=True)
        except ValueError as error:
            self._problems.append(Problem(origin, shown, reason(error)))
        else:
            self._values[setting] = value
            self.origins[setting] = origin

    def finish(self, surroundings: Surroundings) -> Settings:
        uid, environment = surroundings.uid, surroundings.environment
        if ("daemon", "socket") not in self._values:
            try:
                socket = default_socket(uid, environment)
                self._values["daemon", "socket"] = convert_key(DaemonSettings, "socket", socket)
            except ValueError as error:
                self._problems.append(Problem(Origin("default"), "daemon.socket", reason(error)))
        state_dir = self._values.setdefault(
            ("daemon", "state_dir"), default_state_dir(uid, environment, surroundings.home)
        )
        providers = self._providers.finish(state_dir)
        if self._problems:
            raise ConfigError(self._problems)
        return Settings(
            daemon=DaemonSettings(**self._section("daemon")),
            limits=Limits(**self._section("limits")),
            access=AccessSettings(**self._section("access")),
            log=LogSettings(**self._section("log")),
            metrics=MetricsSettings(**self._section("metrics")),
            providers=providers,
        )

    def _section(self, name: str) -> dict[str, Any]:
        return {key: value for (section, key), value in self._values.items() if section == name}

    def _add_value(self, origin: Origin, section: str, key: str, value: Any) -> None:
        shown = f"{section}.{key}"
        kind = SECTIONS[section]
        if key not in kind.__struct_fields__:
            self._unknown(origin, shown, nearest_setting(section, key))
            return
        try:
            converted = convert_key(kind, key, value)
        except ValueError as error:
            self._problems.append(Problem(origin, shown, reason(error)))
        else:
            self._values[section, key] = converted
            self.origins[section, key] = origin

    def _unknown(self, origin: Origin, key: str, near: str) -> None:
        self._problems.append(Problem(origin, key, "there is no such setting", near))


def _line_in(message: str, text: str) -> int | None:
    """The line that tomllib tells in words."""
    if "(at end of document)" in message:
        return text.rstrip().count("\n") + 1
    match = re.search(r"\(at line ([0-9]+)", message)
    return int(match[1]) if match else None
