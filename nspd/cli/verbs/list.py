"""``nspctl list``: what is registered, as a table."""

from __future__ import annotations

import click

from nspd.cli._exits import Exit
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._params import complete_namespace, namespace_param, provider_guid
from nspd.cli._records import list_rows
from nspd.model.errors import WSANO_DATA, WSASERVICE_NOT_FOUND, WSAError
from nspd.model.flags import LookupFlags, ResultFlags
from nspd.model.namespaces import namespace_name
from nspd.model.queryset import QuerySet

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
    except WSAError as error:
        if pattern != _EVERYTHING or error.code not in (WSASERVICE_NOT_FOUND, WSANO_DATA):
            raise
        settings.output.note(f"no names in {namespace_name(namespace)}")
    return Exit.DONE


def _list(
    settings: Settings, pattern: str, namespace: int, provider: str | None, limit: int | None
) -> None:
    output = settings.output
    rows: list[tuple[str, str, str, str]] = []
    count = 0
    with (
        settings.connect() as client,
        client.lookup(
            restrictions=QuerySet(service_instance_name=pattern, namespace=namespace),
            control_flags=LookupFlags.RETURN_ALL & ~LookupFlags.RETURN_ALIASES,
            provider_id=provider_guid(client, provider),
            timeout=settings.timeout,
        ) as lookup,
    ):
        for record in lookup:
            if (record.output_flags or 0) & ResultFlags.ALIAS:
                continue
            if output.for_people:
                rows.extend(list_rows(record))
            else:
                output.value(record)
            count += 1
            if count == limit:
                break
    if output.for_people:
        output.table(("NAME", "ADDRESS", "VERSION", "COMMENT"), rows)
