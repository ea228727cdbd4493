"""``nspctl service``: where a service of a domain is to be reached."""

from __future__ import annotations

from typing import Any

import click

from nspd.cli._exits import Exit
from nspd.cli._lookups import look_up
from nspd.cli._options import Settings, Verb, pass_settings
from nspd.cli._wanted import NAMESPACE, SHOWN, WHOM, options, wanted


def service_param(text: str) -> str:
    """A click parameter: ``imaps/tcp``, ``imaps`` (then over TCP) or ``_imaps._tcp``."""
    service, slash, protocol = text.lower().partition("/")
    if not slash and text.startswith("_"):
        service, _, protocol = service.partition(".")
    if not slash and not protocol:
        protocol = "tcp"
    parts = [part.removeprefix("_") for part in (service, protocol)]
    for part in parts:
        if not part or not part.replace("-", "").isalnum() or not part.isascii():
            raise click.BadParameter(
                f"{text!r} is no service: use a name and a protocol such as imaps/tcp."
            )
    return "/".join(parts)


@click.command("service", cls=Verb)
@click.argument("name")
@click.argument("service", metavar="TYPE", type=service_param)
@options(NAMESPACE, *WHOM, *SHOWN)
@pass_settings
def command(
    settings: Settings, /, *, name: str, service: str, strict: bool, verbose: bool, **asked: Any
) -> Exit:
    """Show where the service TYPE of the domain NAME is to be reached.

    TYPE is the service and its protocol: "imaps/tcp"; "imaps" means TCP. In
    the DNS these are SRV records, and the hosts come in the order in which
    they are to be tried.
    """
    what = wanted(name, query_string=service, **asked)
    return look_up(settings, what, strict=strict, verbose=verbose, brief=True)
