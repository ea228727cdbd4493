"""A daemon in a few hundred lines that keeps every promise: the judge's honest server.

It has the test namespace alone, no sockets and no time but `advance`. `take`
carries out one request of one client; what is due goes into that client's
outbox; a barrier is what must not overtake the replies before it. The liars in
`tests.race.liar.lies` are subclasses, each with one step done wrong.
"""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

Message = dict[str, Any]

TEST_ID = "5e1d0000-0000-4000-8000-000000010001"
END_GRACE = 0.1


class Call:
    """A NextEx that waits."""

    def __init__(self, id: Any, params: Message) -> None:
        self.id = id
        self.room = params.get("buffer_length")
        self.flush = bool(params.get("control_flags", 0) & 0x2000)
        self.deadline = params.get("timeout")


class Run:
    """Work at the provider: what it has given, and who reads it."""

    def __init__(self, script: dict[str, str], name: str) -> None:
        self.name = name
        self.total = int(script.get("records", "1"))
        self.gate = script.get("gate")
        self.hangs = "hang" in script
        self.foreign = "foreign" in script
        self.stubborn = float(script.get("stubborn", "0"))
        self.shared = "shared" in script
        self.given = 0 if self.gate else self.total
        self.readers: list[Lookup] = []

    @property
    def over(self) -> bool:
        return self.given == self.total and not self.hangs


class Lookup:
    """One handle."""

    def __init__(self, client: int, handle: int, run: Run, params: Message) -> None:
        self.client = client
        self.handle = handle
        self.run = run
        self.taken = 0
        self.misfit = False
        self.waiting: deque[Call] = deque()
        self.deadline: float | None = None
        self.out_of_time = False
        self.given = 0
        """Records given when the budget ran out."""


class Session:
    """One client."""

    def __init__(self) -> None:
        self.startups = 0
        self.dead = False
        self.cancel_on_begin = False
        self.lookups: dict[int, Lookup] = {}
        self.oneshots: dict[Any, Lookup] = {}


class Model:
    """The daemon."""

    def __init__(self, first_handle: int = 1_000) -> None:
        self.now = 0.0
        self.sessions: dict[int, Session] = {}
        self.outboxes: dict[int, list[tuple[Message, bool]]] = {}
        self.lookups: dict[int, Lookup] = {}
        self.by_gate: dict[str, dict[Run, None]] = {}
        self.by_key: dict[Any, Run] = {}
        self.timed: dict[Call, Lookup] = {}
        self.budgets: dict[Lookup, float] = {}
        self.handles = count(first_handle)
        self.methods = {
            "NSPv2Startup": self.startup,
            "NSPv2Cleanup": self.cleanup,
            "NSPv2ClientSessionRundown": self.rundown,
            "NSPv2LookupServiceBegin": self.begin,
            "NSPv2LookupServiceNextEx": self.next,
            "NSPv2LookupServiceEnd": self.end,
            "nspd.Lookup": self.whole_lookup,
            "nspd.EndLookup": self.end_lookup,
            "nspd.Status": self.status,
            "nspd.TestGate": self.test_gate,
            "$/cancelRequest": self.cancel_request,
        }

    # Input

    def connect(self, client: int) -> None:
        self.sessions[client] = Session()
        self.outboxes[client] = []

    def disconnect(self, client: int) -> None:
        for lookup in list(self.sessions[client].lookups.values()):
            lookup.waiting.clear()
            self.forget(lookup)
        for lookup in self.sessions.pop(client).oneshots.values():
            self.leave(lookup)
        del self.outboxes[client]

    def take(self, client: int, request: Message) -> None:
        """Carry out one request."""
        self.methods[request["method"]](client, request["id"], request.get("params", {}))

    def advance(self, seconds: float) -> None:
        """Let time pass: time-outs, in the order of their calls."""
        self.now += seconds
        for call, lookup in list(self.timed.items()):
            if call.deadline is not None and call.deadline <= self.now and call in lookup.waiting:
                lookup.waiting.remove(call)
                self.time_out(lookup, call)
            if call not in lookup.waiting:
                del self.timed[call]
        for lookup in [each for each, end in self.budgets.items() if end <= self.now]:
            del self.budgets[lookup]
            self.run_out_of_time(lookup)

    # Session

    def startup(self, client: int, id: Any, params: Message) -> None:
        session = self.sessions[client]
        if session.startups == 0:
            session.cancel_on_begin = params.get("cancel_on_begin", False)
        session.startups += 1
        self.result(client, id, {"client_session": client, "protocol": 1, "limits": {}})

    def cleanup(self, client: int, id: Any, params: Message) -> None:
        session = self.sessions[client]
        if not session.startups:
            self.error(client, id, 10022)
            return
        session.startups -= 1
        if not session.startups:
            self.end_all(client)
            session.dead = False
        self.result(client, id, None, barrier=True)

    def rundown(self, client: int, id: Any, params: Message) -> None:
        session = self.sessions[client]
        session.dead = session.startups > 0
        self.end_all(client)
        self.result(client, id, None, barrier=True)

    def end_all(self, client: int) -> None:
        """End all lookups of a client."""
        session = self.sessions[client]
        for lookup in list(session.lookups.values()):
            self.settle(lookup)
            self.forget(lookup)
        for id, lookup in session.oneshots.items():
            self.leave(lookup)
            self.error(client, id, 10111)
        session.oneshots.clear()

    # Lookup

    def begin(self, client: int, id: Any, params: Message) -> None:
        session = self.sessions[client]
        if session.dead or not session.startups:
            self.error(client, id, 10022 if session.dead else 10093)
            return
        if session.cancel_on_begin:
            self.cancel_waiting(client)
        lookup = self.new_lookup(client, params)
        session.lookups[lookup.handle] = self.lookups[lookup.handle] = lookup
        self.result(client, id, {"lookup": lookup.handle}, barrier=session.cancel_on_begin)

    def new_lookup(self, client: int, params: Message) -> Lookup:
        restrictions = params["restrictions"]
        text = restrictions.get("query_string", "")
        name = restrictions.get("service_instance_name", "test")
        script = dict(parse_qsl(text))
        lookup = Lookup(client, self.new_handle(), self.run_for(script, text, name), params)
        lookup.run.readers.append(lookup)
        if params.get("timeout") is not None:
            lookup.deadline = self.now + params["timeout"]
            self.budgets[lookup] = lookup.deadline
        return lookup

    def new_handle(self) -> int:
        return next(self.handles)

    def run_for(self, script: dict[str, str], text: str, name: str) -> Run:
        run = self.by_key.get((text, name)) if "shared" in script else None
        if run is None:
            run = Run(script, name)
            if run.shared:
                self.by_key[text, name] = run
            if run.gate:
                self.by_gate.setdefault(run.gate, {})[run] = None
        return run

    def cancel_waiting(self, client: int) -> None:
        for lookup in list(self.sessions[client].lookups.values()):
            if lookup.waiting:
                self.settle(lookup)
                self.forget(lookup)

    def find(self, client: int, id: Any, handle: int) -> Lookup | None:
        """The client's lookup; None: it has none, and is told so."""
        lookup = self.sessions[client].lookups.get(handle)
        if lookup is None:
            self.error(client, id, 6 if self.sessions[client].startups else 10093)
        return lookup

    def next(self, client: int, id: Any, params: Message) -> None:
        lookup = self.find(client, id, params["lookup"])
        if lookup is None:
            return
        call = Call(id, params)
        if call.deadline is not None:
            call.deadline += self.now
            self.timed[call] = lookup
        lookup.waiting.append(call)
        self.serve(lookup)

    def serve(self, lookup: Lookup) -> None:
        """Answer the calls that wait, as far as there is something for them."""
        while lookup.waiting and self.serve_one(lookup, lookup.waiting[0]):
            lookup.waiting.popleft()

    def serve_one(self, lookup: Lookup, call: Call) -> bool:
        run = lookup.run
        if lookup.misfit and call.flush:
            lookup.misfit = False
            lookup.taken += 1
        if lookup.taken < self.readable(lookup):
            record = self.record(lookup, lookup.taken + 1)
            if call.room is not None and call.room < 300:
                lookup.misfit = True
                self.error(lookup.client, call.id, 10014, buffer_length=300)
                return True
            lookup.misfit = False
            lookup.taken += 1
            self.give(lookup, call, record)
            return True
        if run.over or lookup.out_of_time:
            self.finish(lookup, call)
            return True
        return False

    def readable(self, lookup: Lookup) -> int:
        """How many records there are for it to read."""
        return lookup.given if lookup.out_of_time else lookup.run.given

    def give(self, lookup: Lookup, call: Call, record: Message) -> None:
        self.result(lookup.client, call.id, record)

    def record(self, lookup: Lookup, number: int) -> Message:
        run = lookup.run
        host, port = f"192.0.2.{(number - 1) % 254 + 1}", 1000 + number % 60000
        remote = {"family": "inet", "host": host, "port": port}
        return {
            "service_instance_name": f"{run.name}-{number}",
            "version": {"version": number, "how": "equal"},
            "comment": f"record {number} of {run.total}",
            "namespace": 65537,
            "provider_id": TEST_ID,
            "context": "",
            "addresses": [{"remote": remote, "socket_type": 1, "protocol": 6}],
            "output_flags": 0,
        }

    def finish(self, lookup: Lookup, call: Call) -> None:
        given = self.readable(lookup)
        code, outcome = self.final(lookup, given)
        self.error(lookup.client, call.id, code, verdicts=[self.verdict(outcome, code, given)])

    def final(self, lookup: Lookup, given: int) -> tuple[int, str]:
        """How a lookup ends by itself: code and the provider's outcome."""
        if lookup.out_of_time:
            return (10110 if given else 10060), "timed_out"
        if lookup.run.foreign:
            return (10110 if given else 10107), "failed"
        return (10110, "answered") if given else (11004, "empty")

    def verdict(self, outcome: str, code: int, records: int) -> Message:
        failed = {"failed": 10107, "timed_out": 10060}.get(outcome)
        return {"provider_id": TEST_ID, "outcome": outcome, "error": failed, "records": records}

    def time_out(self, lookup: Lookup, call: Call) -> None:
        self.error(lookup.client, call.id, 10060)

    def run_out_of_time(self, lookup: Lookup) -> None:
        if not lookup.run.over:
            lookup.out_of_time = True
            lookup.given = lookup.run.given
            self.leave(lookup)
        self.serve(lookup)

    # The end

    def end(self, client: int, id: Any, params: Message) -> None:
        lookup = self.find(client, id, params["lookup"])
        if lookup is not None:
            self.end_one(client, id, lookup)

    def end_lookup(self, client: int, id: Any, params: Message) -> None:
        lookup = self.lookups.get(params["lookup"])
        if lookup is None:
            self.error(client, id, 6)
        else:
            self.end_one(client, id, lookup)

    def end_one(self, client: int, id: Any, lookup: Lookup) -> None:
        work = self.work_of(lookup)
        settled = self.settle(lookup)
        self.forget(lookup)
        if work != "none":
            self.advance(min(lookup.run.stubborn, END_GRACE))
        barrier = client == lookup.client
        self.result(client, id, {"cancelled": settled, "work": work}, barrier=barrier)

    def work_of(self, lookup: Lookup) -> str:
        """What End says of the work."""
        run = lookup.run
        if lookup.out_of_time or run.over or run.readers != [lookup]:
            return "none"
        return "detached" if run.stubborn > END_GRACE else "stopped"

    def settle(self, lookup: Lookup) -> int:
        """Answer 10111 to all who wait; how many they were."""
        waiting = list(lookup.waiting)
        lookup.waiting.clear()
        for call in waiting:
            self.error(lookup.client, call.id, 10111)
        return len(waiting)

    def forget(self, lookup: Lookup) -> None:
        del self.lookups[lookup.handle]
        del self.sessions[lookup.client].lookups[lookup.handle]
        self.budgets.pop(lookup, None)
        self.leave(lookup)

    def leave(self, lookup: Lookup) -> None:
        """One reader less; the last one takes the run along."""
        run = lookup.run
        if lookup in run.readers:
            run.readers.remove(lookup)
        if not run.readers:
            if run.gate:
                self.by_gate[run.gate].pop(run, None)
            for key in [key for key, shared in self.by_key.items() if shared is run]:
                del self.by_key[key]

    def cancel_request(self, client: int, id: Any, params: Message) -> None:
        for lookup in list(self.sessions[client].lookups.values()):
            for call in lookup.waiting:
                if call.id == params["id"]:
                    lookup.waiting.remove(call)
                    self.withdraw(lookup, call)
                    break
        oneshot = self.sessions[client].oneshots.pop(params["id"], None)
        if oneshot is not None:
            self.leave(oneshot)
            self.error(client, params["id"], 10111)
        self.result(client, id, None)

    def withdraw(self, lookup: Lookup, call: Call) -> None:
        self.error(lookup.client, call.id, 10111)

    # Everything else

    def whole_lookup(self, client: int, id: Any, params: Message) -> None:
        lookup = self.new_lookup(client, params)
        if lookup.run.over:
            self.answer_whole(lookup, id)
        else:
            self.sessions[client].oneshots[id] = lookup

    def answer_whole(self, lookup: Lookup, id: Any) -> None:
        self.leave(lookup)
        total = lookup.run.total
        code, outcome = self.final(lookup, total)
        verdicts = [self.verdict(outcome, code, total)]
        if not total:
            self.error(lookup.client, id, code, verdicts=verdicts)
            return
        results = self.results(lookup, total)
        self.result(lookup.client, id, {"results": results, "verdicts": verdicts})

    def results(self, lookup: Lookup, total: int) -> list[Message]:
        return [self.record(lookup, number) for number in range(1, total + 1)]

    def test_gate(self, client: int, id: Any, params: Message) -> None:
        self.result(client, id, None)
        tokens = params["tokens"]
        for run in list(self.by_gate.get(params["gate"], ())):
            taken = min(tokens, run.total - run.given)
            tokens -= taken
            run.given += taken
            for lookup in list(run.readers) if taken else ():
                self.serve(lookup)
        for session in self.sessions.values():
            for oneshot_id, lookup in list(session.oneshots.items()):
                if lookup.run.over:
                    del session.oneshots[oneshot_id]
                    self.answer_whole(lookup, oneshot_id)

    def status(self, client: int, id: Any, params: Message) -> None:
        self.result(client, id, {"version": "0", "backend": "model", "census": self.census()})

    def census(self) -> dict[str, int]:
        oneshots = sum(len(session.oneshots) for session in self.sessions.values())
        waiting = sum(len(lookup.waiting) for lookup in self.lookups.values())
        return {"lookups": len(self.lookups) + oneshots, "waiting_calls": waiting + oneshots}

    # Output

    def result(self, client: int, id: Any, result: Any, *, barrier: bool = False) -> None:
        self.send(client, {"jsonrpc": "2.0", "id": id, "result": result}, barrier=barrier)

    def error(self, client: int, id: Any, code: int, **data: Any) -> None:
        error = {"code": code, "message": f"WSA_{code}", "data": data}
        self.send(client, {"jsonrpc": "2.0", "id": id, "error": error})

    def send(self, client: int, message: Message, *, barrier: bool = False) -> None:
        """Put a message into the outbox."""
        self.outboxes[client].append((message, barrier))
