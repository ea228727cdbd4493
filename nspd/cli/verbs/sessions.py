"""``nspctl sessions``: who is connected to the daemon."""

from __future__ import annotations

import click

from nspd.cli._mappings import as_mappings, show_mappings
from nspd.cli._options import Settings, Verb, pass_settings

_COLUMNS = (
    "session",
    "client",
    "uid",
    "pid",
    "age",
    "lookups",
    "waiting_calls",
    "bytes_unsent",
    "rundown",
)


@click.command("sessions", cls=Verb)
@pass_settings
def command(settings: Settings) -> None:
    """List client sessions: your own, or everyone's for an administrator."""
    with settings.connect() as client:
        sessions = as_mappings(client.sessions())
    show_mappings(settings.output, sessions, _COLUMNS, "no sessions")
