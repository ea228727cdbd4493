"""``nspctl query``: look up a name and show each record as it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from nspd.cli._exits import Exit
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._output import Output
from nspd.cli._params import (
    complete_flags,
    complete_namespace,
    flags_param,
    namespace_param,
    provider_guid,
)
from nspd.cli._records import RecordWriter
from nspd.cli._report import (
    VERDICT_HEADS,
    answered_by,
    incomplete,
    plain_verdicts,
    verdict_rows,
)
from nspd.cli._text import counted, duration
from nspd.model.errors import NoMoreResults, WSAError
from nspd.model.queryset import QuerySet

if TYPE_CHECKING:
    from nspd.client.sync import Lookup
    from nspd.wire.params import Policy

_GRACE = 1.0


@click.command("query", cls=Verb)
@click.argument("name")
@click.option(
    "--namespace",
    "-n",
    type=namespace_param,
    metavar="NAME|N",
    shell_complete=complete_namespace,
    help="Ask this namespace only.",
)
@click.option("--provider", metavar="GUID|NAME", help="Ask this provider only.")
@click.option(
    "--policy",
    type=click.Choice(["all", "first"]),
    default="all",
    show_default=True,
    help="Ask all providers at once, or one after the other until one has answered.",
)
@click.option("--query-string", metavar="TEXT", help="What the provider is told beside the name.")
@click.option("--context", metavar="TEXT", help="Where in the namespace to begin.")
@click.option(
    "--flags",
    type=flags_param,
    metavar="FLAGS",
    shell_complete=complete_flags,
    default="return_all",
    show_default=True,
    help="LUP_* flags: a number, or names such as return_addr,flushcache.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N records.")
@click.option("--watch", is_flag=True, help="Go on after the records there are, with changes.")
@click.option("--strict", is_flag=True, help="Exit 8 if a provider's part may be missing.")
@click.option("--verbose", "-v", is_flag=True, help="Show what became of each provider asked.")
@pass_settings
def command(
    settings: Settings,
    *,
    name: str,
    namespace: int | None,
    provider: str | None,
    policy: Policy,
    query_string: str | None,
    context: str | None,
    flags: int,
    limit: int | None,
    watch: bool,
    strict: bool,
    verbose: bool,
) -> Exit:
    """Look up NAME and show each record as it comes.

    With --json each record is one JSON object on a line of its own, in the
    shape of the protocol's query sets.
    """
    if watch and policy == "first":
        raise click.UsageError("--watch cannot be combined with --policy=first")
    settings.subject = name
    output = settings.output
    restrictions = QuerySet(
        service_instance_name=name,
        namespace=namespace,
        query_string=query_string,
        context=context,
    )
    try:
        with settings.connect(grace=_GRACE) as client:
            started = perf_counter()
            with client.lookup(
                restrictions=restrictions,
                control_flags=flags,
                provider_id=provider_guid(client, provider),
                policy=policy,
                watch=watch,
                timeout=settings.timeout,
            ) as lookup:
                count, verdicts = _deliver(
                    lookup,
                    _shower(settings, name, watch),
                    limit,
                    partial(_tell_synced, output) if watch else None,
                )
            elapsed = perf_counter() - started
    except WSAError as error:
        if verbose and output.for_people:
            rows = verdict_rows(plain_verdicts(error.verdicts))
            output.error_table(VERDICT_HEADS, rows)
        raise
    _summary(settings, count, verdicts, elapsed, verbose)
    return _status(settings, verdicts, strict)


def _shower(settings: Settings, name: str, watch: bool) -> Callable[[QuerySet], None]:
    output = settings.output
    if not output.for_people:
        return lambda record: output.value(record, flush=watch)
    writer = RecordWriter(output, name)
    if not watch:
        return writer.write

    def write_at_once(record: QuerySet) -> None:
        writer.write(record)
        output.flush()

    return write_at_once


def _deliver(
    lookup: Lookup,
    show: Callable[[QuerySet], None],
    limit: int | None,
    synced: Callable[[int], None] | None,
) -> tuple[int, list[dict[str, Any]]]:
    """Show the records until the end or the limit.

    Args:
        lookup: a lookup that has begun.
        show: shows one record.
        limit: how many records at most; None: all.
        synced: told the number of records where the existing set of a watch ends; None: no watch.

    Returns:
        How many records there were, and the verdicts if the end was seen.
    """
    count = 0
    while limit is None or count < limit:
        try:
            record = lookup.next()
        except NoMoreResults as end:
            if synced is None:
                return count, plain_verdicts(end.verdicts)
            synced(count)
            synced = None
        else:
            count += 1
            show(record)
    return count, []


def _tell_synced(output: Output, count: int) -> None:
    output.aside(f"-- {counted(count, 'record')}; watching for changes")
    output.flush()


def _summary(
    settings: Settings,
    count: int,
    verdicts: Sequence[dict[str, Any]],
    elapsed: float,
    verbose: bool,
) -> None:
    output = settings.output
    if not output.for_people:
        if verbose:
            output.value({"verdicts": verdicts, "elapsed": elapsed})
        return
    told = answered_by(verdicts) or counted(count, "record")
    output.aside(f"-- {told}; {duration(elapsed)} in all")
    if verbose:
        output.table(VERDICT_HEADS, verdict_rows(verdicts))


def _status(settings: Settings, verdicts: Sequence[dict[str, Any]], strict: bool) -> Exit:
    missing = incomplete(verdicts)
    if not missing:
        return Exit.DONE
    text = f"the answer may be incomplete: {', '.join(missing)}"
    if strict:
        settings.output.error(text, {"name": "partial", "detail": text, "verdicts": verdicts})
        return Exit.PARTIAL
    settings.output.note(text, verdicts=verdicts)
    return Exit.DONE
