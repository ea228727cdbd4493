"""Faults to plant in the core: the mistakes that a maintainer could make.

Each is a patch of one function, there as long as its context. The exhaustive
run has to find every one of them (test_planted_faults.py); a fault that it does
not find is a promise that it does not check.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from unittest.mock import patch

from nspd.core.accounts import Accounts
from nspd.core.ending import Ending
from nspd.core.lookup import Lookup
from nspd.core.outcome import CANCELLED, TIMED_OUT, Outcome
from nspd.core.part import Part
from nspd.core.router import Router
from nspd.core.run import Run
from nspd.core.session import Session
from nspd.core.sharing import SharedRuns
from nspd.core.users import User
from nspd.core.waiting import Waiter, WaitQueue
from nspd.core.work import Work
from nspd.model import errors
from nspd.model.queryset import QuerySet


class Fault(NamedTuple):
    """What is replaced by what, and the scenario that finds it."""

    owner: type
    function: str
    replacement: Callable[..., Any]
    scenario: str

    def planted(self) -> AbstractContextManager[object]:
        """The core with the fault in it."""
        return patch.object(self.owner, self.function, self.replacement)


FAULTS: dict[str, Fault] = {}


def fault(
    owner: type, function: str, scenario: str = "one"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a replacement, which is also given the original."""
    original = getattr(owner, function)

    def register(wrong: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(*args: Any, **options: Any) -> Any:
            return wrong(original, *args, **options)

        FAULTS[wrong.__name__.replace("_", "-")] = Fault(owner, function, replacement, scenario)
        return wrong

    return register


class _Ghost(Waiter):
    """A call that nobody hears of."""

    __slots__ = ()

    def settle(self, outcome: Outcome) -> None:
        pass


def _calls(lookup: Lookup) -> list[Waiter]:
    found = []
    waiter = lookup.waiting.first
    while waiter is not None:
        found.append(waiter)
        waiter = waiter.next
    return found


def _later(router: Router, function: Callable[[], object]) -> None:
    async def body() -> None:
        function()

    router.work.start(body, lambda error: None)


# End


@fault(Lookup, "close")
def swap_settle_and_cancel(original: Any, self: Lookup, ending: Ending | None = None) -> None:
    """The work is told to stop before the waiting calls are answered (C2)."""
    for part in self.parts:
        part.close(ending)
    original(self, ending)


@fault(Lookup, "close")
def forget_one_waiter(original: Any, self: Lookup, ending: Ending | None = None) -> None:
    """Of several waiting calls one is never answered (C1)."""
    calls = _calls(self)
    if len(calls) > 1:
        self.waiting.remove(calls[-1])
    original(self, ending)


@fault(Lookup, "close")
def settle_twice(original: Any, self: Lookup, ending: Ending | None = None) -> None:
    """A call is answered once more (C1)."""
    calls = _calls(self)
    original(self, ending)
    for call in calls[:1]:
        call.settle(CANCELLED)


@fault(Lookup, "end")
def decide_after_an_await(original: Any, self: Lookup) -> Ending:
    """End checks, lets others run, and then acts (C2, C5)."""
    if self.ended or not self.life.alive:
        raise errors.InvalidHandle
    self.session.forget(self)
    ending = Ending(0)
    _later(self.router, lambda: self.close(ending))
    return ending


@fault(Session, "forget")
def free_the_handle_late(original: Any, self: Session, lookup: Lookup) -> None:
    """The handle of an ended lookup is known for one more turn (C4)."""
    _later(self.router, lambda: original(self, lookup))


@fault(Lookup, "end")
def end_twice(original: Any, self: Lookup) -> Ending:
    """A second End finds nothing wrong (C4)."""
    return Ending(0) if self.ended else original(self)


@fault(Work, "cancel")
def work_goes_on(original: Any, self: Work, **how: bool) -> None:
    """End releases the calls and leaves the provider running (C8)."""


@fault(Work, "cancel")
def ended_before_started(original: Any, self: Work, **how: bool) -> None:
    """Work that was ended before its first step begins all the same."""
    if self.started:
        original(self, **how)


@fault(Work, "cancel")
def cancel_again(original: Any, self: Work, **how: bool) -> None:
    """The provider's scope is cancelled, and then cancelled again (C9)."""
    original(self, **how)
    self.cancel_called = False
    original(self, **how)


@fault(Ending, "owe")
def not_told_of_the_work(original: Any, self: Ending, run: Run) -> None:
    """End says "none" of work that it has only just told to stop (C8)."""


@fault(Ending, "run_detached", "stubborn")
def end_waits_for_the_stubborn(original: Any, self: Ending) -> None:
    """End's reply waits for work that goes on beyond end_grace (C8)."""


@fault(Accounts, "count_detached", "stubborn")
def released_but_running(original: Any, self: Accounts, run: Run, change: int) -> None:
    """Work that goes on after its End is not counted (C8)."""


# NextEx


@fault(Waiter, "time_out")
def record_lost_on_time_out(original: Any, self: Waiter) -> None:
    """The record that comes after a call's time-out is given to nobody (C7)."""
    lookup = self.lookup
    original(self)
    if lookup is not None:
        lookup.waiting.append(_Ghost(), lookup)


@fault(Waiter, "time_out")
def timed_out_call_stays(original: Any, self: Waiter) -> None:
    """A call that timed out goes on waiting, and is answered once more (C1)."""
    if self.lookup is not None:
        self.settle(TIMED_OUT)


@fault(Waiter, "withdraw")
def cancel_request_ends_the_lookup(original: Any, self: Waiter) -> None:
    """``$/cancelRequest`` does what End does."""
    lookup = self.lookup
    original(self)
    if lookup is not None:
        lookup.end()


@fault(WaitQueue, "remove")
def timer_stays(original: Any, self: WaitQueue, waiter: Waiter) -> None:
    """The timer of an answered call goes on."""
    waiter.timer = None
    original(self, waiter)


@fault(WaitQueue, "append")
def last_come_first_served(original: Any, self: WaitQueue, waiter: Waiter, lookup: Lookup) -> None:
    """A call overtakes those that wait already."""
    before = _calls(lookup)
    for call in before:
        timer, call.timer = call.timer, None  # taking a call out would drop it
        self.remove(call)
        call.timer = timer
    for call in (waiter, *before):
        original(self, call, lookup)


@fault(Lookup, "run_out_of_time", "budget")
def budget_drops_what_is_ready(original: Any, self: Lookup) -> None:
    """Records that were ready when the budget ran out are not delivered."""
    while isinstance(self.take(), QuerySet):
        pass
    original(self)


# Shared work


@fault(SharedRuns, "forget", "shared")
def sharing_key_stays(original: Any, self: SharedRuns, run: Run) -> None:
    """Work that the last reader has left can still be joined (C11)."""


@fault(Run, "leave", "shared")
def one_leaves_all_stop(original: Any, self: Run, part: Part) -> None:
    """Who leaves shared work stops it for the others (C11)."""
    for reader in tuple(self.readers):
        original(self, reader)


@fault(Run, "leave", "shared")
def last_one_leaves_the_light_on(original: Any, self: Run, part: Part) -> None:
    """Shared work goes on when the last has left (C11)."""
    if len(self.readers) > 1:
        original(self, part)


@fault(Part, "run_ended", "shared")
def only_one_is_told(original: Any, self: Part) -> None:
    """Of those who share work, only one learns that it is over (C1)."""
    assert self.run is not None
    if next(iter(self.run.readers)) is self:
        original(self)


# Sessions and accounts


@fault(Session, "rundown")
def rundown_answers_first(original: Any, self: Session, then: Callable[[], None]) -> None:
    """Rundown is answered before the calls that it ends (C10)."""
    then()
    original(self, lambda: None)


@fault(Accounts, "uncount")
def counter_drift(original: Any, self: Accounts, user: User, lookups: int) -> None:
    """An ended lookup keeps its place in the limits (C3)."""


@fault(Session, "close")
def client_died_server_works(original: Any, self: Session, then: Any = None) -> None:
    """A lost connection frees the lookups in the tables and stops none of the work (C10)."""
    self.lookups.clear()
    original(self, then)
