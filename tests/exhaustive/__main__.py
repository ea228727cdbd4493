"""Runs one schedule, or every one of a scenario: ``python -m tests.exhaustive --help``."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack

from tests.exhaustive.explore import explore, replay
from tests.exhaustive.faults import FAULTS
from tests.exhaustive.loops import BACKENDS
from tests.exhaustive.rig import Violation
from tests.exhaustive.schedules import SCENARIOS


def main(arguments: list[str]) -> int:
    """The command; 1 if the contract was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.exhaustive", description=__doc__)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("schedule", nargs="?", help="as a violation names it")
    parser.add_argument("--events", type=int, default=5, help="without a schedule: its length")
    parser.add_argument("--backend", choices=BACKENDS, default="asyncio")
    parser.add_argument("--fault", choices=FAULTS, help="a fault to plant first")
    options = parser.parse_args(arguments)
    scenario = SCENARIOS[options.scenario]
    with ExitStack() as stack:
        if options.fault is not None:
            stack.enter_context(FAULTS[options.fault].planted())
        try:
            if options.schedule is not None:
                for fact in replay(scenario, options.schedule, options.backend):
                    print(*fact)
                return 0
            report = explore(scenario, options.events, options.backend)
        except Violation as violation:
            print(violation)
            return 1
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
