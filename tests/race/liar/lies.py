"""The lies: model daemons with one step done wrong, and the dialogue in which each comes out.

Each dialogue is also run with the honest model, of which nothing may be found.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from msgspec import Struct

from tests.race.liar.dialogue import CLEANUP, NEXT, RUNDOWN, TEST, Dialogue
from tests.race.liar.model import Call, Lookup, Message, Model


class Lie(Struct, frozen=True):
    """One lie."""

    model: type[Model]
    promise: str
    """Under which it must be found."""
    dialogue: Callable[[Dialogue], object]
    judge: dict[str, float] = {}
    """What the judge is told of the daemon."""


# The dialogues: what clients do that any of them may do


def end_while_waiting(d: Dialogue) -> None:
    """Two calls wait on a lookup that hangs; it is ended; then its handle is tried again."""
    d.connect(1)
    handle = d.begin(1, "records=1&hang=1")
    for _ in range(3):
        d.next(1, handle)
    d.end(1, handle)
    d.end(1, handle)
    d.next(1, handle)
    again = d.begin(1, "records=0&hang=1")
    d.next(1, again)
    d.end(1, again)


def end_twice(d: Dialogue) -> None:
    """A lookup is ended again and again."""
    d.connect(1)
    handle = d.begin(1)
    for _ in range(3):
        d.end(1, handle)


def read_one_by_one(d: Dialogue) -> None:
    """Two records, each asked for when the one before has come."""
    d.connect(1)
    handle = d.begin(1, "records=2")
    d.next(1, handle)
    d.next(1, handle)


def end_without_record(d: Dialogue) -> None:
    """One call waits for a record at a gate; End comes first."""
    d.connect(1)
    handle = d.begin(1, "gate=g")
    d.next(1, handle)
    d.end(1, handle)
    d.tokens("g")


def two_wait_at_the_end(d: Dialogue) -> None:
    """Two calls wait for records at a gate when End comes."""
    d.connect(1)
    handle = d.begin(1, "records=2&gate=g")
    d.next(1, handle)
    d.next(1, handle)
    d.end(1, handle)


def read_to_the_end(d: Dialogue) -> None:
    """Three records in calls that were sent ahead, the end twice, End."""
    d.connect(1)
    handle = d.begin(1, "records=3&gate=g")
    for _ in range(5):
        d.next(1, handle)
    d.tokens("g", 3)
    d.end(1, handle)


def withdraw_and_read_on(d: Dialogue) -> None:
    """A call is withdrawn, its record comes to the next one; cancel requests for nothing."""
    d.connect(1)
    handle = d.begin(1, "records=2&gate=g")
    waiting = d.next(1, handle)
    d.ask(1, "$/cancelRequest", id=waiting)
    d.ask(1, "$/cancelRequest", id=waiting)
    d.ask(1, "$/cancelRequest", id=99_999)
    d.tokens("g", 2)
    for _ in range(3):
        d.next(1, handle)
    d.end(1, handle)


def withdraw_and_ask_again(d: Dialogue) -> None:
    """A call is withdrawn, and the next one waits for the same record."""
    d.connect(1)
    handle = d.begin(1, "gate=g")
    waiting = d.next(1, handle)
    d.ask(1, "$/cancelRequest", id=waiting)
    d.next(1, handle)


def time_out_and_read_on(d: Dialogue) -> None:
    """A call times out; its record comes to the next one."""
    d.connect(1)
    handle = d.begin(1, "records=2&gate=g")
    d.next(1, handle, timeout=0.5)
    d.advance(0.6)
    d.tokens("g", 2)
    for _ in range(3):
        d.next(1, handle)
    d.end(1, handle)


def too_small_and_read_on(d: Dialogue) -> None:
    """A record does not fit, and stays for the next call."""
    d.connect(1)
    handle = d.begin(1, "records=2")
    d.next(1, handle, buffer_length=0)
    for _ in range(3):
        d.next(1, handle)
    d.end(1, handle)


def stubborn(d: Dialogue) -> None:
    """Work that goes on for a second after its cancellation."""
    d.connect(1)
    handle = d.begin(1, "hang=1&stubborn=1")
    d.next(1, handle)
    d.next(1, handle)
    d.end(1, handle)


def everything_ends(method: str) -> Callable[[Dialogue], None]:
    """Calls wait on two lookups and an nspd.Lookup; all is ended by one request."""

    def dialogue(d: Dialogue) -> None:
        d.connect(1)
        handles = [d.begin(1, "records=0&hang=1") for _ in range(2)]
        for handle in handles:
            d.next(1, handle)
        query = {"namespace": TEST, "query_string": "hang=1"}
        d.ask(1, "nspd.Lookup", restrictions=query)
        d.ask(1, method)
        for handle in handles:
            d.next(1, handle)
        d.begin(1)

    return dialogue


def ended_by_another(d: Dialogue) -> None:
    """An administrator ends a lookup on which a call waits."""
    d.connect(1)
    d.connect(2)
    handle = d.begin(1, "records=0&hang=1")
    d.next(1, handle)
    d.ask(2, "nspd.EndLookup", lookup=handle)
    d.next(1, handle)


def stolen_handle(d: Dialogue) -> None:
    """One client tries the other's handle."""
    d.connect(1)
    d.connect(2)
    handle = d.begin(1, "records=2")
    d.next(2, handle)
    d.end(2, handle)


def sharing(d: Dialogue) -> None:
    """Two clients share work; one withdraws and leaves; the other reads on, and one joins late."""
    d.connect(1)
    d.connect(2)
    query = "records=2&gate=g&shared=k"
    first, second = d.begin(1, query), d.begin(2, query)
    waiting = d.next(1, first)
    d.next(2, second)
    d.ask(1, "$/cancelRequest", id=waiting)
    d.next(1, first)
    d.end(1, first)
    d.tokens("g", 2)
    late = d.begin(1, query)
    for _ in range(3):
        d.next(2, second)
        d.next(1, late)
    d.end(2, second)
    d.end(1, late)


def begin_while_waiting(d: Dialogue) -> None:
    """A Begin while a call waits on another lookup."""
    d.connect(1)
    d.next(1, d.begin(1, "records=0&hang=1"))
    d.begin(1, "records=0&hang=1")


def begin_that_cancels(d: Dialogue) -> None:
    """The same in a session with ``cancel_on_begin``."""
    d.connect(1, cancel_on_begin=True)
    handle = d.begin(1, "records=0&hang=1")
    d.next(1, handle)
    d.begin(1, "records=0&hang=1")
    d.next(1, handle)


def foreign_cancellation(d: Dialogue) -> None:
    """The provider awaits what somebody else cancels."""
    d.connect(1)
    handle = d.begin(1, "records=0&foreign=1&gate=g")
    d.next(1, handle)
    d.end(1, handle)


def guessed_handle(d: Dialogue) -> None:
    """A NextEx sent behind its Begin, with a handle that is easy to guess."""
    d.connect(1)
    query = {"namespace": TEST}
    begin = ("NSPv2LookupServiceBegin", {"restrictions": query})
    d.pipeline(1, begin, (NEXT, {"lookup": 1_000}))


def whole_lookup(d: Dialogue) -> None:
    """Three records in one round trip."""
    d.connect(1)
    query = {"namespace": TEST, "query_string": "records=3"}
    d.ask(1, "nspd.Lookup", restrictions=query)


def census(d: Dialogue) -> None:
    """The census before and after lookups that were ended, and clients that left."""
    d.connect(1)
    d.ask(1, "nspd.Status")
    for client in (2, 3):
        d.connect(client)
        handle = d.begin(client, "records=0&hang=1")
        d.next(client, handle)
        if client == 2:
            d.end(client, handle)
        d.leave(client)
    d.advance(2)
    d.ask(1, "nspd.Status")


# The liars


class LosesCancelled(Model):
    """Ends the lookup and tells those who wait nothing."""

    def settle(self, lookup: Lookup) -> int:
        return len(lookup.waiting)


class LosesEndReply(Model):
    """Never answers End."""

    def end_one(self, client: int, id: Any, lookup: Lookup) -> None:
        self.settle(lookup)
        self.forget(lookup)


class LosesRecordReply(Model):
    """Gives the first record to nobody, and does not say so."""

    def give(self, lookup: Lookup, call: Call, record: Message) -> None:
        if record["version"]["version"] != 1:
            super().give(lookup, call, record)


class DoublesCancelled(Model):
    """Tells those who wait twice."""

    def settle(self, lookup: Lookup) -> int:
        waiting = list(lookup.waiting)
        super().settle(lookup)
        lookup.waiting.extend(waiting)
        return super().settle(lookup)


class AnswersInText(Model):
    """Makes the numeric ids of cancelled calls text."""

    def error(self, client: int, id: Any, code: int, **data: Any) -> None:
        super().error(client, str(id) if code == 10111 else id, code, **data)


class EndsFirst(Model):
    """Answers End, and only then those who wait."""

    def end_one(self, client: int, id: Any, lookup: Lookup) -> None:
        self.result(client, id, {"cancelled": len(lookup.waiting), "work": "stopped"})
        self.settle(lookup)
        self.forget(lookup)


class TellsWaitingGone(Model):
    """Tells those who wait that their handle does not exist."""

    def settle(self, lookup: Lookup) -> int:
        for call in lookup.waiting:
            self.error(lookup.client, call.id, 6)
        lookup.waiting.clear()
        return 0


class CancelsAsNotFound(Model):
    """Tells those who wait that there is nothing (cancel-as-success)."""

    def settle(self, lookup: Lookup) -> int:
        while lookup.waiting:
            verdicts = [self.verdict("empty", 11004, 0)]
            self.error(lookup.client, lookup.waiting.popleft().id, 11004, verdicts=verdicts)
        return 0


class RefusesEnd(Model):
    """Has no memory left for End."""

    def end_one(self, client: int, id: Any, lookup: Lookup) -> None:
        self.settle(lookup)
        self.forget(lookup)
        self.error(client, id, 8)


class ForgetsNothing(Model):
    """Lets a lookup be ended again and again."""

    def forget(self, lookup: Lookup) -> None:
        """Keep it."""


class RevivesHandles(Model):
    """Finds an ended handle again for NextEx."""

    def __init__(self, first_handle: int = 1_000) -> None:
        super().__init__(first_handle)
        self.ended: dict[int, Lookup] = {}

    def forget(self, lookup: Lookup) -> None:
        self.ended[lookup.handle] = lookup
        super().forget(lookup)

    def next(self, client: int, id: Any, params: Message) -> None:
        lookup = self.ended.get(params["lookup"])
        if lookup is not None:
            self.result(client, id, self.record(lookup, 1))
        else:
            super().next(client, id, params)


class ReusesHandles(Model):
    """Gives out the lowest free handle."""

    def new_handle(self) -> int:
        return next(handle for handle in count(1_000) if handle not in self.lookups)


class RefusesLiveHandles(Model):
    """Loses a lookup from its table as soon as a call has been answered."""

    def give(self, lookup: Lookup, call: Call, record: Message) -> None:
        super().give(lookup, call, record)
        self.sessions[lookup.client].lookups.pop(lookup.handle, None)


class DeliversAfterEnd(Model):
    """Answers End, and gives the record to the call that waited."""

    def end_one(self, client: int, id: Any, lookup: Lookup) -> None:
        waiting = lookup.waiting.popleft()
        super().end_one(client, id, lookup)
        self.give(lookup, waiting, self.record(lookup, 1))


class ServesAfterCancelling(Model):
    """Ends the first call, then gives a record to the second."""

    def settle(self, lookup: Lookup) -> int:
        last = lookup.waiting.pop()
        settled = super().settle(lookup)
        self.give(lookup, last, self.record(lookup, 1))
        return settled


class HalfRecords(Model):
    """Gives records before their addresses are there."""

    def record(self, lookup: Lookup, number: int) -> Message:
        record = super().record(lookup, number)
        del record["addresses"]
        return record


class MixesRecords(Model):
    """Has the comment of one record in another."""

    def record(self, lookup: Lookup, number: int) -> Message:
        other = super().record(lookup, number + 1)
        return {**super().record(lookup, number), "comment": other["comment"]}


class CancelledWithRecord(Model):
    """Puts the record into the error of the cancelled call."""

    def settle(self, lookup: Lookup) -> int:
        for call in lookup.waiting:
            self.error(lookup.client, call.id, 10111, **self.record(lookup, 1))
        settled = len(lookup.waiting)
        lookup.waiting.clear()
        return settled


class DropsWithdrawn(Model):
    """Throws away the record for which a withdrawn call had waited."""

    def withdraw(self, lookup: Lookup, call: Call) -> None:
        super().withdraw(lookup, call)
        lookup.taken += 1


class DropsTimedOut(Model):
    """Throws away the record for which a call had waited that timed out."""

    def time_out(self, lookup: Lookup, call: Call) -> None:
        super().time_out(lookup, call)
        lookup.taken += 1


class DropsMisfits(Model):
    """Throws away the record that did not fit."""

    def error(self, client: int, id: Any, code: int, **data: Any) -> None:
        super().error(client, id, code, **data)
        if code == 10014:
            for lookup in self.lookups.values():
                lookup.misfit = False
                lookup.taken += 1


class DropsTheLast(Model):
    """Says that there is no more when there is one more, in the verdicts too."""

    def readable(self, lookup: Lookup) -> int:
        return min(super().readable(lookup), lookup.run.total - 1)


class Reorders(Model):
    """Gives the second record first."""

    def record(self, lookup: Lookup, number: int) -> Message:
        return super().record(lookup, {1: 2, 2: 1}.get(number, number))


class GivesTwice(Model):
    """Gives the first record twice."""

    def record(self, lookup: Lookup, number: int) -> Message:
        return super().record(lookup, max(number - 1, 1))


class GivesAnothers(Model):
    """Gives records of a lookup by another name."""

    def record(self, lookup: Lookup, number: int) -> Message:
        name = super().record(lookup, number)["service_instance_name"]
        return {**super().record(lookup, number), "service_instance_name": f"other-{name}"}


class GivesAfterTheEnd(Model):
    """Tells the end, and then has one more record."""

    def finish(self, lookup: Lookup, call: Call) -> None:
        super().finish(lookup, call)
        lookup.run.total += 1
        lookup.run.given += 1


class DropsFromWhole(Model):
    """Leaves the second record out of an nspd.Lookup."""

    def results(self, lookup: Lookup, total: int) -> list[Message]:
        results = super().results(lookup, total)
        return [results[0], *results[2:]]


class SaysNone(Model):
    """Says that there was no work, though it has just been cancelled."""

    def work_of(self, lookup: Lookup) -> str:
        return "none"


class SaysStopped(Model):
    """Says that work has stopped that goes on."""

    def work_of(self, lookup: Lookup) -> str:
        work = super().work_of(lookup)
        return "stopped" if work == "detached" else work


class SaysStoppedAtTheEnd(Model):
    """Says that it has stopped work that was over before."""

    def work_of(self, lookup: Lookup) -> str:
        return "stopped"


class SaysDetached(Model):
    """Says at once that work goes on, without having waited for it."""

    def work_of(self, lookup: Lookup) -> str:
        return "detached"

    def end_one(self, client: int, id: Any, lookup: Lookup) -> None:
        now = self.now
        super().end_one(client, id, lookup)
        self.now = now


class EndsSlowly(Model):
    """Waits for stubborn work with the reply to End."""

    def end_one(self, client: int, id: Any, lookup: Lookup) -> None:
        if lookup.run.stubborn:
            self.advance(lookup.run.stubborn)
        super().end_one(client, id, lookup)


class Miscounts(Model):
    """Counts the calls that it cancelled wrongly."""

    def result(self, client: int, id: Any, result: Any, *, barrier: bool = False) -> None:
        if type(result) is dict and "cancelled" in result:
            result = {**result, "cancelled": result["cancelled"] + 1}
        super().result(client, id, result, barrier=barrier)


class LeaksLookups(Model):
    """Counts an ended lookup as open for ever."""

    leaked = 0

    def forget(self, lookup: Lookup) -> None:
        super().forget(lookup)
        self.leaked += 1

    def census(self) -> dict[str, int]:
        census = super().census()
        return {**census, "lookups": census["lookups"] + self.leaked}


class LeaksCalls(Model):
    """Keeps the calls of clients that have left."""

    leaked = 0

    def disconnect(self, client: int) -> None:
        self.leaked += sum(len(each.waiting) for each in self.sessions[client].lookups.values())
        super().disconnect(client)

    def census(self) -> dict[str, int]:
        census = super().census()
        return {**census, "waiting_calls": census["waiting_calls"] + self.leaked}


class SweepsTooLate(Model):
    """Answers Rundown and Cleanup before it answers those who wait."""

    def rundown(self, client: int, id: Any, params: Message) -> None:
        self.result(client, id, None)
        session = self.sessions[client]
        session.dead = True
        self.end_all(client)

    def cleanup(self, client: int, id: Any, params: Message) -> None:
        self.sessions[client].startups -= 1
        self.result(client, id, None)
        self.end_all(client)


class SweepsSilently(Model):
    """Forgets those who wait when everything ends."""

    def end_all(self, client: int) -> None:
        session = self.sessions[client]
        for lookup in list(session.lookups.values()):
            self.forget(lookup)
        session.oneshots.clear()


class BeginsAfterRundown(Model):
    """Takes new lookups in a session that was run down."""

    def begin(self, client: int, id: Any, params: Message) -> None:
        self.sessions[client].dead = False
        super().begin(client, id, params)


class KeepsForeignEndSecret(Model):
    """Ends a lookup for an administrator and does not tell who waits on it."""

    def end_lookup(self, client: int, id: Any, params: Message) -> None:
        lookup = self.lookups[params["lookup"]]
        self.forget(lookup)
        self.result(client, id, {"cancelled": 1, "work": "stopped"})


class CancelsSharers(Model):
    """Cancels all that share the work when one of them withdraws."""

    def withdraw(self, lookup: Lookup, call: Call) -> None:
        super().withdraw(lookup, call)
        for other in lookup.run.readers:
            if other is not lookup:
                self.settle(other)


class StopsSharedWork(Model):
    """Ends the work of all when one of them ends."""

    def settle(self, lookup: Lookup) -> int:
        for other in lookup.run.readers:
            if other is not lookup:
                super().settle(other)
        return super().settle(lookup)


class JoinsInTheMiddle(Model):
    """Lets one who joins shared work late begin with the record that is next."""

    def new_lookup(self, client: int, params: Message) -> Lookup:
        lookup = super().new_lookup(client, params)
        if lookup.run.shared:
            lookup.taken = min(lookup.run.given, 1)
        return lookup


class BeginCancels(Model):
    """Ends waiting lookups at a Begin though the session has not asked for it."""

    def startup(self, client: int, id: Any, params: Message) -> None:
        super().startup(client, id, {"cancel_on_begin": True})


class BeginCancelsLater(Model):
    """Answers the Begin of such a session before those whom it cancels."""

    def begin(self, client: int, id: Any, params: Message) -> None:
        session = self.sessions[client]
        session.cancel_on_begin = False
        waiting = [each for each in session.lookups.values() if each.waiting]
        super().begin(client, id, params)
        for lookup in waiting:
            self.settle(lookup)
            self.forget(lookup)


class CancelFails(Model):
    """Answers a cancel request for nothing with an error."""

    def cancel_request(self, client: int, id: Any, params: Message) -> None:
        if params["id"] == 99_999:
            self.error(client, id, 10022)
        else:
            super().cancel_request(client, id, params)


class CancelKills(Model):
    """Ends the lookup when one of its calls is withdrawn."""

    def withdraw(self, lookup: Lookup, call: Call) -> None:
        super().withdraw(lookup, call)
        del self.sessions[lookup.client].lookups[lookup.handle]


class SendsOldCancelled(Model):
    """Says 10103 where it must say 10111."""

    def error(self, client: int, id: Any, code: int, **data: Any) -> None:
        super().error(client, id, 10103 if code == 10111 else code, **data)


class SendsOldEnd(Model):
    """Says 10102 where it must say 10110."""

    def error(self, client: int, id: Any, code: int, **data: Any) -> None:
        super().error(client, id, 10102 if code == 10110 else code, **data)


class PassesCancellationOn(Model):
    """Takes a cancellation that is nobody's for that of the lookup."""

    def finish(self, lookup: Lookup, call: Call) -> None:
        if lookup.run.foreign:
            self.error(lookup.client, call.id, 10111)
        else:
            super().finish(lookup, call)


class LetsAnybodyIn(Model):
    """Finds a lookup by its handle, whoever asks."""

    def find(self, client: int, id: Any, handle: int) -> Lookup | None:
        lookup = self.lookups.get(handle)
        if lookup is None:
            return super().find(client, id, handle)
        return lookup

    def give(self, lookup: Lookup, call: Call, record: Message) -> None:
        self.result(2, call.id, record)


class AnswersBeforeBegin(Model):
    """Holds the reply to Begin back until there is a record."""

    def begin(self, client: int, id: Any, params: Message) -> None:
        super().begin(client, id, params)
        self.late = self.outboxes[client].pop()

    def next(self, client: int, id: Any, params: Message) -> None:
        super().next(client, id, params)
        self.outboxes[client].append(self.late)


LIES: dict[str, Lie] = {
    lie.model.__name__: lie
    for lie in (
        Lie(LosesCancelled, "C1", end_while_waiting),
        Lie(LosesEndReply, "C1", end_while_waiting),
        Lie(LosesRecordReply, "C1", read_to_the_end),
        Lie(DoublesCancelled, "C1", end_while_waiting),
        Lie(AnswersInText, "C1", end_while_waiting),
        Lie(EndsFirst, "C2", end_without_record),
        Lie(TellsWaitingGone, "C2", end_while_waiting),
        Lie(CancelsAsNotFound, "C2", end_while_waiting),
        Lie(RefusesEnd, "C3", end_while_waiting),
        Lie(ForgetsNothing, "C4", end_twice),
        Lie(RevivesHandles, "C4", end_while_waiting),
        Lie(ReusesHandles, "C4", end_while_waiting),
        Lie(RefusesLiveHandles, "C4", read_one_by_one),
        Lie(DeliversAfterEnd, "C5", end_without_record),
        Lie(ServesAfterCancelling, "C5", two_wait_at_the_end),
        Lie(HalfRecords, "C6", read_to_the_end),
        Lie(MixesRecords, "C6", read_to_the_end),
        Lie(CancelledWithRecord, "C6", end_without_record),
        Lie(DropsWithdrawn, "C7", withdraw_and_read_on),
        Lie(CancelKills, "C7", withdraw_and_ask_again),
        Lie(DropsTimedOut, "C7", time_out_and_read_on),
        Lie(DropsMisfits, "C7", too_small_and_read_on),
        Lie(DropsTheLast, "C7", read_to_the_end),
        Lie(Reorders, "C7", read_to_the_end),
        Lie(GivesTwice, "C7", read_to_the_end),
        Lie(GivesAnothers, "C7", read_to_the_end),
        Lie(GivesAfterTheEnd, "C7", read_to_the_end),
        Lie(DropsFromWhole, "C7", whole_lookup),
        Lie(SaysNone, "C8", end_while_waiting),
        Lie(SaysStopped, "C8", stubborn),
        Lie(SaysStoppedAtTheEnd, "C8", read_to_the_end),
        Lie(SaysDetached, "C8", end_while_waiting, {"end_grace": 0.1}),
        Lie(EndsSlowly, "C8", stubborn, {"end_within": 0.15}),
        Lie(Miscounts, "C8", end_without_record),
        Lie(LeaksLookups, "C8", census),
        Lie(LeaksCalls, "C8", census),
        Lie(SweepsTooLate, "C10", everything_ends(RUNDOWN)),
        Lie(SweepsSilently, "C10", everything_ends(RUNDOWN)),
        Lie(BeginsAfterRundown, "C10", everything_ends(RUNDOWN)),
        Lie(KeepsForeignEndSecret, "C10", ended_by_another),
        Lie(CancelsSharers, "C11", sharing),
        Lie(StopsSharedWork, "C11", sharing),
        Lie(JoinsInTheMiddle, "C7", sharing),
        Lie(BeginCancels, "C12", begin_while_waiting),
        Lie(BeginCancelsLater, "C12", begin_that_cancels),
        Lie(CancelFails, "C13", withdraw_and_read_on),
        Lie(SendsOldCancelled, "C14", end_without_record),
        Lie(SendsOldEnd, "C14", read_to_the_end),
        Lie(PassesCancellationOn, "C15", foreign_cancellation),
        Lie(LetsAnybodyIn, "isolation", stolen_handle),
        Lie(AnswersBeforeBegin, "order", guessed_handle),
    )
}
LIES["SweepsTooLate at Cleanup"] = Lie(SweepsTooLate, "C10", everything_ends(CLEANUP))
LIES["SweepsSilently at Cleanup"] = Lie(SweepsSilently, "C10", everything_ends(CLEANUP))
