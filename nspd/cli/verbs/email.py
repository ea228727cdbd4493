"""``nspctl email``: the mail services of an address."""

from __future__ import annotations

from typing import Any

import click

from nspd.cli._exits import Exit
from nspd.cli._lookups import look_up
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._wanted import SHOWN, WHOM, options, wanted
from nspd.model.namespaces import Namespace


def _address(_ctx: click.Context, _param: click.Parameter, text: str) -> str:
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise click.BadParameter(f"{text!r} is no mail address: it has the form user@domain.")
    return text


@click.command("email", cls=Verb)
@click.argument("address", callback=_address)
@click.option(
    "--all",
    "-a",
    "everybody",
    is_flag=True,
    help="Ask all providers of the namespace, those without authority as well.",
)
@options(*WHOM, *SHOWN)
@pass_settings
def command(
    settings: Settings,
    /,
    *,
    address: str,
    everybody: bool,
    strict: bool,
    verbose: bool,
    **asked: Any,
) -> Exit:
    """Show what is registered for ADDRESS, and the mail services of its domain.

    Behind each host stand the service that it offers and where that is known
    from: "registered", or "dns".
    """
    what = wanted(address, namespace=int(Namespace.EMAIL), non_authoritative=everybody, **asked)
    return look_up(settings, what, strict=strict, verbose=verbose, brief=True)
