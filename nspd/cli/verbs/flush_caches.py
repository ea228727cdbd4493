"""``nspctl flush-caches``: forget what the providers have cached."""

from __future__ import annotations

import click

from nspd.cli._options import Settings, Verb, pass_settings


@click.command("flush-caches", cls=Verb)
@pass_settings
def command(settings: Settings) -> None:
    """Have the providers forget what they have cached."""
    with settings.connect() as client:
        client.flush_caches()
    settings.output.done("caches flushed", None)
