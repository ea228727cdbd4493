"""``nspctl status``: the daemon, and how much it holds."""

from __future__ import annotations

import click

from nspd.cli._mappings import as_mapping, show_mapping
from nspd.cli._options import Settings, Verb, pass_settings


@click.command("status", cls=Verb)
@pass_settings
def command(settings: Settings) -> None:
    """Show the daemon's version, process and uptime, and what it holds at this moment."""
    with settings.connect() as client:
        status = as_mapping(client.status())
    show_mapping(settings.output, status)
