"""``nspctl list``: what is registered, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

import click

from nspd.cli._exits import Exit
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._params import complete_namespace, namespace_param, provider_guid
from nspd.cli._records import list_rows
from nspd.model.errors import NoData, ServiceNotFound, WSAError
from nspd.model.flags import LookupFlags
from nspd.model.namespaces import Namespace, namespace_name
from nspd.model.queryset import QuerySet

if TYPE_CHECKING:
    from nspd import Client

_EVERYTHING = "*"


@click.command("list", cls=Verb)
@click.argument("pattern", default=_EVERYTHING)
@click.option(
    "--namespace",
    "-n",
    type=namespace_param,
    metavar="NAME|N",
    shell_complete=complete_namespace,
    default="registry",
    show_default=True,
    help="The namespace to list.",
)
@click.option("--provider", metavar="GUID|NAME", help="List this provider only.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N names.")
@pass_settings
def command(
    settings: Settings, pattern: str, namespace: int, provider: str | None, limit: int | None
) -> Exit:
    """List the names that match PATTERN ("*" and "?" are wildcards), by default all.

    Your own names and the machine's are listed. With --json each is one JSON
    object on a line of its own.
    """
    settings.subject = pattern
    try:
        _list(settings, pattern, namespace, provider, limit)
    except (ServiceNotFound, NoData):
        if pattern != _EVERYTHING:
            raise
        settings.output.note(f"no names in {namespace_name(namespace)}")
    return Exit.DONE


def _list(
    settings: Settings, pattern: str, namespace: int, provider: str | None, limit: int | None
) -> None:
    output = settings.output
    rows: list[tuple[str, str, str, str]] = []
    with settings.connect() as client:
        records = _records(
            client,
            QuerySet(service_instance_name=pattern, namespace=namespace),
            provider_guid(client, provider),
            settings.timeout,
        )
        with closing(records):
            for record in islice(records, limit):
                if output.for_people:
                    rows.extend(list_rows(record))
                else:
                    output.value(record)
    output.table(("NAME", "ADDRESS", "VERSION", "COMMENT"), rows)


def _records(
    client: Client, restrictions: QuerySet, provider_id: str | None, timeout: float | None
) -> Generator[QuerySet]:
    """The records with addresses, then those of names that have been deregistered.

    A lookup that asks for addresses leaves out the names that have none, so a
    registry is asked twice.
    """
    shown: Counter[str | None] = Counter()
    everything = LookupFlags.RETURN_ALL & ~LookupFlags.RETURN_ALIASES
    asked_for = [everything]
    if restrictions.namespace == Namespace.REGISTRY:
        asked_for.append(everything & ~LookupFlags.RETURN_ADDR)
    nothing: WSAError | None = None
    for flags in asked_for:
        with client.lookup(
            restrictions=restrictions,
            control_flags=flags,
            provider_id=provider_id,
            timeout=timeout,
        ) as lookup:
            try:
                for record in lookup:
                    name = record.service_instance_name
                    if flags & LookupFlags.RETURN_ADDR:
                        shown[name] += 1
                        yield record
                    elif shown[name]:
                        shown[name] -= 1
                    else:
                        shown[name] = 0
                        yield record
            except (ServiceNotFound, NoData) as error:
                nothing = error
    if nothing is not None and not shown:
        raise nothing
