"""A driver: many clients on one loop, the judge of all that they see, and the tallies."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from itertools import count
from random import Random
from typing import Any

from msgspec import Struct

from nspd.model.errors import NetworkDown
from nspd.race.connection import HungUp
from nspd.race.draw import Draw
from nspd.race.history import Writer
from nspd.race.judge import Direction, Judge, Violation
from nspd.race.loop import Loop
from nspd.race.permits import Permits
from nspd.race.plan import MOST_DETACHED, Plan, Share
from nspd.race.racer import Racer, Site
from nspd.race.scenario import AtTheCap, Scenario, Unexpected
from nspd.race.stopwatch import Stopwatch
from nspd.race.tally import Race, Tally
from nspd.race.victims import Victims

_PROGRESS_EVERY = 0.25
_DAEMONS = 2
_AT_THE_CAP = 0.2
"""Seconds for which a client leaves the daemon alone that has refused it."""

_MOST_UNANSWERED = 3
"""Replies missing after which a client gives up."""

_NUMBERS_EACH = 1 << 40
"""Numbers of connections that one driver has to itself."""


class Progress(Struct, frozen=True):
    """How far a driver is in its share."""

    lookups: int
    races: int
    violations: int


class Outcome(Struct, frozen=True):
    """What came of one driver's share."""

    tallies: list[dict[str, Any]]
    """`Tally.packed`, one for each scenario."""
    judged: int
    """Replies judged."""
    not_judged: dict[str, int]
    cpu: float
    """Seconds of CPU time that it took, judging included."""
    gone: str | None
    """Why the daemon could not be reached any more; None: it could."""


class Driver:
    """Runs shares one after another, in its thread. Its judge sees them all."""

    def __init__(
        self,
        plan: Plan,
        number: int,
        scenarios: Mapping[str, Scenario],
        history: str | None = None,
        progress: Callable[[Progress], None] = lambda _progress: None,
    ) -> None:
        """Make a driver.

        Args:
            plan: the run.
            number: tells it from the other drivers, from 0.
            scenarios: all that there are, by name.
            history: the path of its own history, if any.
            progress: told now and then, in the driver's thread.

        Raises:
            OSError: the history cannot be written.
        """
        self.plan = plan
        self.numbers = count(number * _NUMBERS_EACH + 1)
        self.scenarios = scenarios
        # One of several drivers sees some of the daemon's clients only.
        self.judge = Judge(alone=plan.processes <= 1)
        self.stopwatch = Stopwatch()
        self.history = Writer(history) if history is not None else None
        self.progress = progress
        self.stopping = False
        """Set by whoever wants it to begin no more lookups."""

    def run(self, share: Share, loop: Loop | None = None) -> Outcome:
        """Run one share to its end, on this loop or one of its own."""
        loop = loop or Loop()
        run = _Run(self, share, loop)
        judged, cpu = self.judge.judged, time.process_time()
        not_judged = self.judge.not_judged.copy()
        loop.run(run.all_clients())
        return Outcome(
            tallies=[tally.packed() for tally in run.tallies.values()],
            judged=self.judge.judged - judged,
            not_judged=dict(self.judge.not_judged - not_judged),
            cpu=time.process_time() - cpu,
            gone=run.gone,
        )

    def close(self) -> None:
        """Finish the history."""
        if self.history is not None:
            self.history.close()


class _Run:
    """One share under way."""

    def __init__(self, driver: Driver, share: Share, loop: Loop) -> None:
        plan = driver.plan
        drivers = max(plan.processes, 1)
        self._driver = driver
        self._plan = plan
        self._share = share
        self._loop = loop
        self._draw = Draw(share.scenario, driver.scenarios)
        self.tallies = {
            scenario.name: Tally(self._draw.title(scenario), scenario.outcomes, scenario.rare)
            for scenario in self._draw.scenarios
        }
        self.gone: str | None = None
        self._racers: dict[int, Racer] = {}
        """Whose each connection is, as long as it is open."""
        self._taken = 0
        self._rare_due = dict.fromkeys(self._draw.rare, 0.0)
        self._started = time.monotonic()
        self._victims = Victims(loop, plan.socket)
        self._site = Site(
            loop=loop,
            socket=plan.socket,
            backend=plan.backend,
            clients=plan.clients,
            numbers=driver.numbers.__next__,
            observe=self._observe,
            detached=Permits(loop, max(MOST_DETACHED // drivers, 1)),
            pool=Permits(loop, 1),
            daemons=Permits(loop, _DAEMONS),
            victims=self._victims,
        )

    async def all_clients(self) -> None:
        """Run every client to its end, and have the judge conclude."""
        self._tell()
        first = self._share.first_client
        self._started = time.monotonic()
        clients = [
            self._loop.spawn(self._client(number))
            for number in range(first, first + self._share.clients)
        ]
        try:
            for client in clients:
                await self._loop.join(client)
        finally:
            self._victims.close()
            self._conclude()

    def _conclude(self) -> None:
        now = time.monotonic()
        for tally in self.tallies.values():
            tally.seconds = now - self._started
        for violation in self._driver.judge.finish(now):
            racer = self._racers.get(violation.client)
            tally = racer.tally if racer is not None else next(iter(self.tallies.values()))
            tally.add_violations([violation])
        for racer in set(self._racers.values()):
            racer.close()
        self._driver.progress(self._progress())

    # Observing

    def _observe(
        self, racer: Racer, now: float, number: int, direction: Direction, message: Any
    ) -> None:
        driver, tally = self._driver, racer.tally
        found = driver.judge.observe(now, number, direction, message)
        if found:
            tally.add_violations(found)
        driver.stopwatch.observe(now, number, direction, message, tally.latencies, racer.late)
        if driver.history is not None:
            driver.history.observe(now, number, direction, message)
        if direction == "sent":
            self._racers[number] = racer
        elif direction in ("hung_up", "left"):
            self._racers.pop(number, None)

    # Clients

    async def _client(self, number: int) -> None:
        random = Random(f"{self._plan.seed} {self._share.scenario} {number}")
        unanswered = 0
        while not self._over() and unanswered < _MOST_UNANSWERED:
            racer = Racer(self._site, number, random, next(iter(self.tallies.values())))
            try:
                await self._within_patience(racer.start())
                await self._race_on(racer)
                await self._within_patience(racer.finish())
            except TimeoutError:
                # The judge knows which reply is missing, and whether it was due.
                self._count(racer, Race("unanswered"))
                unanswered += 1
            except AtTheCap:
                racer.tally.at_the_cap += 1
                racer.leave()
                await self._loop.sleep(_AT_THE_CAP)
            except HungUp as error:
                self._count(racer, Race(str(error)))
                racer.close()
                if not racer.wire_number:
                    return  # it was not let in: there are more clients than connections
            except Unexpected as error:
                self._count(racer, Race(str(error)))
                racer.close()
                return
            except (OSError, NetworkDown) as error:
                self.gone = str(error)
                return

    async def _within_patience(self, step: Coroutine[Any, Any, None]) -> None:
        task = self._loop.current
        task.deadline = time.monotonic() + self._plan.patience
        await step
        task.deadline = None

    async def _race_on(self, racer: Racer) -> None:
        """Race, lookup after lookup, as long as there are any for this client."""
        while not self._over():
            scenario = self._next_scenario(racer)
            place, self._taken = self._taken, self._taken + scenario.batch
            racer.late = await self._due(place)
            if racer.late and self._stopped():
                return
            racer.tally = self.tallies[scenario.name]
            self._loop.current.deadline = time.monotonic() + self._plan.patience
            try:
                races = await scenario.race(racer)
            except Unexpected as error:
                races = Race(str(error))
            self._loop.current.deadline = None
            for race in (races,) if isinstance(races, Race) else races:
                self._count(racer, race)

    def _over(self) -> bool:
        lookups = self._share.lookups
        return self._stopped() or (lookups is not None and self._taken >= lookups)

    def _stopped(self) -> bool:
        if self._driver.stopping or self.gone is not None:
            return True
        duration = self._plan.duration
        return duration is not None and time.monotonic() - self._started >= duration

    async def _due(self, place: int) -> float:
        """Wait for the time of a lookup of an open loop. Returns by how much it is late."""
        if self._share.rate is None:
            return 0.0
        due = self._started + place / self._share.rate
        await self._loop.sleep_until(due)
        return time.monotonic() - due

    def _next_scenario(self, racer: Racer) -> Scenario:
        if racer.number == 0:
            now = time.monotonic()
            for scenario in self._draw.rare:
                if self._rare_due[scenario] <= now:
                    self._rare_due[scenario] = now + (scenario.every or 0.0)
                    return scenario
        scenario = self._draw.one(racer.random)
        if self._draw.mixed and scenario.detaches > self._site.detached.free:
            # In a mixture nobody waits for a permit: others can be run meanwhile.
            scenario = self._draw.one_that_detaches_nothing(racer.random)
        return scenario

    def _count(self, racer: Racer, race: Race) -> None:
        now = time.monotonic()
        wrong = racer.tally.add_race(race, now - self._started)
        if wrong is not None:
            racer.tally.add_violations([Violation("outcome", now, racer.wire_number, wrong)])

    # Progress

    def _tell(self) -> None:
        self._driver.progress(self._progress())
        self._loop.call_at(time.monotonic() + _PROGRESS_EVERY, self._tell)

    def _progress(self) -> Progress:
        tallies = self.tallies.values()
        return Progress(
            sum(tally.lookups for tally in tallies),
            sum(tally.races for tally in tallies),
            sum(tally.violations.total() for tally in tallies),
        )
