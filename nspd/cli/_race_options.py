"""The options of ``nspctl race``, and the plan that they make."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from nspd.race.plan import Plan

_F = TypeVar("_F")


def _seconds(_ctx: click.Context, _param: click.Parameter, text: str | None) -> float | None:
    """A duration as the configuration takes it: ``90``, ``"60s"``, ``"2min"``."""
    from nspd.server.durations import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error


def _positive(_ctx: click.Context, _param: click.Parameter, rate: float | None) -> float | None:
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise click.BadParameter(f"{rate:g} is not a number of lookups a second.")
    return rate


_FILE = click.Path(dir_okay=False, path_type=Path)

_OPTIONS = (
    click.option(
        "--scenario",
        "names",
        metavar="NAME",
        multiple=True,
        help='Run this one; may be given again. "mixed" draws from all. Default: each in turn.',
    ),
    click.option(
        "--scenario-file",
        "files",
        type=click.Path(dir_okay=False, exists=True, path_type=Path),
        multiple=True,
        help="Read further scenarios from this TOML file, and run them if none is named.",
    ),
    click.option("--clients", type=click.IntRange(min=1), default=16, show_default=True),
    click.option(
        "--lookups",
        type=click.IntRange(min=1),
        metavar="N",
        help="Lookups for each scenario. Default: 1000, or without end if --duration is given.",
    ),
    click.option(
        "--duration",
        callback=_seconds,
        metavar="TIME",
        help="How long each scenario goes on at most: 90, 60s, 2min.",
    ),
    click.option(
        "--rate",
        type=float,
        callback=_positive,
        metavar="N",
        help="Begin so many lookups a second, whatever comes back (latencies from their time on). "
        "Default: each client begins one when its last is over.",
    ),
    click.option(
        "--processes",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Processes that drive the clients and judge.",
    ),
    click.option("--seed", type=int, help="Repeat what the clients of another run drew."),
    click.option("--history", type=_FILE, help="Write every message here, as lines of JSON."),
    click.option(
        "--report",
        "directory",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Write a page with plots here, and each as PNG (needs nspd[report]).",
    ),
    click.option(
        "--backend",
        type=click.Choice(["asyncio", "trio"]),
        help="The event loop of the daemon that is started (not with --socket).",
    ),
)


def race_options(function: _F) -> _F:
    """Give a command the options of a run."""
    for option in reversed(_OPTIONS):
        function = option(function)  # type: ignore[type-var] # click takes any callable
    return function


def plan_of(
    socket: str | None,
    *,
    names: Sequence[str],
    files: Sequence[Path],
    lookups: int | None,
    duration: float | None,
    seed: int | None,
    history: Path | None,
    backend: str | None,
    **others: Any,
) -> Plan:
    """The plan that the options make.

    Raises:
        UsageError: they do not fit together, or name what there is not.
    """
    from nspd.race.plan import MIXED, Plan
    from nspd.race.scenarios import SCENARIOS

    if socket and backend:
        raise click.UsageError("--backend is for a daemon that is started, not one that runs.")
    texts, of_files = _read(files)
    known = [*SCENARIOS, *of_files, MIXED]
    for name in names:
        if name not in known:
            raise click.UsageError(f"no scenario {name!r}; there are: {', '.join(known)}")
    return Plan(
        socket=socket or "",
        scenarios=list(dict.fromkeys(names)) or of_files or list(SCENARIOS),
        scenario_files=texts,
        lookups=1_000 if lookups is None and duration is None else lookups,
        duration=duration,
        seed=secrets.randbits(32) if seed is None else seed,
        history=None if history is None else str(history),
        backend=backend,
        **others,
    )


def _read(files: Sequence[Path]) -> tuple[list[str], list[str]]:
    """The texts of the scenario files, and the names that they define."""
    from nspd.model.errors import InvalidArgument
    from nspd.race.scenario_file import parse

    texts: list[str] = []
    names: list[str] = []
    for file in files:
        try:
            texts.append(file.read_text(encoding="utf-8"))
            names += parse(texts[-1])
        except OSError as error:
            raise click.UsageError(f"{file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise click.UsageError(f"{file}: {error}") from error
        except InvalidArgument as error:
            raise click.UsageError(f"{file}: {error.detail}") from error
    return texts, names
