"""Calls of plain functions whose failure must not end the task that makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def call_guarded(log: Any, event: str, action: Callable[[], None], **values: Any) -> None:
    """Call a function; an exception in it is logged, with the function's name.

    Args:
        log: a structlog logger.
        event: what is logged then.
        action: the function.
        values: what is logged beside its name.
    """
    try:
        action()
    except Exception:  # the supervisor: one fault in nspd itself must not end the daemon
        log.exception(event, action=_name(action), **values)


def _name(action: Callable[[], None]) -> str:
    # Never its repr: that shows arguments, and they may hold names that people look up.
    function = getattr(action, "func", action)
    return getattr(function, "__qualname__", type(function).__qualname__)
