"""``nspctl statistics``: what the daemon has counted since it started."""

from __future__ import annotations

import click

from nspd.cli._mappings import as_mapping, show_mapping, show_mappings
from nspd.cli._options import Settings, Verb, pass_settings

_COLUMNS = ("identifier", "lookups", "records", "elapsed", "running", "detached", "outcomes")


@click.command("statistics", cls=Verb)
@pass_settings
def command(settings: Settings) -> None:
    """Show what the daemon has counted since it started."""
    with settings.connect() as client:
        statistics = as_mapping(client.statistics())
    if not settings.output.for_people:
        settings.output.value(statistics)
        return
    show_mapping(settings.output, {"uptime": statistics["uptime"], **statistics["counters"]})
    if not settings.output.quiet:
        settings.output.line()
    show_mappings(settings.output, statistics["providers"], _COLUMNS, "no providers")
