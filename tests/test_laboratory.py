"""What bench.laboratory measures comes from a daemon that is asked, and adds up.

No test here asks how fast anything is; a busy machine must not fail the build.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from bench import laboratory, servers


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int, Path]]:
    """A daemon with the test namespace: its socket, its process and its log."""
    directory = tmp_path_factory.mktemp("lab")
    hosts = servers.write_hosts(directory)
    with servers.nspd("uvloop", hosts, directory) as (path, pid):
        yield path, pid, directory / "nspd-uvloop.log"


def test_killed(daemon: tuple[Path, int, Path]) -> None:
    """Clients are killed in mid-lookup, and nothing of them is left."""
    path, _, log = daemon
    figures = laboratory.measure_killed(path, 3, log)
    assert figures["killed_clients"] == 3
    assert 0 < figures["killed_ms"] < 60_000
    assert (figures["killed_left"], figures["errors_logged"]) == (0, 0)


def test_million(daemon: tuple[Path, int, Path]) -> None:
    """Lookups are begun and ended in portions, and nothing of them is left."""
    path, pid, _ = daemon
    figures = laboratory.measure_million(path, pid, 1_500)
    assert (figures["million_lookups"], figures["million_left"]) == (1_500, 0)


def test_compared(daemon: tuple[Path, int, Path]) -> None:
    """Each condition holds while its samples are taken, round after round."""
    path, _, _ = daemon
    held: list[int] = []

    def beside() -> AbstractContextManager[None]:
        held.append(laboratory.census(path)["lookups"])
        return laboratory.waiting(path, 5)

    plain, other = laboratory.compared(path, nullcontext, beside, 8)
    assert plain.count == other.count == 8
    assert held == [0, 0, 0, 0]
    assert laboratory.census(path)["lookups"] == 0


def test_nuisance(daemon: tuple[Path, int, Path]) -> None:
    """Lookups of the bad kinds are under way while it lasts, and gone afterwards."""
    path, _, _ = daemon
    before = laboratory.census(path)
    with laboratory.nuisance(path):
        assert laboratory.census(path)["sessions"] == before["sessions"] + 3
    assert laboratory.left_over(path, before) == 0
