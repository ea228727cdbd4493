"""``nspctl query``: look up a name and show each record as it comes."""

from __future__ import annotations

from typing import Any

import click

from nspd.cli._exits import Exit
from nspd.cli._lookups import look_up
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._wanted import ASKED, NAME, SHOWN, options, wanted


@click.command("query", cls=Verb)
@options(NAME, *ASKED)
@click.option("--watch", is_flag=True, help="Go on after the records there are, with changes.")
@options(*SHOWN)
@pass_settings
def command(
    settings: Settings,
    /,
    *,
    name: str | None,
    watch: bool,
    strict: bool,
    verbose: bool,
    **asked: Any,
) -> Exit:
    """Look up NAME and show each record as it comes.

    Without NAME the other options must say what is asked for: a provider that
    can list its names gives all of them; with --flags return_preferred_names
    it gives those that it would publish, such as your own mail addresses.

    With --json each record is one JSON object on a line of its own, in the
    shape of the protocol's query sets.
    """
    if watch and asked["policy"] == "first":
        raise click.UsageError("--watch cannot be combined with --policy=first")
    return look_up(settings, wanted(name, **asked), watch=watch, strict=strict, verbose=verbose)
