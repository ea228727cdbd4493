"""Drives scenarios against a daemon with many clients at once, and has every message judged."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any

import anyio
from msgspec import Struct

from nspd import __version__
from nspd.model.errors import AccessDenied, NetworkDown
from nspd.model.namespaces import Namespace
from nspd.race.census import Census, census_of, census_when_back, leaked
from nspd.race.connection import Connection, HungUp, connected
from nspd.race.judge import Direction, Judge, Violation
from nspd.race.messages import STARTUP, member, outcome
from nspd.race.scenarios.base import Race, Racer, Scenario, Unexpected
from nspd.race.tally import Tally

Progress = Callable[[Tally], None]
"""Called after each lookup."""


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be run."""

    socket: str
    """The path of the daemon's socket."""
    scenarios: Sequence[Scenario]
    clients: int = 16
    lookups: int | None = 1_000
    """For each scenario, shared among the clients; None: no end but `duration`."""
    duration: float | None = None
    """Seconds for each scenario; None: no end but `lookups`."""
    seed: int = 0
    """Seeds what the clients draw. (When the daemon runs what is not theirs to say.)"""
    patience: float = 10.0
    """Seconds after which a lookup's missing reply, or census, is given up."""


class Report(Struct, frozen=True, kw_only=True):
    """What came out of a run."""

    plan: Plan
    daemon: str
    """Version and event loop, as the daemon tells."""
    tallies: list[Tally]
    before: Census
    after: Census
    judged: int
    """Replies judged."""
    not_judged: dict[str, int]

    @property
    def leaked(self) -> Census:
        """What the daemon still held at the end, beyond what it held before (C8)."""
        return leaked(self.before, self.after)

    @property
    def passed(self) -> bool:
        """Nothing violated, nothing leaked, and every legal outcome seen."""
        return not self.leaked and all(tally.passed for tally in self.tallies)

    def as_dict(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "passed": self.passed,
            "daemon": self.daemon,
            "socket": self.plan.socket,
            "clients": self.plan.clients,
            "seed": self.plan.seed,
            "scenarios": [tally.as_dict() for tally in self.tallies],
            "violations": [
                {
                    "scenario": tally.scenario.name,
                    "promise": violation.promise,
                    "time": violation.time,
                    "client": violation.client,
                    "detail": violation.detail,
                }
                for tally in self.tallies
                for violation in tally.examples
            ],
            "census": {"before": self.before, "after": self.after, "leaked": self.leaked},
            "judged": self.judged,
            "not_judged": self.not_judged,
        }


async def drive(plan: Plan, progress: Progress | None = None) -> Report:
    """Run a plan.

    Raises:
        NetworkDown: the daemon is not reachable, or went away.
        AccessDenied: it has no test namespace, or the caller may not open gates.
    """
    run = _Run(plan, progress or (lambda _tally: None))
    try:
        async with run.connect() as control:
            return await run.report(control)
    except (OSError, HungUp) as error:
        raise NetworkDown(f"{plan.socket}: {error}") from error


class _Run:
    """One run: a judge for all its connections, and the tally of the scenario under way."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self._plan = plan
        self._progress = progress
        self._judge = Judge()
        self._tally: Tally | None = None
        self._connections = 0
        self._taken = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """A connection whose messages are judged."""
        self._connections += 1
        async with connected(self._plan.socket, self._connections, self._observe) as connection:
            yield connection

    def _observe(self, now: float, number: int, direction: Direction, message: Any) -> None:
        found = self._judge.observe(now, number, direction, message)
        if found and self._tally is not None:
            self._tally.add_violations(found)

    async def report(self, control: Connection) -> Report:
        with anyio.fail_after(self._plan.patience):
            daemon = await _describe(control)
            await _check_allowed(control, self._plan.scenarios)
            before = await census_of(control)
        tallies = [await self._run(scenario) for scenario in self._plan.scenarios]
        if any(scenario.gates for scenario in self._plan.scenarios):
            await control.call("nspd.TestReset")
        return Report(
            plan=self._plan,
            daemon=daemon,
            tallies=tallies,
            before=before,
            after=await census_when_back(control, before, self._plan.patience),
            judged=self._judge.judged,
            not_judged=dict(self._judge.not_judged),
        )

    async def _run(self, scenario: Scenario) -> Tally:
        self._tally = tally = Tally(scenario)
        self._taken = 0
        started = time.monotonic()
        async with anyio.create_task_group() as clients:
            for number in range(self._plan.clients):
                clients.start_soon(self._client, tally, number, started)
        tally.seconds = time.monotonic() - started
        tally.add_violations(self._judge.finish(time.monotonic()))
        return tally

    async def _client(self, tally: Tally, number: int, started: float) -> None:
        connection = 0
        try:
            async with AsyncExitStack() as stack:
                wire = await stack.enter_async_context(self.connect())
                connection = wire.number
                control = None
                if tally.scenario.gates:
                    control = await stack.enter_async_context(self.connect())
                random = Random(f"{self._plan.seed} {tally.scenario.name} {number}")
                racer = Racer(wire, control, random, tally.to_cancelled, tally.to_end_reply)
                with anyio.fail_after(self._plan.patience):
                    await wire.call(STARTUP, client=f"nspctl-race/{__version__}")
                while self._one_more(started):
                    with anyio.fail_after(self._plan.patience):
                        race = await _race(tally.scenario, racer)
                    self._count(tally, connection, race)
                with anyio.move_on_after(self._plan.patience):
                    await wire.finish()
        except TimeoutError:
            # The judge knows which reply is missing, and whether it was due.
            self._count(tally, connection, Race("unanswered"))
        except (HungUp, OSError) as error:
            self._count(tally, connection, Race(f"no connection: {error}"))

    def _one_more(self, started: float) -> bool:
        """Whether another lookup is to be run; if so, it is taken off the number to run."""
        lookups, duration = self._plan.lookups, self._plan.duration
        if lookups is not None and self._taken >= lookups:
            return False
        if duration is not None and time.monotonic() - started >= duration:
            return False
        self._taken += 1
        return True

    def _count(self, tally: Tally, connection: int, race: Race) -> None:
        wrong = tally.add_race(race)
        if wrong is not None:
            tally.add_violations([Violation("outcome", time.monotonic(), connection, wrong)])
        self._progress(tally)


async def _race(scenario: Scenario, racer: Racer) -> Race:
    try:
        return await scenario.race(racer)
    except Unexpected as error:
        return Race(str(error))


async def _describe(control: Connection) -> str:
    status = (await control.call("nspd.Status")).result
    return f"nspd {member(status, 'version')} on {member(status, 'backend')}"


async def _check_allowed(control: Connection, scenarios: Sequence[Scenario]) -> None:
    """See that the test namespace is there, and its gates are the caller's to open."""
    catalog = (await control.call("WSAEnumNameSpaceProvidersEx")).result
    providers = member(catalog, "providers")
    if not any(
        member(provider, "namespace") == Namespace.TEST and member(provider, "active")
        for provider in (providers if isinstance(providers, list) else [])
    ):
        raise AccessDenied(
            'this daemon has no test namespace; add a [[provider]] of kind "test" to its '
            "configuration, or leave out --socket to race a daemon started for the purpose"
        )
    gated = [scenario.name for scenario in scenarios if scenario.gates]
    if not gated:
        return
    probe = await control.call("nspd.TestGate", gate="race-probe", tokens=1)
    if probe.code is not None:
        raise AccessDenied(
            f"only an administrator of the daemon may open gates ({outcome(probe.code)}), "
            f"which {', '.join(gated)} need"
        )
