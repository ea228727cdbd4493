"""The options that every verb takes, before the verb or after it."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from nspd.cli._output import JsonMode, Output

if TYPE_CHECKING:
    from nspd import Client

JSON_MODES: tuple[JsonMode, ...] = ("short", "pretty", "off")


class Settings:
    """What the common options say; one object for one run of nspctl."""

    def __init__(self, connect: Callable[[str | None, float | None], Client] | None = None) -> None:
        """Make the settings, all at their defaults.

        Args:
            connect: makes the client from a socket path (None: the usual ones) and the
                seconds that a call may take (None: no limit).
        """
        self.socket: str | None = None
        self.json: JsonMode = "off"
        self.timeout: float | None = None
        self.quiet = False
        self.subject: str | None = None
        """What the verb is about, such as the name looked up; error messages name it.

        Empty: a lookup without a name.
        """
        self._connect = connect or _connect
        self._output: Output | None = None

    @property
    def output(self) -> Output:
        """Where the verb writes; made when first used, once all options are known."""
        if self._output is None:
            self._output = Output(self.json, self.quiet)
        return self._output

    def connect(self, *, grace: float = 0) -> Client:
        """A client of the daemon; use it as a context manager.

        Args:
            grace: seconds by which a call may outlast ``--timeout``, where the daemon
                itself keeps to that time and has more to say than that it is over.

        Raises:
            NetworkDown: the daemon is not reachable.
        """
        return self._connect(self.socket, None if self.timeout is None else self.timeout + grace)


def _connect(socket: str | None, timeout: float | None) -> Client:
    from nspd import Client, __version__

    return Client(socket, name=f"nspctl/{__version__}", timeout=timeout)


def seconds_param(text: str) -> float:
    """A click parameter: a duration in seconds, fractions allowed, not negative."""
    try:
        seconds = float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number of seconds.") from None
    if not math.isfinite(seconds) or seconds < 0:
        raise click.BadParameter(f"{text!r} is not a duration: use 0 or more seconds.")
    return seconds


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    # Left out here, an option may still have been given on the other side of the verb.
    if value not in (None, False):
        setattr(ctx.ensure_object(Settings), param.name or "", value)
    return value


def _keep_short(ctx: click.Context, _param: click.Parameter, value: bool) -> bool:
    if value:
        ctx.ensure_object(Settings).json = "short"
    return value


def common_options() -> list[click.Parameter]:
    """Fresh parameters for the options that the group and every verb take."""
    return [
        click.Option(
            ["--socket"],
            metavar="PATH",
            help="The daemon's socket. Default: $NSPD_SOCKET, then the user's, then the system's.",
            callback=_keep,
            expose_value=False,
            is_eager=True,
        ),
        click.Option(
            ["--json"],
            type=click.Choice(JSON_MODES),
            help="Write JSON, errors too: on one line, indented, or not at all.",
            callback=_keep,
            expose_value=False,
            is_eager=True,
        ),
        click.Option(
            ["-j", "short_json"],
            is_flag=True,
            help="The same as --json=short.",
            callback=_keep_short,
            expose_value=False,
            is_eager=True,
        ),
        click.Option(
            ["--timeout"],
            type=seconds_param,
            metavar="SECONDS",
            help="How long the answer may take. Default: no limit.",
            callback=_keep,
            expose_value=False,
            is_eager=True,
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            help="Only the answer and errors: no heads, summaries, notes.",
            callback=_keep,
            expose_value=False,
            is_eager=True,
        ),
    ]


class Verb(click.Command):
    """A command of nspctl: it takes the common options beside its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["params"] = [*(kwargs.get("params") or ()), *common_options()]
        kwargs.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        if not gc.isenabled():
            # Off since the process started; some verbs run for days.
            gc.freeze()
            gc.enable()
        return super().invoke(ctx)


pass_settings = click.make_pass_decorator(Settings, ensure=True)


def asks_for_json(arguments: Sequence[str]) -> JsonMode:
    """The JSON mode that a command line asks for, as far as can be told without parsing it.

    For the errors of a command line that cannot be parsed.
    """
    mode: JsonMode = "off"
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        option, _, value = argument.partition("=")
        if option == "--json":
            value = value or "".join(arguments[position + 1 : position + 2])
            mode = next((known for known in JSON_MODES if known == value), mode)
        elif argument[:1] == "-" and argument[1:2] != "-" and "j" in argument:
            mode = "short"
    return mode
