"""A client in a play: what it does, and what it may be told (ledger and order)."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from nspd.model.namespaces import Namespace
from tests.cases.harness import (
    CANCELLED,
    FAULT,
    INVALID_HANDLE,
    NO_MORE,
    NOT_INITIALISED,
    House,
    Reply,
    code_of,
)

FLUSH_PREVIOUS = 0x2000
TEST = int(Namespace.TEST)


class Asked(NamedTuple):
    """One request, and what the client thought of the lookup when it was sent."""

    what: str
    handle: int = 0
    open: bool = False
    flushes: bool = False


class Player:
    """One connection. Handles are taken by their number among all that it was ever given."""

    def __init__(self, house: House, uid: int) -> None:
        self.client = house.connect(uid)
        self.client.on_reply = self._told
        self.handles: list[int] = []
        self._watches: set[int] = set()
        self._startups = 1
        self._dead = False
        self._open: set[int] = set()
        self._asked: dict[int | str, Asked] = {}
        self._ended: dict[int, int] = {}
        self._last: dict[tuple[int, str], int] = {}
        self._misfit: set[int] = set()
        self._taken: Counter[int | str] = Counter()
        self._broken: list[str] = []

    @property
    def _reads(self) -> bool:
        """Whether what it sends takes effect at once."""
        socket = self.client.socket
        return socket.room is None and not socket.closed and not socket._inbound

    # Doing

    def startup(self) -> None:
        self.ask("NSPv2Startup")
        self._startups += 1

    def cleanup(self) -> None:
        self.ask("NSPv2Cleanup")
        self._startups = max(0, self._startups - 1)
        if not self._startups:
            self._dead = False
            self._open.clear()

    def be_able(self) -> None:
        """After a Rundown nothing begins before the last Cleanup and a Startup."""
        while self._startups and self._dead:
            self.cleanup()
        if not self._startups:
            self.startup()

    def rundown(self) -> None:
        self._dead = self._startups > 0
        self._open.clear()
        self.ask("NSPv2ClientSessionRundown")

    def begin(self, script: str, **params: Any) -> None:
        query = {"namespace": TEST, "query_string": script}
        self.ask("NSPv2LookupServiceBegin", restrictions=query, **params)

    def next(self, which: int, *, timeout: Any, room: Any, flags: int) -> None:
        handle = self._handle(which)
        asked = Asked("next", handle, handle in self._open, bool(flags & FLUSH_PREVIOUS))
        self._send(
            asked,
            "NSPv2LookupServiceNextEx",
            lookup=handle,
            timeout=timeout,
            buffer_length=room,
            control_flags=flags,
        )

    def end(self, which: int) -> None:
        handle = self._handle(which)
        asked = Asked("end", handle, handle in self._open)
        self._open.discard(handle)
        self._send(asked, "NSPv2LookupServiceEnd", lookup=handle)

    def end_lookup_of(self, other: Player, which: int) -> None:
        self.ask("nspd.EndLookup", lookup=other._handle(which))

    def cancel_request(self, which: int) -> None:
        ids = self.client.asked
        self.ask("$/cancelRequest", {"id": ids[-1 - which % len(ids)]})

    def lookup(self, script: str) -> None:
        query = {"namespace": TEST, "query_string": script}
        self.ask("nspd.Lookup", restrictions=query, timeout=0.05)

    def batch(self, which: list[int]) -> None:
        """Several Nexts at once, which are answered together."""
        calls = []
        for number in which:
            id = f"b{len(self.client.asked)}"
            handle = self._handle(number)
            self._asked[id] = Asked("member", handle, handle in self._open)
            self.client.asked.append(id)
            params = {"lookup": handle}
            method = "NSPv2LookupServiceNextEx"
            calls.append({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        self.client.write(calls)

    def set_service(self, operation: int, lifetime: str) -> None:
        self._send(Asked("set"), None, operation=operation, lifetime=lifetime)

    def ask(self, method: str, arguments: dict[str, Any] | None = None, **params: Any) -> None:
        """Send any other request."""
        self._send(Asked(method), method, **(arguments or {}), **params)

    def finish(self, house: House) -> None:
        """Read to the end, and withdraw what no Rundown ends."""
        client = self.client
        if client.socket.closed:
            client.left = True  # cut off for taking nothing; it is owed no answer
            return
        client.socket.read_again()
        for id, asked in list(self._asked.items()):
            if asked.what in ("nspd.Monitor", "WSAProviderConfigChange"):
                self.ask("$/cancelRequest", {"id": id})

    def _handle(self, which: int) -> int:
        """Mostly one that is open, as far as the client knows; if need be, begun now."""
        if which % 4 and not self._open:
            self.be_able()
            self.begin("records=3&gate=g", watch=False)
        handles = sorted(self._open) if self._open and which % 4 else self.handles
        return handles[-1 - which // 4 % len(handles)] if handles else 1

    def _send(self, asked: Asked, method: str | None, **params: Any) -> None:
        # Replies may come within `send`, so what was asked is noted before.
        id = len(self.client.asked) + 1_000_000
        self._asked[id] = asked
        if method is None:
            self.client.register("n", "192.0.2.1", id=id, **params)
        else:
            self.client.send(method, params, id=id)

    # Being told

    def _told(self, reply: Reply) -> None:
        id = reply["id"]
        asked = self._asked.get(id)
        self._taken[id] += 1
        if asked is None:
            return
        code = code_of(reply)
        if asked.what == "NSPv2LookupServiceBegin" and code == 0:
            self.handles.append(reply["result"]["lookup"])
            self._open.add(self.handles[-1])
        elif asked.what in ("next", "member"):
            self._next_told(asked, reply, code)
        elif asked.what == "end" and code == 0:
            self._ended[asked.handle] = id

    def _next_told(self, asked: Asked, reply: Reply, code: int) -> None:
        handle = asked.handle
        if (
            handle in self._ended
            and asked.what == "next"
            and code
            not in (
                INVALID_HANDLE,
                NOT_INITIALISED,
            )
        ):
            self._broken.append(f"{handle}: {code} after the reply to its End (C2, C5)")
        if code == FAULT:
            self._misfit.add(handle)
        if code != 0 or asked.what == "member":
            return
        record = reply["result"]
        if record["output_flags"]:
            return  # a change; they may be coalesced
        number = int(record["service_instance_name"].rpartition("-")[2])
        place = handle, record["provider_id"]
        step = number - self._last.get(place, 0)
        # A batch is answered late: what it took is missing here until then.
        if step != 1 and not (handle in self._misfit or self._in_batches(handle)):
            self._broken.append(f"{handle}: record {number} after {number - step} (C7)")
        self._last[place] = number

    def _in_batches(self, handle: int) -> bool:
        return any(a.what == "member" and a.handle == handle for a in self._asked.values())

    def check(self) -> None:
        """Nothing was said that may not be, and nothing twice (C1)."""
        assert not self._broken
        assert all(count == 1 for id, count in self._taken.items()), self._taken
        assert set(self._taken) <= set(self.client.asked)
        for id, asked in self._asked.items():
            reply = self.client.told(id)
            if reply is None or asked.what != "end":
                continue
            code = code_of(reply)
            assert code in (0, INVALID_HANDLE, NOT_INITIALISED)
            assert CANCELLED != code != NO_MORE
