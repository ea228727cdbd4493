"""``nspctl monitor``: events of the daemon as they happen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from nspd.cli._mappings import as_mapping, member_text
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._text import printable


@click.command("monitor", cls=Verb)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N events.")
@pass_settings
def command(settings: Settings, limit: int | None) -> None:
    """Show events of the daemon as they happen, until Ctrl-C.

    With --json each event is one JSON object on a line of its own.
    """
    output = settings.output
    with settings.connect() as client, client.monitor() as events:
        for count, event in enumerate(events, start=1):
            members = as_mapping(event)
            if output.for_people:
                output.line(_line(members), flush=True)
            else:
                output.value(members, flush=True)
            if count == limit:
                return


def _line(event: Mapping[str, Any]) -> str:
    members = {name: value for name, value in event.items() if value is not None}
    clock = time.strftime("%H:%M:%S", time.localtime(members.pop("time")))
    kind = members.pop("event").replace("_", " ")
    rest = " ".join(f"{name}={member_text(name, value)}" for name, value in members.items())
    return printable(f"{clock} {kind:16} {rest}".rstrip())
