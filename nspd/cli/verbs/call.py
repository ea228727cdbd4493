"""``nspctl call``: any method of the protocol, as it is."""

from __future__ import annotations

import sys
from typing import Any

import click
import msgspec

from nspd.cli._options import Settings, Verb, pass_settings


def _params(text: str) -> dict[str, Any]:
    given = sys.stdin.read() if text == "-" else text
    try:
        return msgspec.json.decode(given, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"not a JSON object: {error}.") from None


@click.command("call", cls=Verb)
@click.argument("method")
@click.argument("params", metavar="[JSON]", type=_params, default="{}")
@pass_settings
def command(settings: Settings, method: str, params: dict[str, Any]) -> None:
    """Call METHOD with the members of a JSON object, and show the result as JSON.

    "-" reads the object from standard input.

    Examples: nspctl call nspd.Status;
    nspctl call nspd.Lookup '{"restrictions": {"service_instance_name": "localhost"}}'
    """
    output = settings.output
    with settings.connect() as client:
        result = client.call(method, params)
    if output.for_people:
        output.json = "pretty"
    output.value(result)
