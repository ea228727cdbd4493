"""The command ``nspd``: the daemon and what belongs to it."""

from __future__ import annotations

import click

from nspd import __version__
from nspd.cli._lazy import LazyGroup

VERBS = {
    "serve": ("nspd.cli.serve:serve", "Run the daemon in the foreground."),
    "check": ("nspd.cli.check:check", "Validate a configuration."),
    "demo": ("nspd.cli.demo:demo", "Show lookups and cancellations on a daemon of its own."),
}


@click.group(cls=LazyGroup, lazy=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nspd")
def main() -> None:
    """A name service daemon whose lookups can be cancelled.

    \b
    Exit status: 0 done, 1 failure, 2 usage, 69 unavailable,
    75 another daemon has the socket, 78 the configuration is wrong.
    """


if __name__ == "__main__":
    main(prog_name="nspd")
