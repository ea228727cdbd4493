"""Loading the configuration for a verb of ``nspd``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nspd.server.config import Configuration

EX_CONFIG = 78
"""The exit status for a configuration that is wrong (sysexits.h)."""

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read this file alone, instead of those in the usual places.",
)


def load_or_exit(
    config: Path | None, options: Mapping[tuple[str, str], str] | None = None
) -> Configuration:
    """The configuration in force; one that is wrong is explained, and ends the process.

    Raises:
        SystemExit: with `EX_CONFIG`, after a line on standard error for each problem.
    """
    from nspd.server.config import ConfigError, load

    try:
        return load(config, options)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(EX_CONFIG)
