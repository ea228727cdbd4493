"""Functions that may fail without ending who calls them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from nspd.core.guard import call_guarded
from tests.core.world import Log


class Fault(Exception):
    """What the actions here raise."""


class Lease:
    """An object with an action, which can be called itself, too."""

    def expire(self, *names: str) -> None:
        raise Fault(*names)

    def __call__(self) -> None:
        raise Fault


@pytest.mark.parametrize(
    ("action", "name"),
    [
        (Lease().expire, "Lease.expire"),
        (partial(Lease().expire, "example.org"), "Lease.expire"),
        (Lease(), "Lease"),
    ],
)
def test_a_failure_is_logged_with_the_name_of_the_function(
    action: Callable[[], None], name: str
) -> None:
    """Never with its arguments, which may be names that people look up."""
    log = Log()
    call_guarded(log, "it failed", action, lookup=7)
    assert log.entries == [("exception", "it failed")]
    assert log.values == [{"action": name, "lookup": 7}]


def test_what_succeeds_is_not_logged() -> None:
    """The function is called once."""
    log, called = Log(), list[int]()
    call_guarded(log, "it failed", partial(called.append, 1))
    assert (called, log.entries) == ([1], [])


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_must_stop_the_process_passes(stop: type[BaseException]) -> None:
    """Only an `Exception` is a fault of the function."""

    def action() -> None:
        raise stop

    with pytest.raises(stop):
        call_guarded(Log(), "it failed", action)
