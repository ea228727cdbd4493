"""A mutation run: break one thing at a time in the core, and see whether the tests notice.

    python -m bench.mutants [--modules lookup,run,...] [--jobs N] [--json FILE] [--only ID,...]

Each mutant is one change of one expression or statement. It is made in memory,
in a forked process, so the sources are never touched; the process then runs the
tests and the exhaustive schedules until something fails (`bench.noticing`). A
mutant that nothing notices has survived: either a test is missing, or the
change means nothing.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench import noticing, planting
from bench.mutations import Mutant, count, mutants
from bench.noticing import Footprints, Probe

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
    "accounts",
    "graces",
    "sharing",
    "work",
    "work_asyncio",
    "work_trio",
    "moving",
    "task_trio",
)
"""The modules of nspd.core that settle, cancel and forget."""

_NEEDED_BY_ALL = (
    "anyio._backends._asyncio",
    "pytest",
    "structlog",
    "trio.testing",
    "nspd.model.verdict",
)
"""What every mutant needs and none changes; imported once. (hypothesis would change trio.)"""


class Verdict(NamedTuple):
    """What became of a mutant."""

    id: str
    line: int
    change: str
    caught_by: str | None
    seconds: float


class _Trial:
    """The mutants of one run; keeps what noticed those before, to ask it first."""

    def __init__(self, tests: Sequence[str], jobs: int, scratch: Path) -> None:
        self.tests = tests
        self.prints: Footprints = {}
        self._jobs = jobs
        self._scratch = scratch
        self._kills: Counter[str] = Counter()
        self._sound: set[tuple[str, ...]] = set()

    def anew(self, mutant: Mutant, results: Path) -> None:
        """In a process of its own: import the mutant, and all that stands on it."""
        sys.meta_path.insert(0, planting.Loader(mutant))
        failed = results.with_suffix(".failed")
        failed.write_text("its import", encoding="utf-8")
        pid = noticing.fork(lambda: self._collected(mutant, failed), own_group=False)
        os.waitpid(pid, 0)
        caught = failed.read_text(encoding="utf-8")
        results.write_text(json.dumps([caught] if caught else []), encoding="utf-8")

    def _collected(self, mutant: Mutant, failed: Path) -> None:
        importlib.import_module(f"nspd.core.{mutant.module}")

        def try_them(probes: list[Probe]) -> None:
            chosen = noticing.on_backends_of(mutant.module, probes)
            noticing.try_all(chosen, self.prints, failed)

        noticing.collected(self.tests, try_them)

    def in_place(self, probes: Sequence[Probe], mutant: Mutant, results: Path) -> None:
        """In a process of its own: change the one function, where it stands."""
        chosen = noticing.ordered(probes, mutant, self.prints, self._kills)
        noticing.noticed_here(mutant, chosen, self.prints, self._is_sound, results)

    def _is_sound(self, names: Sequence[str]) -> bool:
        return tuple(names) in self._sound

    def run(
        self, wanted: Sequence[Mutant], work: Callable[[Mutant, Path], None]
    ) -> Iterator[Verdict]:
        """Try mutants, some at a time, in the order in which they are done."""
        waiting = [*reversed(wanted)]
        running: dict[int, tuple[Mutant, float, Path]] = {}
        while waiting or running:
            while waiting and len(running) < self._jobs:
                mutant = waiting.pop()
                results = self._scratch / mutant.id.replace(":", "-")
                pid = noticing.fork(partial(work, mutant, results))
                running[pid] = mutant, time.monotonic(), results
            pid, _ = os.waitpid(-1, 0)
            if pid not in running:
                continue
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # what the tests may have left behind
            mutant, since, results = running.pop(pid)
            names = json.loads(results.read_text("utf-8"))
            if names:
                self._sound.add(tuple(names))
                self._kills[f"{mutant.module} {names[-1]}"] += 1
                self._kills[f"{mutant.module}:{mutant.function} {names[-1]}"] += 1
            seconds = time.monotonic() - since
            caught = names[-1] if names else None
            yield Verdict(mutant.id, mutant.line, mutant.change, caught, seconds)


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
    parser.add_argument("--tests", nargs="*", default=(), help="instead of the usual ones")
    options = parser.parse_args(arguments)
    wanted = list(_wanted(options))
    if options.list:
        for mutant in wanted:
            print(mutant.id, mutant.line, mutant.change)
        return 0
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory() as scratch:
        for verdict in _verdicts(options, wanted, Path(scratch)):
            verdicts.append(verdict)
            if verdict.caught_by is None:
                print(f"survived {verdict.id} line {verdict.line}: {verdict.change}", flush=True)
    if options.json is not None:
        text = json.dumps([verdict._asdict() for verdict in verdicts], indent=1)
        options.json.write_text(text, encoding="utf-8")
    return _tell(verdicts)


def _verdicts(
    options: argparse.Namespace, wanted: Sequence[Mutant], scratch: Path
) -> Iterator[Verdict]:
    sys.path.insert(0, str(noticing.ROOT))
    # What a property's failing example was is no concern of the next mutant.
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(scratch / "hypothesis")
    for name in _NEEDED_BY_ALL:
        importlib.import_module(name)
    trial = _Trial(options.tests, options.jobs, scratch)
    trial.prints = noticing.footprints(options.tests, MODULES, scratch)
    sources = {module: _source(module) for module in MODULES}
    here: list[Mutant] = []
    anew: list[Mutant] = []
    for mutant in wanted:
        replaceable = planting.is_replaceable(mutant, sources[mutant.module])
        (here if replaceable else anew).append(mutant)
    yield from trial.run(anew, trial.anew)
    if here:
        yield from _verdicts_here(trial, here)


def _verdicts_here(trial: _Trial, wanted: Sequence[Mutant]) -> Iterator[Verdict]:
    """Try those that can be put in place in forks of one process that has collected the tests."""
    reading, writing = os.pipe()

    def work() -> None:
        with os.fdopen(writing, "w", encoding="utf-8") as told:

            def try_them(probes: list[Probe]) -> None:
                for verdict in trial.run(wanted, partial(trial.in_place, probes)):
                    print(json.dumps(verdict), file=told, flush=True)

            noticing.collected(trial.tests, try_them)

    pid = noticing.fork(work)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as told:
        for line in told:
            yield Verdict(*json.loads(line))
    os.waitpid(pid, 0)


def _tell(verdicts: Sequence[Verdict]) -> int:
    tried, caught = Counter[str](), Counter[str]()
    for verdict in verdicts:
        module = verdict.id.partition(":")[0]
        tried[module] += 1
        caught[module] += verdict.caught_by is not None
    if len(tried) > 1:
        for module in tried:
            print(f"{module}: {caught[module]} of {tried[module]}")
    share = 100 * caught.total() / max(1, len(verdicts))
    print(f"{caught.total()} of {len(verdicts)} caught: {share:.1f} %")
    return 1 if caught.total() < len(verdicts) else 0


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


def _source(module: str) -> str:
    return (noticing.ROOT / "nspd" / "core" / f"{module}.py").read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
