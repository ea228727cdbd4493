"""The judge of the race laboratory on a long true history: ``python -m bench.judge [REQUESTS]``.

The history comes from the tests' model daemon (`tests/race/liar/traffic.py`), a
chunk at a time, so that it need not be held. Printed: violations (there must be
none), what could not be judged, processor time of the judge for each request
with its reply, and the most that it held.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from typing import Any

from nspd.race.judge import Judge
from tests.race.liar.traffic import Traffic

_CHUNK = 20_000


def main(requests: int = 1_000_000) -> int:
    """Judge a history of so many requests; 0 if nothing was found, else 1."""
    judge = Judge(end_grace=0.1)
    found, seconds, most = 0, 0.0, 0
    for chunk in history(requests):
        gc.collect()
        started = time.process_time()
        for observation in chunk:
            found += len(judge.observe(*observation))
        seconds += time.process_time() - started
        most = max(most, judge.remembered)
    found += len(judge.finish(chunk[-1][0] if chunk else 0))
    print(f"{judge.judged} replies judged: {found} violations")
    print(f"not judged: {dict(judge.not_judged)}")
    print(f"{seconds / judge.judged * 1e6:.1f} us a request; at most {most} entries held")
    return 1 if found else 0


def history(requests: int) -> Iterator[list[tuple[Any, ...]]]:
    """The observations of five clients, in chunks."""
    chunk: list[tuple[Any, ...]] = []
    traffic = Traffic("bench", lambda *observation: chunk.append(observation), clients=5)
    for stop in range(_CHUNK, requests + _CHUNK, _CHUNK):
        traffic.run(min(stop, requests))
        if stop >= requests:
            traffic.settle()
        yield chunk
        chunk.clear()


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
