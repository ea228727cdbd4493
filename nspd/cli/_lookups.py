"""A lookup as verbs do it: each record is shown as it comes, and the end decides how to exit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from nspd.cli._exits import Exit
from nspd.cli._options import Settings
from nspd.cli._output import Output
from nspd.cli._params import provider_guid
from nspd.cli._records import RecordWriter
from nspd.cli._report import (
    VERDICT_HEADS,
    answered_by,
    incomplete,
    plain_verdicts,
    verdict_rows,
)
from nspd.cli._text import counted, duration
from nspd.cli._wanted import NO_NAME, Wanted
from nspd.model.errors import NoMoreResults, WSAError
from nspd.model.queryset import QuerySet

if TYPE_CHECKING:
    from nspd.client.sync import Lookup

GRACE = 1.0
"""Seconds that the daemon gets beyond ``--timeout``, to say what came of the lookup by then."""


def look_up(
    settings: Settings,
    what: Wanted,
    *,
    watch: bool = False,
    strict: bool = False,
    verbose: bool = False,
    brief: bool = False,
) -> Exit:
    """Do a lookup and show each record as it comes.

    Args:
        settings: of this run of nspctl.
        what: is looked up.
        watch: go on with changes after the records there are.
        strict: count an answer as partial if a provider's part may be missing.
        verbose: show what became of each provider.
        brief: leave out of the records what only programs can use.
    """
    name = what.restrictions.service_instance_name or ""
    settings.subject = name
    output = settings.output
    try:
        with settings.connect(grace=GRACE) as client:
            started = perf_counter()
            with client.lookup(
                restrictions=what.restrictions,
                control_flags=what.control_flags,
                provider_id=provider_guid(client, what.provider),
                policy=what.policy,
                watch=watch,
                timeout=settings.timeout,
            ) as lookup:
                count, verdicts = _deliver(
                    lookup,
                    shower(output, name or NO_NAME, at_once=watch, brief=brief),
                    what.limit,
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


def shower(
    output: Output, name: str, *, at_once: bool = False, brief: bool = False
) -> Callable[[QuerySet], None]:
    """What shows a record: as lines for people, as one JSON object for programs.

    Args:
        output: where to.
        name: stands for records that carry none.
        at_once: do not keep a record back until there are more.
        brief: leave out what only programs can use.
    """
    if not output.for_people:
        return lambda record: output.value(record, flush=at_once)
    writer = RecordWriter(output, name, brief=brief)
    if not at_once:
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
