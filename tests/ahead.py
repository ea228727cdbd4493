"""Work that other processes do while the tests before it go on.

What takes long and needs nothing of the test's own process is begun when its
module begins, one process for each core; the test that asks for it waits for
what is left of it. Warnings are errors there, too.
"""

from __future__ import annotations

import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

_T = TypeVar("_T")
_P = ParamSpec("_P")

_unheard: list[str] = []
"""What went wrong where no exception could be raised."""


class _Outcome(NamedTuple):
    result: Any = None
    failure: str = ""


class Begun(Generic[_T]):
    """Work under way in another process."""

    def __init__(self, future: Future[_Outcome]) -> None:
        self._future = future

    def result(self) -> _T:
        """Wait for what it returns.

        Raises:
            AssertionError: it failed; with the traceback from there, and its notes.
        """
        result, failure = self._future.result()
        if failure:
            raise AssertionError(f"in another process:\n{failure}")
        value: _T = result
        return value


class Processes:
    """The processes that do it."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def begin(
        self, function: Callable[_P, _T], /, *args: _P.args, **options: _P.kwargs
    ) -> Begun[_T]:
        """Have a function of a module called there, as soon as a process is free."""
        return Begun(self._pool.submit(_attempt, function, args, options))


@contextmanager
def open_processes(number: int | None = None) -> Iterator[Processes]:
    """Keep so many processes, by default one for each core; what nobody waited for is given up."""
    pool = ProcessPoolExecutor(number, mp_context=get_context("spawn"), initializer=_be_strict)
    try:
        yield Processes(pool)
    finally:
        pool.shutdown(cancel_futures=True)


def _be_strict() -> None:
    warnings.simplefilter("error")

    def unraisable(unraisable: sys.UnraisableHookArgs) -> None:
        _unheard.append(f"{unraisable.exc_value!r} in {unraisable.object!r}")

    def in_thread(failed: threading.ExceptHookArgs) -> None:
        _unheard.append(f"{failed.exc_value!r} in {failed.thread!r}")

    sys.unraisablehook = unraisable
    threading.excepthook = in_thread


def _attempt(
    function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
) -> _Outcome:
    """Call it; a failure is told as text, for not every exception can be pickled."""
    try:
        result = function(*args, **options)
    except Exception:  # noqa: BLE001 - whatever it is, the test that waits is told of it
        return _Outcome(failure=traceback.format_exc())
    if _unheard:
        failure = "\n".join(_unheard)
        _unheard.clear()
        return _Outcome(failure=failure)
    return _Outcome(result)
