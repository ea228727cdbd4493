"""What is to be run: by all drivers together, and by one of them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

MIXED = "mixed"

MOST_DETACHED = 24
"""Pieces of detached work that a run leaves behind at once. The daemon's cap for one user is
three quarters of ``detached_per_provider``, or of a provider's 40 workers: 30."""


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be run."""

    socket: str
    """The path of the daemon's socket."""
    scenarios: Sequence[str]
    """Their names, in the order in which they are run; ``mixed`` draws from all the others."""
    scenario_files: Sequence[str] = ()
    """The texts of scenario files, which define further scenarios."""
    clients: int = 16
    lookups: int | None = 1_000
    """For each scenario, shared among the clients; None: no end but `duration`."""
    duration: float | None = None
    """Seconds for each scenario; None: no end but `lookups`."""
    rate: float | None = None
    """Lookups begun in a second, whether or not those before are over; None: as fast as
    the clients get their answers."""
    processes: int = 0
    """How many processes drive; 0: a thread of this one."""
    seed: int = 0
    """Seeds what the clients draw. (When the daemon runs what is not theirs to say.)"""
    patience: float = 10.0
    """Seconds after which a lookup's missing reply, or census, is given up."""
    backend: str | None = None
    """The event loop of daemons that scenarios start; None: the default."""
    history: str | None = None
    """The file to which every message goes; None: none."""


class Share(Struct, frozen=True, kw_only=True):
    """One driver's part of one scenario."""

    scenario: str
    first_client: int
    """The number of the first of its clients, among all of the run."""
    clients: int
    lookups: int | None
    rate: float | None


def shares(plan: Plan, scenario: str, scale: float) -> list[Share]:
    """Divide one scenario among the drivers; each has a client at least.

    Args:
        plan: the run.
        scenario: its name.
        scale: which share of the plan's lookups this scenario runs.
    """
    drivers = min(max(plan.processes, 1), plan.clients)
    lookups = None if plan.lookups is None else max(round(plan.lookups * scale), 1)
    found = []
    for driver in range(drivers):
        first, after = _cut(plan.clients, driver, drivers), _cut(plan.clients, driver + 1, drivers)
        found.append(
            Share(
                scenario=scenario,
                first_client=first,
                clients=after - first,
                lookups=None
                if lookups is None
                else _cut(lookups, driver + 1, drivers) - _cut(lookups, driver, drivers),
                rate=None if plan.rate is None else plan.rate * (after - first) / plan.clients,
            )
        )
    return found


def _cut(number: int, place: int, parts: int) -> int:
    return number * place // parts
