"""Clients, a model daemon and a judge in one process: what is asked, answered and found."""

from __future__ import annotations

from itertools import count
from typing import Any

from nspd.race.judge import Judge, Violation
from tests.race.liar.model import Message, Model

BEGIN, NEXT, END = (f"NSPv2LookupService{name}" for name in ("Begin", "NextEx", "End"))
STARTUP, CLEANUP, RUNDOWN = "NSPv2Startup", "NSPv2Cleanup", "NSPv2ClientSessionRundown"
TEST = 65537


class Dialogue:
    """What clients ask a model daemon, with a judge that sees it all. Replies come at once."""

    def __init__(self, model: Model, **judge: Any) -> None:
        self.model = model
        self.judge = Judge(**judge)
        self.violations: list[Violation] = []
        self.replies: dict[Any, Message] = {}
        self._ids = count(1)

    @property
    def promises(self) -> set[str]:
        """The promises found broken."""
        return {violation.promise for violation in self.violations}

    def observe(self, client: int, direction: Any, message: Any = None) -> None:
        """Show the judge one thing."""
        self.violations += self.judge.observe(self.model.now, client, direction, message)

    def connect(self, client: int, **startup: Any) -> None:
        """A client with a session."""
        self.model.connect(client)
        self.ask(client, STARTUP, **startup)

    def leave(self, client: int) -> None:
        """A client goes without a word."""
        self.observe(client, "left")
        self.model.disconnect(client)

    def ask(self, client: int, method: str, /, **params: Any) -> int:
        """Send a request and take what is due to anybody; the request's id."""
        [id] = self.pipeline(client, (method, params))
        return id

    def pipeline(self, client: int, *requests: tuple[str, Message]) -> list[int]:
        """Send requests in one write, and only then take what is due."""
        messages: list[Message] = [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
            for method, params in requests
        ]
        for message in messages:
            self.observe(client, "sent", message)
        for message in messages:
            self.model.take(client, message)
        self.deliver()
        return [message["id"] for message in messages]

    def deliver(self) -> None:
        """Take all that is due, in the order in which the daemon sent it."""
        for client, outbox in self.model.outboxes.items():
            for message, _ in outbox:
                self.replies[message.get("id")] = message
                self.observe(client, "received", message)
            outbox.clear()

    def begin(self, client: int, query_string: str = "", **params: Any) -> int:
        """Begin a lookup in the test namespace; its handle, 0 if it failed."""
        restrictions = {"namespace": TEST, "query_string": query_string}
        reply = self.replies[self.ask(client, BEGIN, restrictions=restrictions, **params)]
        handle: int = reply.get("result", {"lookup": 0})["lookup"]
        return handle

    def next(self, client: int, handle: int, **params: Any) -> int:
        """Send a NextEx."""
        return self.ask(client, NEXT, lookup=handle, **params)

    def end(self, client: int, handle: int) -> int:
        """Send an End."""
        return self.ask(client, END, lookup=handle)

    def tokens(self, gate: str, tokens: int = 1, client: int = 1) -> None:
        """Let records through a gate."""
        self.ask(client, "nspd.TestGate", gate=gate, tokens=tokens)

    def advance(self, seconds: float) -> None:
        """Let time pass, and take what falls due."""
        self.model.advance(seconds)
        self.deliver()

    def over(self) -> None:
        """The history ends here."""
        self.violations += self.judge.finish(self.model.now)
