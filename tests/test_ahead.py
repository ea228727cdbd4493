"""What other processes do for a test comes back whole: what was returned, or what went wrong."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator

import pytest

from tests.ahead import Processes, open_processes


def adds(one: int, *, other: int) -> int:
    """The sum."""
    return one + other


def fails() -> None:
    """Fail with a note."""
    error = LookupError("no such seed")
    error.add_note("again: NSPD_SEED=17")
    raise error


def warns() -> None:
    """Warn of something."""
    warnings.warn("old", DeprecationWarning, stacklevel=1)


class Unfinished:
    """Fails where nobody can be told."""

    def __del__(self) -> None:
        raise LookupError("unheard")


def leaves_something() -> None:
    """Let go of one."""
    Unfinished()


def fails_in_a_thread() -> None:
    """Have a thread fail."""
    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """One process, for all that is done here."""
    with open_processes(1) as processes:
        yield processes


def test_what_it_returns(processes: Processes) -> None:
    """Work is begun with its arguments, and its result waited for."""
    begun = [processes.begin(adds, number, other=5) for number in range(3)]
    assert [each.result() for each in begun] == [5, 6, 7]


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (fails, r"(?s)in another process:.*LookupError: no such seed\nagain: NSPD_SEED=17"),
        (warns, "DeprecationWarning: old"),
        (leaves_something, "unheard"),
        (fails_in_a_thread, "no such seed"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_goes_wrong(processes: Processes, work: object, words: str) -> None:
    """A failure has its traceback and notes; a warning is one, and so is what nobody hears."""
    assert callable(work)
    with pytest.raises(AssertionError, match=words):
        processes.begin(work).result()
    assert processes.begin(adds, 1, other=1).result() == 2
