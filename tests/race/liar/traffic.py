"""Random traffic of several clients with a model daemon: legal histories, from a seed.

Replies come in any order that the protocol allows: they may overtake each other,
but a barrier (the reply to End, Rundown, Cleanup) no call of a lookup before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from tests.race.liar.dialogue import BEGIN, CLEANUP, END, NEXT, RUNDOWN, STARTUP, TEST
from tests.race.liar.model import Message, Model

Observe = Callable[[float, int, Any, Any], object]
"""Takes (time, client, direction, message)."""

WEIGHTS: Mapping[str, int] = {
    "begin": 12,
    "next": 34,
    "end": 14,
    "tokens": 14,
    "cancel": 6,
    "advance": 4,
    "whole": 2,
    "end_elsewhere": 2,
    "status": 1,
    "session": 1,
    "leave": 1,
}
"""How often each kind of step is taken, beside the delivery of replies."""

QUIET: Mapping[str, int] = {"begin": 12, "next": 30, "end": 12, "tokens": 14}
"""Only what makes every reply certain."""

SCRIPTS = (
    "records=3&gate=a",
    "records=2&gate=b",
    "records=1&gate=a&hang=1",
    "records=4",
    "records=0",
    "records=2&hang=1",
    "records=0&foreign=1",
    "records=2&gate=b&shared=k",
    "hang=1&stubborn=0.02",
)


class Traffic:
    """What several clients do, drawn from a seed, shown to an observer."""

    def __init__(
        self,
        seed: object,
        observe: Observe,
        *,
        clients: int = 3,
        weights: Mapping[str, int] = WEIGHTS,
    ) -> None:
        self.model = Model()
        self.requests = 0
        self._observe = observe
        self._random = Random(f"traffic {seed}")
        self._steps = [getattr(self, f"_{kind}") for kind in weights]
        self._weights = list(weights.values())
        self._handles: dict[int, list[int]] = {}
        self._calls: dict[int, list[int]] = {}
        self._about: set[int] = set()
        self._cancelling = 0.2 if "session" in weights else 0
        self._clients = 0
        for _ in range(clients):
            self._connect()

    def run(self, requests: int) -> None:
        """Go on until so many requests have been sent."""
        random, clients = self._random, self._handles
        while self.requests < requests:
            for step in random.choices(self._steps, self._weights, k=64):
                client = random.choice([*clients])
                step(client)
                if random.random() < 0.7:
                    self._deliver(client, random.randrange(1, 4))

    def deliver(self) -> None:
        """Deliver all that is due."""
        for client in self._handles:
            self._deliver_all(client)

    def settle(self) -> None:
        """End what is open, and deliver all that is due."""
        for client in list(self._handles):
            self._deliver_all(client)
            for handle in self._handles[client]:
                self._ask(client, END, lookup=handle)
            self._deliver_all(client)
            for handle in [h for h, each in self.model.lookups.items() if each.client == client]:
                self._ask(client, END, lookup=handle)
            for oneshot in list(self.model.sessions[client].oneshots):
                self._ask(client, "$/cancelRequest", id=oneshot)
            self._deliver_all(client)
        self.model.advance(10)
        self.deliver()

    def _connect(self) -> None:
        self._clients += 1
        client = self._clients
        self.model.connect(client)
        self._handles[client] = []
        self._calls[client] = []
        self._ask(client, STARTUP, cancel_on_begin=self._random.random() < self._cancelling)
        self._deliver_all(client)

    def _ask(self, client: int, method: str, /, **params: Any) -> int:
        self.requests += 1
        message = {"jsonrpc": "2.0", "id": self.requests, "method": method, "params": params}
        self._observe(self.model.now, client, "sent", message)
        self.model.take(client, message)
        return self.requests

    # Delivery

    def _deliver(self, client: int, most: int) -> None:
        outbox = self.model.outboxes.get(client)
        while outbox and most:
            most -= 1
            place = self._random.randrange(len(outbox)) if self._random.random() < 0.3 else 0
            message, barrier = outbox[place]
            if barrier and any(earlier["id"] in self._about for earlier, _ in outbox[:place]):
                place = 0
                message, _ = outbox[0]
            del outbox[place]
            self._take(client, message)

    def _deliver_all(self, client: int) -> None:
        while self.model.outboxes[client]:
            self._deliver(client, 1)

    def _take(self, client: int, message: Message) -> None:
        self._observe(self.model.now, client, "received", message)
        result = message.get("result")
        if type(result) is dict and "lookup" in result:
            self._handles[client].append(result["lookup"])
        self._about.discard(message["id"])

    # Steps

    def _begin(self, client: int) -> None:
        query = {"namespace": TEST, "query_string": self._random.choice(SCRIPTS)}
        params: Message = {"restrictions": query}
        if self._random.random() < 0.1:
            params["timeout"] = self._random.choice([0.5, 5])
        if self._random.random() < 0.1:
            params["control_flags"] = self._random.choice([0xFF0, 0x5F0])
        self._ask(client, BEGIN, **params)

    def _next(self, client: int) -> None:
        handles = self._handles[client]
        if not handles:
            return
        params: Message = {"lookup": self._random.choice(handles)}
        kind = self._random.random()
        if kind < 0.1:
            params["timeout"] = self._random.choice([0.2, 2])
        elif kind < 0.2:
            params["buffer_length"] = self._random.choice([0, 1000])
            params["control_flags"] = self._random.choice([0, 0x2000])
        id = self._ask(client, NEXT, **params)
        self._about.add(id)
        self._calls[client].append(id)

    def _end(self, client: int) -> None:
        handles = self._handles[client]
        if handles:
            handle = self._random.choice(handles)
            self._ask(client, END, lookup=handle)
            if self._random.random() < 0.8:
                handles.remove(handle)

    def _tokens(self, client: int) -> None:
        gate, tokens = self._random.choice("ab"), self._random.randint(1, 3)
        self._ask(client, "nspd.TestGate", gate=gate, tokens=tokens)

    def _cancel(self, client: int) -> None:
        calls = self._calls[client]
        if calls:
            place = self._random.randrange(max(0, len(calls) - 8), len(calls))
            self._ask(client, "$/cancelRequest", id=calls[place])
            del calls[:-8]

    def _advance(self, client: int) -> None:
        self.model.advance(self._random.choice([0.05, 0.3, 1]))

    def _whole(self, client: int) -> None:
        query = {"namespace": TEST, "query_string": self._random.choice(SCRIPTS)}
        id = self._ask(client, "nspd.Lookup", restrictions=query)
        self._about.add(id)
        self._calls[client].append(id)

    def _end_elsewhere(self, client: int) -> None:
        # As from nspd.ListLookups, which may know a handle before its owner does.
        if self.model.lookups:
            handle = self._random.choice([*self.model.lookups][-8:])
            self._ask(client, "nspd.EndLookup", lookup=handle)

    def _status(self, client: int) -> None:
        self._ask(client, "nspd.Status")

    def _session(self, client: int) -> None:
        kind = self._random.random()
        if kind < 0.4:
            self._ask(client, RUNDOWN)
        self._ask(client, CLEANUP)
        if kind < 0.6:
            self._ask(client, CLEANUP)
        self._deliver_all(client)
        self._ask(client, STARTUP, cancel_on_begin=kind < 0.2)
        if kind > 0.8:
            self._ask(client, STARTUP)
        self._handles[client] = self._handles[client][-4:]

    def _leave(self, client: int) -> None:
        self._observe(self.model.now, client, "left", None)
        self.model.disconnect(client)
        del self._handles[client], self._calls[client]
        self._connect()
