"""``nspctl cancel``: end a lookup from outside."""

from __future__ import annotations

import click

from nspd.cli._exits import Exit
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._text import counted


@click.command("cancel", cls=Verb)
@click.argument("lookup", type=click.IntRange(min=0))
@pass_settings
def command(settings: Settings, lookup: int) -> Exit:
    """End LOOKUP, as its own client could: "nspctl lookups" shows the numbers.

    Every call that waits on it is answered WSA_E_CANCELLED at once. What is
    told about the work: "none" was left to stop, it "stopped", or it was
    "detached" and still goes on for a while.
    """
    settings.subject = str(lookup)
    with settings.connect() as client:
        ending = client.end_lookup(lookup)
    settings.output.done(
        f"ended lookup {lookup}: {counted(ending.cancelled, 'call')} cancelled, work {ending.work}",
        {"lookup": lookup, "cancelled": ending.cancelled, "work": ending.work},
    )
    return Exit.DONE
