"""``nspctl deregister``: withdraw a name, which stays known."""

from __future__ import annotations

import click

from nspd.cli._addresses import ParsedAddress, entries
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._registration import change, object_options
from nspd.model.flags import ServiceOperation
from nspd.model.queryset import QuerySet


@click.command("deregister", cls=Verb)
@click.argument("name")
@object_options
@pass_settings
def command(
    settings: Settings,
    *,
    name: str,
    address: tuple[ParsedAddress, ...],
    bind: tuple[ParsedAddress, ...],
    namespace: int,
    provider: str | None,
    context: str | None,
    machine: bool,
) -> None:
    """Withdraw the addresses of NAME; the name itself stays, without addresses.

    With --address only those are withdrawn; an address counts as the same only
    if it is given exactly as it was registered.
    """
    addresses = entries(address, bind)
    registration = QuerySet(
        service_instance_name=name,
        namespace=namespace,
        addresses=addresses or None,
        context=context,
    )
    with settings.connect() as client:
        change(
            settings,
            client,
            registration,
            ServiceOperation.DEREGISTER,
            multiple=bool(addresses),
            machine=machine,
            provider=provider,
        )
