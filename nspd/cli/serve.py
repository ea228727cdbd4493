"""``nspd serve``: run the daemon."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import click

from nspd.cli._configuration import config_option, load_or_exit
from nspd.server.settings import Backend, LogLevel, Settings


@click.command()
@config_option
@click.option("--socket", metavar="PATH", help="Listen here.")
@click.option("--backend", type=click.Choice(get_args(Backend)), help="The event loop.")
@click.option("--state-dir", metavar="DIR", help="Keep registrations here.")
@click.option("--log-level", type=click.Choice(get_args(LogLevel)), help="Log this and worse.")
def serve(
    config: Path | None,
    socket: str | None,
    backend: str | None,
    state_dir: str | None,
    log_level: str | None,
) -> None:
    """Run the daemon in the foreground until SIGINT or SIGTERM.

    \b
    Exit status: 0 stopped, 69 unavailable, 75 another daemon has the socket,
    78 the configuration is wrong.
    """
    given = {
        ("daemon", "socket"): socket,
        ("daemon", "backend"): backend,
        ("daemon", "state_dir"): state_dir,
        ("log", "level"): log_level,
    }
    options = {setting: text for setting, text in given.items() if text is not None}
    configuration = load_or_exit(config, options)

    from nspd.model.errors import InvalidArgument
    from nspd.server import daemon, logs
    from nspd.server.config import ConfigError, load

    def load_again() -> Settings:
        # What asks for a reload may be a client, and is answered in the protocol's terms.
        try:
            return load(config, options).settings
        except ConfigError as error:
            raise InvalidArgument(str(error)) from error

    logs.configure(configuration.settings.log)
    for warning in configuration.warnings:
        logs.get_logger().warning(warning)
    sys.exit(daemon.main(configuration.settings, load=load_again))
