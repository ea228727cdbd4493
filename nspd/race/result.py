"""What came out of a run."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from nspd.race.census import Census, leaked
from nspd.race.meter import Meter
from nspd.race.plan import MIXED, Plan
from nspd.race.tally import Tally


class Stretch(Struct, frozen=True):
    """One scenario of a plan: when it ran, what came of it, and what it cost."""

    name: str
    started: float
    """Seconds of the monotonic clock."""
    seconds: float
    tallies: list[Tally]
    """One, or for ``mixed`` one for each scenario that was drawn."""
    daemon_cpu: float | None
    """Share of one CPU that the daemon took; None: not known."""
    driver_cpu: float
    """Share of one CPU that the drivers took together, judging included."""

    @property
    def total(self) -> Tally:
        """All of its tallies in one; the outcomes of different scenarios told apart."""
        if self.name != MIXED:
            return self.tallies[0]
        whole = Tally(MIXED, ())
        for tally in self.tallies:
            whole.merge(tally)
        return whole


class Report(Struct, frozen=True, kw_only=True):
    """What came out of a run."""

    plan: Plan
    daemon: str
    """Version and event loop, as the daemon tells."""
    stretches: list[Stretch]
    before: Census
    after: Census
    judged: int
    """Replies judged."""
    not_judged: dict[str, int]
    gone: str | None = None
    """Why the daemon could not be reached any more before the run was over."""
    interrupted: bool = False
    """Somebody stopped the run before it was over."""
    meter: Meter
    """The daemon's use of CPU and memory over the run."""

    @property
    def tallies(self) -> list[Tally]:
        """Those of all stretches."""
        return [tally for stretch in self.stretches for tally in stretch.tallies]

    @property
    def leaked(self) -> Census:
        """What the daemon still held at the end, beyond what it held before (C8)."""
        return {} if self.gone is not None else leaked(self.before, self.after)

    @property
    def passed(self) -> bool:
        """Run to the end, nothing violated, nothing leaked, and every legal outcome seen."""
        whole = self.gone is None and not self.interrupted
        return whole and not self.leaked and all(tally.passed for tally in self.tallies)

    @property
    def seconds(self) -> float:
        """How long the scenarios took."""
        return sum(stretch.seconds for stretch in self.stretches)

    @property
    def daemon_cpu(self) -> float | None:
        """Share of one CPU that the daemon took over all scenarios; None: not known."""
        known = [(stretch.daemon_cpu, stretch.seconds) for stretch in self.stretches]
        if not self.seconds or any(share is None for share, _ in known):
            return None
        return sum((share or 0.0) * seconds for share, seconds in known) / self.seconds

    @property
    def driver_cpu(self) -> float:
        """Share of one CPU that the drivers took together over all scenarios."""
        spent = sum(stretch.driver_cpu * stretch.seconds for stretch in self.stretches)
        return spent / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "passed": self.passed,
            "interrupted": self.interrupted,
            "gone": self.gone,
            "daemon": self.daemon,
            "socket": self.plan.socket,
            "clients": self.plan.clients,
            "processes": self.plan.processes,
            "rate": self.plan.rate,
            "seed": self.plan.seed,
            "scenarios": [tally.as_dict() for tally in self.tallies],
            "violations": [
                {
                    "scenario": tally.name,
                    "promise": violation.promise,
                    "time": violation.time,
                    "client": violation.client,
                    "detail": violation.detail,
                }
                for tally in self.tallies
                for violation in tally.examples
            ],
            "census": {"before": self.before, "after": self.after, "leaked": self.leaked},
            "cpu": {"daemon": self.daemon_cpu, "drivers": self.driver_cpu},
            "judged": self.judged,
            "not_judged": self.not_judged,
        }
