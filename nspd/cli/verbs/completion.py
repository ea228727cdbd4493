"""``nspctl completion``: what a shell needs to complete nspctl's words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from nspd.cli._options import Settings, Verb, pass_settings


@click.command("completion", cls=Verb)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
@pass_settings
def command(settings: Settings, ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    For bash: nspctl completion bash > ~/.local/share/bash-completion/completions/nspctl
    """
    made_by = get_completion_class(shell)
    if made_by is None:
        raise click.UsageError(f"there is no completion for {shell}")
    script = made_by(ctx.find_root().command, {}, "nspctl", "_NSPCTL_COMPLETE")
    settings.output.line(script.source().strip())
