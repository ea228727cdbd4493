"""What may notice a mutant: the tests and the schedules, the likeliest first.

The tests are collected once. Each mutant then gets a fork of that process, in
which the code of one function is exchanged; a mutant that is not in the body of
a function is imported in a fork of a process that has imported nothing of the
core. Only what enters the changed function in a run without any change is asked,
and what fails counts only if it passes, in the same order, without the change.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

import pytest

from bench import planting
from bench.mutations import Mutant

ROOT = Path(__file__).parent.parent

_PATIENCE = 10.0, 10.0
"""Seconds, and times what it takes without a change, after which a test counts as hanging."""
_MEMORY = 4 << 30
"""Bytes that a mutant may take; more are an endless list."""

_TESTS = ("tests/core", "tests/cases")
_OPTIONS = (
    *("-q", "--assert=plain", "-p", "no:cacheprovider"),
    # What takes longest asks least that is not asked elsewhere; uvloop is one more asyncio.
    *("-k", "not uvloop and not mass_death", "--ignore=tests/cases/test_races.py"),
)

_BOTH_BACKENDS = ("work", "work_trio", "moving", "task_trio")
"""Modules with code for another backend; the others are tried on asyncio alone."""

_SCHEDULES = (
    ("one", 4, "asyncio"),
    ("one-client", 3, "asyncio"),
    ("budget", 4, "asyncio"),
    ("shared", 3, "asyncio"),
    ("stubborn", 4, "asyncio"),
    ("shared", 4, "asyncio"),
    ("shared-budget", 3, "asyncio"),
    ("one", 3, "trio"),
    ("stubborn", 3, "trio"),
)
"""Scenarios of tests/exhaustive, their numbers of events, and backends."""


class Probe(NamedTuple):
    """One test, or the schedules of one scenario."""

    name: str
    passes: Callable[[], bool]


class Footprint(NamedTuple):
    """What a probe does in a run without any change."""

    seconds: float
    functions: frozenset[str]
    """The functions of the core that it enters: module, ":", qualified name."""


Footprints = dict[str, Footprint]


class _Session:
    """A plugin of pytest: hands the collected tests over instead of running them all."""

    def __init__(
        self, then: Callable[[list[Probe]], None], schedules: Sequence[tuple[str, int, str]]
    ) -> None:
        self._then = then
        self._schedules = schedules
        self._failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        assert not session.testsfailed, "the tests cannot be collected"
        probes = [Probe(item.nodeid, functools.partial(self._run, item)) for item in session.items]
        self._then([*map(_explored, self._schedules), *probes])
        return True

    def _run(self, item: pytest.Item) -> bool:
        # Nothing that a fixture holds is kept for the next test, whichever that is.
        self._failed = False
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self._failed


def _explored(which: tuple[str, int, str]) -> Probe:
    def passes() -> bool:
        from tests.exhaustive.explore import explore
        from tests.exhaustive.schedules import SCENARIOS

        name, events, backend = which
        try:
            explore(SCENARIOS[name], events, backend)
        except Exception:  # noqa: BLE001 - whatever the mutant does, it was noticed
            return False
        return True

    return Probe("schedules of {} with {} events on {}".format(*which), passes)


def collected(tests: Sequence[str], then: Callable[[list[Probe]], None]) -> None:
    """Collect tests in this process (none given: the usual ones, and the schedules)."""
    options = [*(tests or _TESTS), *_OPTIONS, f"--rootdir={ROOT}"]
    session = _Session(then, () if tests else _SCHEDULES)
    if pytest.main(options, plugins=[session]) not in (0, 5):
        raise SystemExit("the tests cannot be collected")


# What each enters


def footprints(tests: Sequence[str], modules: Sequence[str], scratch: Path) -> Footprints:
    """Run everything once in a process of its own, unchanged.

    Raises:
        SystemExit: something fails without any change.
    """
    results = scratch / "footprints"

    def measure(probes: list[Probe]) -> None:
        files = {str(ROOT / "nspd" / "core" / f"{name}.py"): name for name in modules}
        found = {probe.name: _footprint(probe, files) for probe in probes}
        results.write_text(json.dumps(found), encoding="utf-8")

    if (pid := os.fork()) == 0:
        _silence()
        collected(tests, measure)
        os._exit(0)
    os.waitpid(pid, 0)
    if not results.exists():
        raise SystemExit("the tests cannot be run")
    prints: Footprints = {}
    for name, (seconds, functions) in json.loads(results.read_text("utf-8")).items():
        if seconds is None:
            raise SystemExit(f"without any change, {name} fails")
        prints[name] = Footprint(seconds, frozenset(functions))
    return prints


def _footprint(probe: Probe, files: dict[str, str]) -> tuple[float | None, list[str]]:
    entered: set[CodeType] = set()

    def enter(frame: FrameType, event: str, argument: object) -> None:
        if frame.f_code.co_filename in files:
            entered.add(frame.f_code)

    since = time.monotonic()
    sys.settrace(enter)
    threading.settrace(enter)
    try:
        passed = probe.passes()
    finally:
        sys.settrace(None)
        threading.settrace(None)
    names = {f"{files[code.co_filename]}:{_outermost(code.co_qualname)}" for code in entered}
    return time.monotonic() - since if passed else None, sorted(names)


def _outermost(qualname: str) -> str:
    return qualname.partition(".<locals>")[0]


# One mutant


def ordered(
    probes: Sequence[Probe], mutant: Mutant, prints: Footprints, kills: Counter[str]
) -> list[Probe]:
    """Those that may notice a mutant; first those that noticed others of its module, and fast."""
    place = f"{mutant.module}:{mutant.function}"

    def worth(probe: Probe) -> float:
        own = f"core/test_{mutant.module}." in probe.name
        likely = kills[f"{mutant.module} {probe.name}"] + (0.5 if own else 0.05)
        likely += 5 * kills[f"{place} {probe.name}"]
        return likely / (0.02 + prints[probe.name].seconds)

    entering = [each for each in probes if place in prints[each.name].functions]
    return sorted(on_backends_of(mutant.module, entering), key=worth, reverse=True)


def on_backends_of(module: str, probes: Sequence[Probe]) -> list[Probe]:
    """Without the tests on trio for a module that does not know which backend it runs on."""
    if module in _BOTH_BACKENDS:
        return [*probes]
    return [probe for probe in probes if "trio" not in probe.name.partition("[")[2]]


def try_all(probes: Sequence[Probe], prints: Footprints, results: Path) -> None:
    """Run the probes until one fails; the file tells which was at it, or nothing at the end.

    One that hangs is ended by a signal, and the process with it.
    """
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.RLIM_INFINITY))
    for probe in probes:
        results.write_text(probe.name, encoding="utf-8")
        seconds = prints[probe.name].seconds
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE[0] + _PATIENCE[1] * seconds)
        if not probe.passes():
            return
    signal.setitimer(signal.ITIMER_REAL, 0)
    results.write_text("", encoding="utf-8")


def noticed_here(
    mutant: Mutant,
    probes: Sequence[Probe],
    prints: Footprints,
    sound: Callable[[Sequence[str]], bool],
    results: Path,
) -> None:
    """Try a mutant in a fork of this process, and again without what fails unchanged, too.

    A test may fail for those that ran before it, in another order than usual.
    So the tests up to the one that failed are run in the same order without the
    change, unless they are known to be ``sound`` in it; the file then tells these.
    """
    order = [*probes]
    while True:
        failed = _first_failure(order, prints, results, lambda: planting.replace(mutant))
        if failed is None:
            results.write_text("[]", encoding="utf-8")
            return
        upto = order[: failed + 1]
        names = [probe.name for probe in upto]
        if sound(names) or _first_failure(upto, prints, results, lambda: None) is None:
            results.write_text(json.dumps(names), encoding="utf-8")
            return
        del order[failed]


def _first_failure(
    probes: Sequence[Probe], prints: Footprints, results: Path, before: Callable[[], None]
) -> int | None:
    def work() -> None:
        results.write_text(probes[0].name if probes else "", encoding="utf-8")
        before()
        try_all(probes, prints, results)

    os.waitpid(fork(work, own_group=False), 0)
    name = results.read_text(encoding="utf-8")
    return [probe.name for probe in probes].index(name) if name else None


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def fork(work: Callable[[], None], *, own_group: bool = True) -> int:
    """Do this in a process of its own, silently; returns its number."""
    pid = os.fork()
    if pid:
        return pid
    if own_group:
        os.setsid()
    _silence()
    try:
        work()
    finally:
        os._exit(0)
