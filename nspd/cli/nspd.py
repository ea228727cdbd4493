"""The command ``nspd``: the daemon and what belongs to it."""

from __future__ import annotations

from importlib.util import find_spec

import click

from nspd import __version__
from nspd.cli._lazy import LazyGroup

VERBS = {
    "serve": ("nspd.cli.serve:serve", "Run the daemon in the foreground."),
    "check": ("nspd.cli.check:check", "Validate a configuration."),
    "demo": ("nspd.cli.demo:demo", "Show lookups and cancellations on a daemon of its own."),
}


def _show_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        core = find_spec("nspd.core.lookup")
        is_compiled = core is not None and not str(core.origin).endswith(".py")
        click.echo(f"nspd, version {__version__}{', compiled' if is_compiled else ''}")
        context.exit()


@click.group(cls=LazyGroup, lazy=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def main() -> None:
    """A name service daemon whose lookups can be cancelled.

    \b
    Exit status: 0 done, 1 failure, 2 usage, 69 unavailable,
    75 another daemon has the socket, 78 the configuration is wrong.
    """


if __name__ == "__main__":
    main(prog_name="nspd")
