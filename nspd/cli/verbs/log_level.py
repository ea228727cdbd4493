"""``nspctl log-level``: change how much the daemon logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nspd.cli._options import Settings, Verb, pass_settings

if TYPE_CHECKING:
    from nspd.wire.params import LogLevel

_LEVELS = ("debug", "info", "warning", "error", "critical")


@click.command("log-level", cls=Verb)
@click.argument("level", type=click.Choice(_LEVELS))
@pass_settings
def command(settings: Settings, level: LogLevel) -> None:
    """Have the daemon log from LEVEL upwards, until it reloads or starts again."""
    with settings.connect() as client:
        client.set_log_level(level)
    settings.output.done(f"logging from {level} upwards", None)
