"""``nspctl show-cache``: what the providers have cached."""

from __future__ import annotations

import click

from nspd.cli._exits import Exit
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._text import duration


@click.command("show-cache", cls=Verb)
@click.argument("name", required=False)
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=10_000),
    metavar="N",
    default=1_000,
    show_default=True,
    help="Stop after N answers.",
)
@pass_settings
def command(settings: Settings, name: str | None, limit: int) -> Exit:
    """Show what the providers have cached: all of it, or what was asked for by NAME.

    A cache tells what others look up, so this is for administrators. What is
    marked stale is kept for the case that nothing newer can be had. With
    --json each answer is one JSON object on a line of its own.
    """
    settings.subject = name
    output = settings.output
    with settings.connect() as client:
        found = client.show_cache(name, limit)
    if output.for_people:
        rows = [
            (
                entry.name,
                entry.type,
                _WHAT.get(entry.kind, entry.kind),
                duration(entry.ttl) if entry.ttl >= 0 else "stale",
                entry.identifier,
                "; ".join(entry.records),
            )
            for entry in found.entries
        ]
        output.table(("NAME", "TYPE", "FOUND", "TTL", "PROVIDER", "RECORDS"), rows)
    else:
        for entry in found.entries:
            output.value(entry)
    if not found.entries:
        output.note("nothing is cached" if name is None else f'nothing is cached for "{name}"')
    elif not found.complete:
        output.note(f"there is more: only {len(found.entries)} are shown (--limit)")
    return Exit.DONE


_WHAT = {"answer": "records", "nodata": "no data", "nxdomain": "no such name"}
