"""``nspctl register``: put a name and its addresses into a namespace."""

from __future__ import annotations

from typing import BinaryIO

import click

from nspd.cli._addresses import ParsedAddress, entries
from nspd.cli._options import Settings, Verb, pass_settings, seconds_param
from nspd.cli._registration import change, object_options
from nspd.model.flags import ServiceOperation
from nspd.model.queryset import QuerySet, Version


@click.command("register", cls=Verb)
@click.argument("name")
@object_options
@click.option("--comment", metavar="TEXT", help="A line about the service.")
@click.option(
    "--version", type=click.IntRange(0, 2**32 - 1), metavar="N", help="The service's version."
)
@click.option("--query-string", metavar="TEXT", help="Text that the record carries.")
@click.option("--blob", type=click.File("rb"), metavar="FILE", help="Bytes the record carries.")
@click.option(
    "--multiple", is_flag=True, help="Add to the addresses there are, instead of replacing all."
)
@click.option("--ttl", type=seconds_param, metavar="SECONDS", help="Lapse unless registered again.")
@click.option("--session", is_flag=True, help="Keep running, and the name only for so long.")
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
    comment: str | None,
    version: int | None,
    query_string: str | None,
    blob: BinaryIO | None,
    multiple: bool,
    ttl: float | None,
    session: bool,
) -> None:
    """Register NAME with its addresses.

    A name that you registered before is replaced, with all its addresses;
    --multiple adds to them. The name stays until it is deleted, also when
    nspctl has ended; with --session it is gone as soon as nspctl ends.

    Example: nspctl register printer --address tcp:192.0.2.7:9100
    """
    content = blob.read() if blob is not None else None
    registration = QuerySet(
        service_instance_name=name,
        namespace=namespace,
        addresses=entries(address, bind),
        comment=comment,
        version=None if version is None else Version(version, "equal"),
        context=context,
        query_string=query_string,
        blob=content,
    )
    if not (address or bind or comment or query_string or content):
        raise click.UsageError("Give at least one --address, such as tcp:192.0.2.7:9100.")
    with settings.connect() as client:
        change(
            settings,
            client,
            registration,
            ServiceOperation.REGISTER,
            multiple=multiple,
            machine=machine,
            provider=provider,
            lifetime="session" if session else "permanent",
            ttl=ttl,
        )
        if session:
            settings.output.note("the name stays until this command ends (Ctrl-C)")
            settings.output.flush()
            while True:
                # Nothing else tells that the daemon has gone, and the name with it.
                client.wait_config_change()
