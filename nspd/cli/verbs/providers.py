"""``nspctl providers``: the catalog, and changes to it."""

from __future__ import annotations

import click

from nspd.cli._mappings import as_mappings, show_mappings
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._params import provider_guid
from nspd.model.namespaces import namespace_name

_COLUMNS = (
    "identifier",
    "kind",
    "namespace",
    "active",
    "watch",
    "registers",
    "version",
    "provider_id",
)


@click.command("providers", cls=Verb)
@click.option("--enable", metavar="GUID|NAME", help="Let this provider be asked again.")
@click.option("--disable", metavar="GUID|NAME", help="Ask this provider no more.")
@click.option(
    "--order", metavar="GUID|NAME,...", help="Put the catalog into this order; name every one."
)
@pass_settings
def command(settings: Settings, enable: str | None, disable: str | None, order: str | None) -> None:
    """Show the providers in catalog order, inactive ones too.

    Administrators may first change the catalog; the change holds until the
    daemon reloads its configuration or starts again.
    """
    with settings.connect() as client:
        for text, active in ((disable, False), (enable, True)):
            guid = provider_guid(client, text)
            if guid is not None:
                client.enable_provider(guid, active)
        if order is not None:
            wanted = [provider_guid(client, text.strip()) for text in order.split(",")]
            client.write_order([guid for guid in wanted if guid is not None])
        providers = as_mappings(client.providers())
    if settings.output.for_people:
        for provider in providers:
            provider["namespace"] = namespace_name(provider["namespace"])
    show_mappings(settings.output, providers, _COLUMNS, "no providers")
