"""The command nspctl: one verb for each thing that a running daemon can be asked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from nspd import __version__
from nspd.cli._exits import Exit, exit_of
from nspd.cli._lazy import LazyGroup
from nspd.cli._options import Settings, asks_for_json, common_options
from nspd.cli._output import Output
from nspd.model.errors import WSAError

_VERBS = {
    "query": ("query:command", "Look up a name."),
    "service": ("service:command", "Show where a service of a domain is."),
    "email": ("email:command", "Show the mail services of an address."),
    "explain": ("explain:command", "Look up a name and tell how the answer came about."),
    "register": ("register:command", "Register a name with its addresses."),
    "deregister": ("deregister:command", "Withdraw a name's addresses; the name stays."),
    "delete": ("delete:command", "Delete a name, or some of its addresses."),
    "list": ("list:command", "List registrations."),
    "status": ("status:command", "Show the daemon and what it holds."),
    "statistics": ("statistics:command", "Show the daemon's counters."),
    "providers": ("providers:command", "Show the providers; enable, disable, reorder them."),
    "sessions": ("sessions:command", "List client sessions."),
    "lookups": ("lookups:command", "List open lookups."),
    "cancel": ("cancel:command", "End a lookup, whoever began it."),
    "monitor": ("monitor:command", "Show what happens in the daemon, as it happens."),
    "race": ("race:race", "Cancel many lookups in flight and check every reply."),
    "flush-caches": ("flush_caches:command", "Forget what the providers have cached."),
    "show-cache": ("show_cache:command", "Show what the providers have cached."),
    "reload": ("reload:command", "Have the daemon read its configuration again."),
    "log-level": ("log_level:command", "Change how much the daemon logs."),
    "call": ("call:command", "Call a method of the protocol and show its result."),
    "completion": ("completion:command", "Print the completion script of a shell."),
}


class _Nspctl(LazyGroup):
    """The group: it turns every way to fail into the right exit status and message."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **extra: Any) -> Any:
        arguments = list(sys.argv[1:] if args is None else args)
        settings = extra.setdefault("obj", Settings())
        extra.setdefault("prog_name", "nspctl")
        extra["standalone_mode"] = False
        status = Exit.FAILURE
        try:
            try:
                status = super().main(arguments, *more, **extra) or Exit.DONE
            except click.ClickException as error:
                status = _usage(error, Output(asks_for_json(arguments)))
            except click.Abort:
                status = Exit.INTERRUPTED
            except WSAError as error:
                status = _failed(error, settings)
            settings.output.flush()
        except BrokenPipeError:
            settings.output.abandon()
            status = Exit.FAILURE
        sys.exit(int(status))


def _usage(error: click.ClickException, output: Output) -> Exit:
    if output.for_people:
        error.show()
    else:
        output.error("", {"name": "usage", "detail": error.format_message()})
    return Exit(error.exit_code)


def _failed(error: WSAError, settings: Settings) -> Exit:
    from nspd.cli._report import error_data, sentence

    settings.output.error(sentence(error, settings.subject), error_data(error))
    return exit_of(error.code)


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"nspctl {__version__}")
        ctx.exit()


main = _Nspctl(
    name="nspctl",
    lazy={name: (f"nspd.cli.verbs.{home}", text) for name, (home, text) in _VERBS.items()},
    params=[
        *common_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Show the version of nspctl and exit.",
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Talk to a running name service daemon (nspd).\n\n"
        "The options below may stand before the verb or after it. Exit status: 0 done, "
        "1 failure, 2 usage, 3 not found, 4 timed out, 5 not permitted, 6 daemon not "
        "reachable, 7 cancelled, 8 partial answer (with --strict), 130 interrupted."
    ),
)


if __name__ == "__main__":
    from nspd.cli._start import nspctl

    nspctl()
