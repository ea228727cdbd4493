"""``nspctl reload``: have the daemon read its configuration again."""

from __future__ import annotations

import click

from nspd.cli._options import Settings, Verb, pass_settings


@click.command("reload", cls=Verb)
@pass_settings
def command(settings: Settings) -> None:
    """Have the daemon read its configuration again; if it is wrong, what runs stays."""
    with settings.connect() as client:
        client.reload()
    settings.output.done("configuration reloaded", None)
