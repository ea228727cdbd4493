"""Histories written by hand: what one client sent and received, line by line."""

from __future__ import annotations

from typing import Any

from nspd.race.judge import Judge, Violation

RECORD = {
    "service_instance_name": "test-1",
    "version": {"version": 1, "how": "equal"},
    "namespace": 65537,
    "provider_id": "5e1d0000-0000-4000-8000-000000010001",
    "context": "",
    "output_flags": 0,
}

STARTUP, CLEANUP = "NSPv2Startup", "NSPv2Cleanup"
BEGIN, NEXT, END = (f"NSPv2LookupService{name}" for name in ("Begin", "NextEx", "End"))


def record(number: int) -> dict[str, Any]:
    """Record `number` of the test namespace."""
    return {**RECORD, "version": {"version": number, "how": "equal"}}


class History:
    """Feeds a judge, one line after another, and keeps what it finds."""

    def __init__(self, client: int = 1, judge: Judge | None = None) -> None:
        self.judge = judge or Judge()
        self.client = client
        self.violations: list[Violation] = []
        self._time = 0.0

    @property
    def promises(self) -> list[str]:
        """The promises found broken, in order."""
        return [violation.promise for violation in self.violations]

    def observe(self, direction: Any, message: Any = None) -> History:
        """Feed one observation; each comes a second after the one before."""
        self._time += 1
        self.violations += self.judge.observe(self._time, self.client, direction, message)
        return self

    def asks(self, id: int | str | None, method: str, /, **params: Any) -> History:
        """The client sends a request (a notification if the id is None)."""
        request = {"jsonrpc": "2.0", "method": method, "params": params}
        return self.observe("sent", request if id is None else {**request, "id": id})

    def gets(self, id: int | str | None, result: Any) -> History:
        """The client receives a result."""
        return self.observe("received", {"jsonrpc": "2.0", "id": id, "result": result})

    def fails(self, id: int | str | None, code: int, /, **data: Any) -> History:
        """The client receives an error."""
        error = {"code": code, "message": "WSA", "data": {"detail": "", **data}}
        return self.observe("received", {"jsonrpc": "2.0", "id": id, "error": error})

    def begins(self, handle: int, id: int = 1, **params: Any) -> History:
        """The client begins a lookup and receives its handle."""
        return self.asks(id, BEGIN, restrictions={}, **params).gets(id, {"lookup": handle})

    def ended(self, id: int | str, cancelled: int = 0, work: str = "stopped") -> History:
        """The client receives the reply to an End."""
        return self.gets(id, {"cancelled": cancelled, "work": work})

    def over(self) -> History:
        """The history ends here."""
        self.violations += self.judge.finish(self._time)
        return self
