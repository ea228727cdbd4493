"""The contract of cancelling as a state machine: what may be seen after each event.

Written from the promises (C1 to C15), not from the code. A state and an event
give every legal continuation: the next state, and the facts seen meanwhile in
their order. More than one only where tasks take turns whose order the contract
leaves open (C5).

Facts are ``("reply", call, outcome)``, ``("begun", run)`` when a provider's
coroutine takes its first step, and ``("cancelled",)`` when work is told to stop.
Outcomes are a record's name (``"0.1"``: the first of the run that lookup 0
began), a code, 0 for a Begin, or, for an End, what it tells of the work with
the number of calls that it cancelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.exhaustive.state import Draft, Event, Facts, Run, State

CANCELLED, TIMED_OUT, NO_MORE, NOT_FOUND, REFUSED = 10111, 10060, 10110, 10108, 10022
FAILED = 11002
"""The code with which the provider fails when it is told to."""
ROOM = 2
"""Records held ready for one lookup before its provider waits."""


def step(state: State, event: Event) -> tuple[tuple[State, Facts], ...]:
    """Every legal continuation."""
    if event.kind == "turn":
        return tuple(dict.fromkeys(_turns(Contract(state))))
    draft = Contract(state)
    getattr(draft, event.kind)(event.of)
    return (draft.result(),)


def stirring(state: State) -> bool:
    """Whether any task has something to do."""
    draft = Contract(state)
    able = any(run.woken or draft.able(r) for r, run in enumerate(state.runs))
    return able or bool(state.due) or draft.dying is not None


def room(state: State, r: int) -> int:
    """How many records of a run its fastest reader would take or hold now."""
    readers = [state.lookups[k] for k in Contract(state).readers(r)]
    given = state.runs[r].given
    return max((len(each.waiting) + ROOM - (given - each.read) for each in readers), default=0)


def _turns(draft: Contract) -> Iterator[tuple[State, Facts]]:
    steps = [partial(Contract.act, r=r) for r in range(len(draft.runs)) if draft.able(r)]
    if draft.due:
        steps.append(partial(Contract.tick))
    if draft.dying is not None:
        steps.append(partial(Contract.sweep))
    if not steps:
        draft.runs = [run._replace(woken=False) for run in draft.runs]
        yield draft.result()
    for step_of_a_task in steps:
        after = draft.copy()
        step_of_a_task(after)
        yield from _turns(after)


class Contract(Draft):
    """What the contract says of each event: for every kind of event a function of its name."""

    # What clients ask

    def begin(self, k: int) -> None:
        call = self.call()
        if self.lookups[k].client != "up":
            return self.reply(call, REFUSED)
        joined = [r for r, run in enumerate(self.runs) if run.phase in ("new", "working")]
        if not joined:
            self.runs[k] = Run()
        self.change(k, phase="live", run=joined[0] if joined else k)
        return self.reply(call, 0)

    def next(self, k: int) -> None:
        self.change(k, waiting=(*self.lookups[k].waiting, self.call()))
        self.serve(k)

    def end(self, k: int) -> None:
        call, cancelled = self.call(), self.close(k)
        r = self.lookups[k].run
        run = self.runs[r]
        if run.phase == "stopping":
            self.change_run(r, owed=(*run.owed, (call, cancelled)))
        else:
            self.reply(call, ("detached" if run.phase == "detached" else "none", cancelled))

    def cancel(self, call: int) -> None:
        if self.withdraw(call):
            self.reply(call, CANCELLED)

    def rundown(self, k: int) -> None:
        self.sweeps = (*self.sweeps, self.call())
        self.end_all(k, "rundown")

    def disconnect(self, k: int) -> None:
        self.end_all(k, "gone")

    def end_all(self, k: int, client: str) -> None:
        """All handles are gone; the first lookup is closed at once, others in their turn (C10)."""
        together = range(len(self.lookups)) if self.state.together else [k]
        live = [each for each in together if self.lookups[each].phase == "live"]
        for each in together:
            phase = "dying" if self.lookups[each].phase in ("live", "dying") else "gone"
            self.change(each, client=client, phase=phase)
        if live:
            self.close(live[0])
        self.swept()

    def sweep(self) -> None:
        """One more lookup is closed."""
        assert self.dying is not None
        self.close(self.dying)
        self.swept()

    def swept(self) -> None:
        """Rundown is answered after every call of the client."""
        if self.dying is None:
            for call in self.sweeps:
                self.reply(call, None)
            self.sweeps = ()

    def close(self, k: int) -> int:
        """All calls are answered; then the work that nobody reads any more is told to stop."""
        waiting = self.lookups[k].waiting
        for call in waiting:
            self.reply(call, CANCELLED)
        self.change(k, phase="gone", waiting=())
        self.leave(self.lookups[k].run)
        return len(waiting)

    def leave(self, r: int) -> None:
        phase = self.runs[r].phase
        self.change_run(r, woken=phase != "over")
        if phase in ("new", "working") and not self.readers(r):
            self.facts.append(("cancelled",))
            self.change_run(r, phase="stillborn" if phase == "new" else "stopping")

    def withdraw(self, call: int) -> bool:
        for k, lookup in enumerate(self.lookups):
            if call in lookup.waiting:
                self.change(k, waiting=tuple(each for each in lookup.waiting if each != call))
                return True
        return False

    def serve(self, k: int) -> None:
        """Calls are served first come, first served, with records in order (C7)."""
        while (waiting := self.lookups[k].waiting) and self.lookups[k].phase == "live":
            _, _, r, read, upto, code, _ = self.lookups[k]
            if read < (self.runs[r].given if upto is None else upto):
                self.change(k, read=read + 1)
                self.reply(waiting[0], f"{r}.{read + 1}")
            elif upto is not None:
                self.reply(waiting[0], NO_MORE if upto else code)
            else:
                return
            self.change(k, waiting=waiting[1:])

    # What the world does

    def record(self, r: int) -> None:
        self.tell(r, "record")

    def done(self, r: int) -> None:
        self.tell(r, "done")

    def fail(self, r: int) -> None:
        self.tell(r, "fail")

    def tell(self, r: int, order: str) -> None:
        if self.runs[r].phase not in ("over", "stillborn"):
            self.change_run(r, orders=(*self.runs[r].orders, order), woken=True)

    def timeout(self, call: int) -> None:
        self.due = (*self.due, Event("timeout", call))

    def budget(self, k: int) -> None:
        self.due = (*self.due, Event("budget", k))

    def grace(self, r: int) -> None:
        self.due = (*self.due, Event("grace", r))

    # What tasks do

    def able(self, r: int) -> bool:
        """Whether the task of a run can take a step."""
        phase, given, orders, _, _ = self.runs[r]
        if phase in ("stopping", "detached") and self.state.stubborn:
            return bool(orders)
        if phase != "working":
            return phase in ("new", "stillborn", "stopping")
        return bool(orders) and (orders[0] != "record" or self.has_room(r, given))

    def has_room(self, r: int, given: int) -> bool:
        readers = [self.lookups[k] for k in self.readers(r)]
        return any(
            (each.waiting and each.phase == "live") or given - each.read < ROOM for each in readers
        )

    def act(self, r: int) -> None:
        phase, given, orders, owed, _ = self.runs[r]
        order = orders[0] if orders else None
        if phase == "new":
            self.facts.append(("begun", r))
            self.change_run(r, phase="working")
        elif phase == "working" and order == "record":
            self.change_run(r, given=given + 1, orders=orders[1:])
            for k in self.readers(r):
                self.serve(k)
        elif phase == "working":
            readers = self.readers(r)
            self.change_run(r, phase="over", orders=())
            for k in readers:
                self.change(k, upto=given, code=FAILED if order == "fail" else NOT_FOUND)
                self.serve(k)
        elif self.state.stubborn and order == "record":
            self.change_run(r, orders=orders[1:])  # it reaches nobody (C9)
        else:
            self.change_run(r, phase="over", orders=(), owed=())
            for call, cancelled in owed:
                self.reply(call, ("stopped", cancelled))

    def tick(self) -> None:
        (kind, of), self.due = self.due[0], self.due[1:]
        dying = any(of in each.waiting for each in self.lookups if each.phase == "dying")
        if kind == "timeout" and self.withdraw(of):
            self.reply(of, CANCELLED if dying else TIMED_OUT)
        elif kind == "budget" and self.lookups[of].phase == "live":
            if self.lookups[of].upto is None:
                r = self.lookups[of].run
                self.change(of, upto=self.runs[r].given, code=TIMED_OUT)
                self.leave(r)
            self.serve(of)
        elif kind == "grace" and self.runs[of].phase == "stopping":
            for call, cancelled in self.runs[of].owed:
                self.reply(call, ("detached", cancelled))
            self.change_run(of, phase="detached", owed=())
