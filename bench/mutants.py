"""A mutation run: break one thing at a time in the core, and see whether the tests notice.

    python -m bench.mutants [--modules lookup,run,...] [--jobs N] [--json FILE] [--only ID,...]

Each mutant is one change of one expression or statement. It is made in memory,
in a forked process, so the sources are never touched; the process then runs the
exhaustive schedules, the tests of the core and those of the cases until
something fails. A mutant that nothing notices has survived: either a test is
missing, or the change means nothing.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.abc
import importlib.util
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from bench.mutations import Mutant, count, mutants

ROOT = Path(__file__).parent.parent
MODULES = (
    "ending",
    "waiting",
    "sweeper",
    "users",
    "clock",
    "session",
    "run",
    "lookup",
    "part",
    "work",
)
"""The modules of nspd.core that settle, cancel and forget."""

PATIENCE = 300.0
"""Seconds after which a mutant counts as caught: it hangs."""
PROCESSOR = 15, 60
"""Seconds of processor time for the schedules, and for all tests; more are an endless loop."""
MEMORY = 2 << 30
"""Bytes that a mutant may take; more are an endless list."""


class _Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Has one module imported from the source of a mutant."""

    def __init__(self, name: str, mutant: Mutant) -> None:
        self._name = name
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._mutant.source, f"<{self._mutant.id}>", "exec"), module.__dict__)


def _notices(mutant: Mutant, *, quick: bool) -> str | None:
    """In a process of its own: what notices the mutant, if anything does."""
    sys.meta_path.insert(0, _Loader(f"nspd.core.{mutant.module}", mutant))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR[0], resource.RLIM_INFINITY))
    if (stage := _schedules_notice()) is not None:
        return stage
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR[1], resource.RLIM_INFINITY))
    import pytest

    backend = "not uvloop" if mutant.module in _BOTH_BACKENDS else "not uvloop and not trio"
    for suites in _suites(mutant.module, quick=quick):
        options = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider"]
        code = pytest.main([*suites, *options, "-k", f"({backend}) and not mass_death", *IGNORED])
        if code not in (0, 5):
            return suites[0]
    return None


def _suites(module: str, *, quick: bool) -> Iterator[list[str]]:
    """The tests, those first that ask most of the module."""
    own = f"tests/core/test_{module}.py"
    if (ROOT / own).exists():
        yield [own]
    yield [f"tests/core/test_{name}.py" for name in _NEAREST if name != module]
    if not quick:
        yield ["tests/core"]
        yield ["tests/cases"]


_NEAREST = ("lookup", "run", "cancellation", "router", "session", "part", "cancellation_sweep")


_BOTH_BACKENDS = ("work",)
"""Modules with code for one backend alone; the others are tried on asyncio."""

IGNORED = ("--ignore=tests/cases/test_races.py",)
"""Left out: what takes longest and asks the least that is not asked elsewhere."""

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


def _schedules_notice() -> str | None:
    try:
        from tests.exhaustive.explore import explore
        from tests.exhaustive.schedules import SCENARIOS

        for name, events, backend in _SCHEDULES:
            explore(SCENARIOS[name], events, backend)
    except Exception:  # noqa: BLE001 - whatever the mutant does, it was noticed
        return "schedules"
    return None


class Verdict(NamedTuple):
    """What became of a mutant."""

    id: str
    line: int
    change: str
    caught_by: str | None
    seconds: float


def _fork(mutant: Mutant, results: Path, *, quick: bool) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    try:
        caught = _notices(mutant, quick=quick)
    except BaseException:  # noqa: BLE001 - the process ends here, whatever came
        caught = "crash"
    results.write_text(caught or "", encoding="utf-8")
    os._exit(0)


def run(
    wanted: Sequence[Mutant], jobs: int, scratch: Path, *, quick: bool = False
) -> Iterator[Verdict]:
    """Try mutants, some at a time, in the order in which they are done."""
    waiting = list(reversed(wanted))
    running: dict[int, tuple[Mutant, float, Path]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            results = scratch / mutant.id.replace(":", "-")
            results.unlink(missing_ok=True)
            running[_fork(mutant, results, quick=quick)] = mutant, time.monotonic(), results
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid:
            mutant, since, results = running.pop(pid)
            caught = results.read_text(encoding="utf-8") if results.exists() else "its own end"
            taken = time.monotonic() - since
            yield Verdict(mutant.id, mutant.line, mutant.change, caught or None, taken)
            continue
        for pid, (_, since, results) in list(running.items()):
            if time.monotonic() - since > PATIENCE:
                results.write_text("hangs", encoding="utf-8")
                os.killpg(pid, signal.SIGKILL)
        time.sleep(0.02)


def main(arguments: Sequence[str]) -> int:
    """The command; 1 if a mutant survived."""
    parser = argparse.ArgumentParser(prog="python -m bench.mutants", description=__doc__)
    parser.add_argument("--modules", default=",".join(MODULES))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default="", help="the mutants with these ids")
    parser.add_argument("--sample", type=int, help="so many of each module, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="name the mutants and try none")
    parser.add_argument("--quick", action="store_true", help="leave out the slower tests")
    options = parser.parse_args(arguments)
    wanted = list(_wanted(options))
    if options.list:
        for mutant in wanted:
            print(mutant.id, mutant.line, mutant.change)
        return 0
    sys.path.insert(0, str(ROOT))
    for name in _NEEDED_BY_ALL:
        importlib.import_module(name)
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory() as scratch:
        if not options.only and (broken := _baseline(Path(scratch))) is not None:
            print(f"without any change, {broken} fails")
            return 2
        for verdict in run(wanted, options.jobs, Path(scratch), quick=options.quick):
            verdicts.append(verdict)
            if verdict.caught_by is None:
                print(f"survived {verdict.id} line {verdict.line}: {verdict.change}", flush=True)
    survivors = [verdict for verdict in verdicts if verdict.caught_by is None]
    caught = len(verdicts) - len(survivors)
    print(f"{caught} of {len(verdicts)} caught: {100 * caught / max(1, len(verdicts)):.1f} %")
    if options.json is not None:
        text = json.dumps([verdict._asdict() for verdict in verdicts], indent=1)
        options.json.write_text(text, encoding="utf-8")
    return 1 if survivors else 0


def _wanted(options: argparse.Namespace) -> Iterator[Mutant]:
    chosen: dict[str, set[int]] = {}
    for name in filter(None, options.only.split(",")):
        module, _, number = name.partition(":")
        chosen.setdefault(module, set()).add(int(number))
    for module in chosen or options.modules.split(","):
        source = _source(module)
        numbers: Collection[int] = chosen.get(module) or range(count(source))
        if options.sample is not None and options.sample < len(numbers):
            numbers = set(random.Random(options.seed).sample(sorted(numbers), options.sample))
        yield from mutants(module, source, numbers)


_NEEDED_BY_ALL = (
    "anyio._backends._asyncio",
    "pytest",
    "structlog",
    "trio.testing",
    "nspd.model.verdict",
)
"""What every mutant needs and none changes; imported once. (hypothesis would change trio.)"""


def _baseline(scratch: Path) -> str | None:
    source = _source(MODULES[0])
    (verdict,) = run([Mutant(MODULES[0], -1, 0, "nothing", source)], 1, scratch)
    return verdict.caught_by


def _source(module: str) -> str:
    return (ROOT / "nspd" / "core" / f"{module}.py").read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
