"""Drives scenarios against a daemon with many clients at once, and has every message judged."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from anyio.to_thread import run_sync
from msgspec import Struct
from msgspec.structs import replace

from nspd.model.errors import InvalidArgument, NetworkDown
from nspd.race import census
from nspd.race.census import Census, Daemon
from nspd.race.driver import Outcome, Progress
from nspd.race.drivers import DriverHandle, in_processes, in_thread
from nspd.race.failures import bare_failures
from nspd.race.history import merge
from nspd.race.meter import Meter, sample
from nspd.race.plan import MIXED, Plan, shares
from nspd.race.result import Report, Stretch
from nspd.race.scenario import Scenario
from nspd.race.scenario_file import all_scenarios
from nspd.race.tally import Tally, merged

_SAMPLE_EVERY = 0.25


class Standing(Struct, frozen=True):
    """How far the run is, for those who watch."""

    scenario: str
    place: int
    """Of this scenario among all, from 0."""
    elapsed: float
    """Seconds since this scenario began."""
    lookups: int
    races: int
    violations: int


Watcher = Callable[[Standing], None]


async def drive(
    plan: Plan, watcher: Watcher | None = None, stop: anyio.Event | None = None
) -> Report:
    """Run a plan.

    Args:
        plan: what to run.
        watcher: told now and then how far the run is.
        stop: when set, no more lookups are begun, and the report says what there was so far.

    Raises:
        NetworkDown: the daemon is not reachable.
        AccessDenied: it has no test namespace, or the caller may not open gates.
        InvalidArgument: there is no such scenario.
        OSError: the history cannot be written.
    """
    scenarios = all_scenarios(plan.scenario_files)
    chosen = _chosen(plan, scenarios)
    daemon: Daemon = await run_sync(census.inspect, plan.socket, chosen)
    plan = replace(plan, backend=plan.backend or _known(daemon.backend))
    run = _Run(plan, scenarios, daemon, watcher or (lambda _standing: None))
    with bare_failures():
        async with run.drivers() as drivers, anyio.create_task_group() as tasks:
            tasks.start_soon(run.sample)
            if stop is not None:
                tasks.start_soon(run.stop_when, stop, drivers)
            await run.all_scenarios(drivers)
            tasks.cancel_scope.cancel()
    return await run.report()


def _known(backend: str) -> str | None:
    """The name of the setting for the event loop that a daemon says it has."""
    return next((name for name in ("asyncio", "trio") if backend.startswith(name)), None)


def _chosen(plan: Plan, scenarios: Mapping[str, Scenario]) -> list[Scenario]:
    if MIXED in plan.scenarios:
        return list(scenarios.values())
    unknown = [name for name in plan.scenarios if name not in scenarios]
    if unknown:
        raise InvalidArgument(f"there is no scenario {unknown[0]!r}")
    return [scenarios[name] for name in plan.scenarios]


class _Run:
    """One run: its drivers' outcomes, gathered scenario by scenario."""

    def __init__(
        self, plan: Plan, scenarios: Mapping[str, Scenario], daemon: Daemon, watcher: Watcher
    ) -> None:
        self._plan = plan
        self._scenarios = scenarios
        self._daemon = daemon
        self._watcher = watcher
        self._meter = Meter(daemon.pid)
        self._stretches: list[Stretch] = []
        self._judged = 0
        self._not_judged: dict[str, int] = {}
        self._gone: str | None = None
        self._interrupted = False

    @asynccontextmanager
    async def drivers(self) -> AsyncIterator[list[DriverHandle]]:
        """The drivers; when they have ended, the run's history is whole."""
        plan = self._plan
        if not plan.processes:
            async with in_thread(plan, self._scenarios) as drivers:
                yield drivers
            return
        with TemporaryDirectory(prefix="nspd-history-") as name:
            parts = []
            if plan.history is not None:
                # One that cannot be written is to be found now.
                await anyio.Path(plan.history).touch()
                parts = [Path(name, str(number)) for number in range(plan.processes)]
            async with in_processes(plan, parts) as drivers:
                yield drivers
            if plan.history is not None:
                written = [part for part in parts if part.exists()]
                await run_sync(merge, written, plan.history)

    async def sample(self) -> None:
        """Look at the daemon now and then."""
        while True:
            self._meter.take()
            await anyio.sleep(_SAMPLE_EVERY)

    async def stop_when(self, stop: anyio.Event, drivers: list[DriverHandle]) -> None:
        """Have the drivers stop when somebody says so."""
        await stop.wait()
        self._interrupted = True
        for driver in drivers:
            await driver.stop()

    async def all_scenarios(self, drivers: list[DriverHandle]) -> None:
        """Run one scenario after another, as long as there is a daemon."""
        for place, name in enumerate(self._plan.scenarios):
            if self._gone is None and not self._interrupted:
                await self._one(place, name, drivers)

    async def _one(self, place: int, name: str, drivers: list[DriverHandle]) -> None:
        scale = 1.0 if name == MIXED else self._scenarios[name].scale
        own = shares(self._plan, name, scale)
        outcomes: list[Outcome] = []
        standings: dict[int, Progress] = {}
        started, before = time.monotonic(), self._sampled()

        def tell(number: int, progress: Progress) -> None:
            standings[number] = progress
            so_far = standings.values()
            self._watcher(
                Standing(
                    name,
                    place,
                    time.monotonic() - started,
                    sum(each.lookups for each in so_far),
                    sum(each.races for each in so_far),
                    sum(each.violations for each in so_far),
                )
            )

        async def run(number: int) -> None:
            outcomes.append(
                await drivers[number].run(own[number], lambda progress: tell(number, progress))
            )

        async with anyio.create_task_group() as tasks:
            for number in range(len(own)):
                tasks.start_soon(run, number)
        self._add(name, started, before, outcomes)

    def _sampled(self) -> float | None:
        found = sample(self._daemon.pid) if self._daemon.pid is not None else None
        return None if found is None else found.cpu

    def _add(
        self, name: str, started: float, before: float | None, outcomes: list[Outcome]
    ) -> None:
        after, seconds = self._sampled(), max(time.monotonic() - started, 1e-9)
        known = before is not None and after is not None
        self._stretches.append(
            Stretch(
                name=name,
                started=started,
                seconds=seconds,
                tallies=merged(
                    Tally.unpacked(packed) for outcome in outcomes for packed in outcome.tallies
                ),
                daemon_cpu=((after or 0.0) - (before or 0.0)) / seconds if known else None,
                driver_cpu=sum(outcome.cpu for outcome in outcomes) / seconds,
            )
        )
        for outcome in outcomes:
            self._judged += outcome.judged
            for reason, number in outcome.not_judged.items():
                self._not_judged[reason] = self._not_judged.get(reason, 0) + number
            self._gone = self._gone or outcome.gone

    async def report(self) -> Report:
        """What came out of it, once the census is back."""
        return Report(
            plan=self._plan,
            daemon=self._daemon.name,
            stretches=self._stretches,
            before=self._daemon.census,
            after=await self._after(),
            judged=self._judged,
            not_judged=self._not_judged,
            gone=self._gone,
            interrupted=self._interrupted,
            meter=self._meter,
        )

    async def _after(self) -> Census:
        plan, before = self._plan, self._daemon.census
        if self._gone is None:
            try:
                # Whoever may not open gates may not reset them, and has opened none.
                await run_sync(census.reset, plan.socket)
                after: Census = await run_sync(
                    census.census_when_back, plan.socket, before, plan.patience
                )
            except NetworkDown as error:
                self._gone = str(error)
            else:
                return after
        return {}
