"""Running a check on an event loop, with an end even if what it checks has none."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from nspd.testing.violation import ContractViolation

LIMIT = 120.0
"""Seconds after which a check is given up: something shields itself from being cancelled."""


def run(backend: str, check: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Run an async check on one backend, in a thread of its own.

    Work that cannot be cancelled would keep the event loop, and the tests with
    it, for ever; so the thread is left behind after `LIMIT`.

    Args:
        backend: ``asyncio``, ``uvloop`` or ``trio``.
        check: called with the arguments.

    Raises:
        ContractViolation: the check found something, or has no end; a note names the backend.
    """
    failed: list[BaseException] = []
    options = {"use_uvloop": backend == "uvloop"} if backend != "trio" else {}
    loop = "trio" if backend == "trio" else "asyncio"

    def body() -> None:
        try:
            anyio.run(check, *args, backend=loop, backend_options=options)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=body, name=f"contract check on {backend}", daemon=True)
    thread.start()
    thread.join(LIMIT)
    if thread.is_alive():
        raise ContractViolation(f"on {backend} the check does not end within {LIMIT:.0f} s")
    if failed:
        error = _first(failed.pop())
        error.add_note(f"on {backend}")
        raise error


def _first(error: BaseException) -> BaseException:
    """The first error in a group of several."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
