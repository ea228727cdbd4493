"""No violation is found where every promise is kept, in whatever order replies arrive."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nspd.race.judge import Judge
from tests.race.fake_daemon import FakeDaemon, Message
from tests.race.histories import BEGIN, END, NEXT, History

CLIENTS = (1, 2)
BEHAVIOURS = ("records=3&gate=a", "records=1&gate=b", "records=0", "records=1&gate=a&hang=1")


class Interleaving:
    """An honest daemon whose replies come in any order that the protocol allows."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.daemon = FakeDaemon()
        self.judge = Judge()
        self.histories = {client: History(client, self.judge) for client in CLIENTS}
        self.handles: list[int] = []
        self.about: dict[int, int] = {}
        self.last_id = 0
        for client in CLIENTS:
            self.daemon.connect(client)

    @property
    def violations(self) -> list[Any]:
        return [found for history in self.histories.values() for found in history.violations]

    def ask(self, client: int, method: str, params: Message) -> None:
        self.last_id += 1
        request = {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}
        if method == NEXT:
            self.about[self.last_id] = params["lookup"]
        self.histories[client].observe("sent", request)
        self.daemon.take(client, request)

    def step(self) -> None:
        """One request of some client, or one reply."""
        client = self.random.choice(CLIENTS)
        handle = self.random.choice(self.handles) if self.handles else None
        match self.random.randrange(8):
            case 0:
                query = {"query_string": self.random.choice(BEHAVIOURS)}
                self.ask(client, BEGIN, {"restrictions": query})
            case 1 | 2 if handle is not None:
                self.ask(client, NEXT, {"lookup": handle})
            case 3 if handle is not None:
                self.ask(client, END, {"lookup": handle})
            case 4 if self.last_id:
                self.ask(client, "$/cancelRequest", {"id": self.random.randint(1, self.last_id)})
            case 5:
                gate = {"gate": self.random.choice("ab"), "tokens": self.random.randint(1, 3)}
                self.ask(client, "nspd.TestGate", gate)
            case _:
                self.reply(client)

    def reply(self, client: int) -> None:
        """Deliver a reply that may come now: End's not before those of the calls it ended."""
        outbox = self.daemon.outboxes[client]
        free = [place for place in range(len(outbox)) if not self.must_wait(outbox, place)]
        if free:
            message = outbox.pop(self.random.choice(free))
            result = message.get("result")
            if isinstance(result, dict) and "lookup" in result:
                self.handles.append(result["lookup"])
            self.histories[client].observe("received", message)

    def must_wait(self, outbox: list[Message], place: int) -> bool:
        result = outbox[place].get("result")
        if not isinstance(result, dict) or "cancelled" not in result:
            return False
        return any(message["id"] in self.about for message in outbox[:place])

    def settle(self) -> None:
        """Deliver all that is due."""
        for client in CLIENTS:
            while self.daemon.outboxes[client]:
                self.reply(client)


@given(st.randoms(use_true_random=False), st.integers(1, 120))
@settings(deadline=None)
def test_honest_history(random: Random, steps: int) -> None:
    """Random requests of two clients, answered honestly in any legal order, break nothing."""
    run = Interleaving(random)
    for _ in range(steps):
        run.step()
    run.settle()
    assert run.violations == []
    assert run.judge.finish(0) == []


@given(st.randoms(use_true_random=False), st.integers(1, 120))
@settings(deadline=None)
def test_memory_is_what_is_open(random: Random, steps: int) -> None:
    """Once all is answered, the judge holds as many lookups and calls as the daemon does."""
    run = Interleaving(random)
    for _ in range(steps):
        run.step()
    run.settle()
    census = run.daemon.census
    assert run.judge.remembered == census["lookups"] + census["waiting_calls"]
