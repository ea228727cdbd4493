"""The two clients are one interface."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from nspd.client import aio, aio_lookup, sync, sync_lookup

PAIRS = [
    (sync.Client, aio.AsyncClient),
    (sync_lookup.Lookup, aio_lookup.Lookup),
    (sync_lookup.Events, aio_lookup.Events),
]
RENAMED = {"close": "aclose"}
NOT_WAITING = {
    "Client": {"lookup", "monitor", "socket"},
    "Lookup": {"handle"},
    "Events": {"close", "dropped"},
}


def public(kind: type[Any]) -> dict[str, Any]:
    """The public methods and properties of a class."""
    return {name: value for name, value in vars(kind).items() if not name.startswith("_")}


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_both_have_the_same_names(blocking: type[Any], asynchronous: type[Any]) -> None:
    """What one client offers, the other offers by the same name; closing waits as `aclose`."""
    renamed = RENAMED if blocking is sync.Client else {}
    names = {renamed.get(name, name) for name in public(blocking)}
    assert names == set(public(asynchronous))


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_both_take_the_same_arguments(blocking: type[Any], asynchronous: type[Any]) -> None:
    """Names, defaults and annotations of every parameter are equal, and so are the results."""
    renamed = RENAMED if blocking is sync.Client else {}
    methods = {name: value for name, value in public(blocking).items() if callable(value)}
    if blocking is sync.Client:
        methods["__init__"] = blocking.__init__
    for name, method in methods.items():
        other = getattr(asynchronous, renamed.get(name, name))
        assert inspect.signature(method) == inspect.signature(other), name


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS)
def test_what_may_wait_is_async_and_nothing_else(
    blocking: type[Any], asynchronous: type[Any]
) -> None:
    """`async` marks the methods that may wait for the daemon."""
    plain = {
        name
        for name, value in public(asynchronous).items()
        if not inspect.iscoroutinefunction(value)
    }
    assert plain == NOT_WAITING[blocking.__name__]
