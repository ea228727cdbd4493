"""``nspctl lookups``: what is being looked up at this moment."""

from __future__ import annotations

import click

from nspd.cli._mappings import as_mappings, show_mappings
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.model.namespaces import namespace_name

_COLUMNS = (
    "lookup",
    "name",
    "namespace",
    "state",
    "age",
    "waiting",
    "ready",
    "delivered",
    "uid",
    "pid",
    "client",
    "query_string",
)


@click.command("lookups", cls=Verb)
@pass_settings
def command(settings: Settings) -> None:
    """List open lookups: your own, or everyone's for an administrator.

    "nspctl cancel LOOKUP" ends one of them.
    """
    with settings.connect() as client:
        lookups = as_mappings(client.lookups())
    if settings.output.for_people:
        for lookup in lookups:
            lookup["namespace"] = namespace_name(lookup["namespace"])
    show_mappings(settings.output, lookups, _COLUMNS, "no open lookups")
