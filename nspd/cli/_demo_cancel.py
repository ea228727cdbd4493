"""The demo's main act: lookups that hang, ended in flight, every reply watched on the wire.

It speaks the protocol itself, line by line, because the order of the replies is
what it is about: a client library would hide it.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterable
from time import perf_counter
from typing import Any

import msgspec

from nspd.model.errors import WSA_E_CANCELLED
from nspd.model.namespaces import Namespace
from nspd.race.histogram import Histogram

_PATIENCE = 30.0


class Cancelled:
    """What was seen while the lookups were ended."""

    def __init__(self, count: int) -> None:
        """Begin with nothing seen of ``count`` lookups."""
        self.count = count
        self.held: dict[str, int] = {}
        """The daemon's census while all of them waited."""
        self.cancelled = 0
        """NextEx calls answered WSA_E_CANCELLED."""
        self.otherwise: list[str] = []
        """Replies that were not as promised, each in one sentence."""
        self.before_end = 0
        """Those that came before the reply to their End."""
        self.release = Histogram()
        """Seconds from sending End to the NextEx's reply."""
        self.round_trip = Histogram()
        """Seconds from sending End to its own reply."""
        self.afterwards: int | None = None
        """The code of a NextEx on a handle that has ended."""


class _Wire:
    """One connection, and the numbers of its requests."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_PATIENCE)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rb")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def send(self, calls: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
        """Send requests: of each the id, the method, the params."""
        lines = (
            msgspec.json.encode({"jsonrpc": "2.0", "id": name, "method": method, "params": params})
            for name, method, params in calls
        )
        self._socket.sendall(b"".join(line + b"\n" for line in lines))

    def reply(self) -> dict[str, Any]:
        """The next line; waits for it.

        Raises:
            ConnectionError: there is none: the daemon hung up.
            TimeoutError: none came in time.
        """
        line = self._lines.readline()
        if not line:
            raise ConnectionError("the daemon closed the connection")
        return msgspec.json.decode(line, type=dict[str, Any])

    def results(self, count: int) -> dict[str, Any]:
        """The results of the next ``count`` replies, by id.

        Raises:
            ConnectionError: one of them is an error.
        """
        found = {}
        for _ in range(count):
            reply = self.reply()
            if "error" in reply:
                raise ConnectionError(f"{reply['id']} was answered {reply['error']}")
            found[reply["id"]] = reply["result"]
        return found


def cancel_in_flight(path: str, count: int) -> Cancelled:
    """Begin lookups that hang, with a NextEx waiting on each, and end them from another thread.

    Args:
        path: the daemon's socket; its test namespace must be on.
        count: how many lookups.

    Raises:
        OSError: the daemon hung up, or said nothing for a long time.
    """
    wire = _Wire(path)
    try:
        seen = Cancelled(count)
        wire.send([("startup", "NSPv2Startup", {"client": "nspd-demo/1"})])
        wire.results(1)
        handles = _begin(wire, count)
        _wait_on_each(wire, handles, seen)
        _end_each(wire, handles, seen)
        wire.send([("late", "NSPv2LookupServiceNextEx", {"lookup": handles[-1]})])
        seen.afterwards = wire.reply().get("error", {}).get("code")
        return seen
    finally:
        wire.close()


def _begin(wire: _Wire, count: int) -> list[int]:
    restrictions = {"namespace": int(Namespace.TEST), "query_string": "records=0&hang=1"}
    params = {"restrictions": restrictions}
    wire.send((f"begin {i}", "NSPv2LookupServiceBegin", params) for i in range(count))
    begun = wire.results(count)
    return [begun[f"begin {i}"]["lookup"] for i in range(count)]


def _wait_on_each(wire: _Wire, handles: list[int], seen: Cancelled) -> None:
    wire.send(
        (f"next {i}", "NSPv2LookupServiceNextEx", {"lookup": handle})
        for i, handle in enumerate(handles)
    )
    # It takes effect after the calls sent before it, so it counts every one of them.
    wire.send([("status", "nspd.Status", {})])
    seen.held = wire.results(1)["status"]["census"]


def _end_each(wire: _Wire, handles: list[int], seen: Cancelled) -> None:
    sent: list[float] = [0.0] * len(handles)
    answered: queue.SimpleQueue[None] = queue.SimpleQueue()

    def end() -> None:
        for i, handle in enumerate(handles):
            sent[i] = perf_counter()
            wire.send([(f"end {i}", "NSPv2LookupServiceEnd", {"lookup": handle})])
            try:
                answered.get(timeout=_PATIENCE)
            except queue.Empty:
                return

    ender = threading.Thread(target=end, name="end", daemon=True)
    ender.start()
    released: set[int] = set()
    for _ in range(2 * len(handles)):
        reply = wire.reply()
        now = perf_counter()
        what, _, number = reply["id"].partition(" ")
        i = int(number)
        if what == "next":
            _note_release(reply, i, now - sent[i], seen)
            released.add(i)
        else:
            seen.round_trip.record(now - sent[i])
            seen.before_end += i in released
            if "error" in reply:
                seen.otherwise.append(f"End of lookup {i} failed: {reply['error']}")
            answered.put(None)
    ender.join(_PATIENCE)


def _note_release(reply: dict[str, Any], i: int, seconds: float, seen: Cancelled) -> None:
    code = reply.get("error", {}).get("code")
    if code == WSA_E_CANCELLED:
        seen.cancelled += 1
        seen.release.record(seconds)
    else:
        seen.otherwise.append(f"the NextEx of lookup {i} was answered {reply}")
