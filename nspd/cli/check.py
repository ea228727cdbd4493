"""``nspd check``: validate a configuration, and show what is in force."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nspd.cli._configuration import config_option, load_or_exit

if TYPE_CHECKING:
    from nspd.server.config import Configuration
    from nspd.server.settings import ProviderSettings


@click.command()
@config_option
@click.option("--show", is_flag=True, help="Print the settings in force, as TOML.")
def check(config: Path | None, show: bool) -> None:
    """Validate a configuration, environment variables included.

    Every mistake is one line, FILE:LINE: SETTING: what is wrong, and the
    nearest known setting where there is none of that name.

    \b
    Exit status: 0 valid, 78 not.
    """
    configuration = load_or_exit(config)
    for warning in configuration.warnings:
        click.echo(f"warning: {warning}", err=True)
    if show:
        for line in settings_lines(configuration):
            click.echo(line)
    else:
        read = ", ".join(configuration.sources) or "no file, built-in defaults only"
        click.echo(f"The configuration is valid ({read}).")


def settings_lines(configuration: Configuration) -> Iterator[str]:
    """The settings as TOML that says the same again, each with where it was given."""
    from nspd.server.config.values import SECTIONS

    separator = ""
    for section, kind in SECTIONS.items():
        yield f"{separator}[{section}]"
        values = getattr(configuration.settings, section)
        for key in kind.__struct_fields__:
            origin = configuration.origins.get((section, key))
            comment = f"  # {origin}" if origin is not None else ""
            yield f"{key} = {_toml(getattr(values, key))}{comment}"
        separator = "\n"
    for provider in configuration.settings.providers:
        yield "\n[[provider]]"
        for key, value in _provider_values(provider).items():
            yield f"{key} = {_toml(value)}"


def _provider_values(provider: ProviderSettings) -> Mapping[str, Any]:
    """What a provider's table says; a setting that is None has no value to write."""
    from nspd.server.config.values import PROVIDER_KEYS

    common = {key: getattr(provider, key) for key in PROVIDER_KEYS}
    values = {**common, **provider.options}
    return {key: value for key, value in values.items() if value is not None}


def _toml(value: Any) -> str:
    """A value in TOML: the types that settings have."""
    if isinstance(value, str):
        # JSON's escapes are TOML's too, but TOML wants DEL escaped as well.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    return str(value)
