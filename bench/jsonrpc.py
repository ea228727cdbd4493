"""A blocking JSON-RPC connection for the capacity runs: requests in bulk, replies checked.

It is not nspd's own client: that one is part of the product, and its cost and its
ways of repairing things should not colour what is said of the daemon.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

CANCELLED = 10111

_WINDOW = 500  # requests sent before their replies are read; both fit into socket buffers
_HANGING = {"namespace": 65537, "query_string": "records=0&hang=1"}


class UnexpectedReply(Exception):
    """The daemon broke a promise; the text is what came and what should have."""


class Connection:
    """One connection to a daemon, closed as a context manager.

    Args:
        path: The daemon's socket.
        timeout: Seconds after which silence is an error (TimeoutError).
    """

    def __init__(self, path: Path, timeout: float = 60) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(str(path))
        self._decoder = msgspec.json.Decoder()
        self._rest = b""
        self._id = 0

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def send(self, calls: Iterable[tuple[str, dict[str, Any]]]) -> list[int]:
        """Send requests in one go; their ids."""
        first = self._id + 1
        lines = []
        for method, params in calls:
            self._id += 1
            lines.append({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        self._socket.sendall(msgspec.json.Encoder().encode_lines(lines))
        return list(range(first, self._id + 1))

    def receive(self, count: int) -> list[dict[str, Any]]:
        """The next ``count`` replies in the order in which they come.

        Raises:
            UnexpectedReply: more came at once, or the connection was closed.
        """
        chunks, lines = [self._rest], self._rest.count(b"\n")
        while lines < count:
            chunk = self._socket.recv(1 << 18)
            if not chunk:
                raise UnexpectedReply("the daemon closed the connection")
            lines += chunk.count(b"\n")
            chunks.append(chunk)
        complete, newline, self._rest = b"".join(chunks).rpartition(b"\n")
        replies = self._decoder.decode_lines(complete + newline)
        if len(replies) != count:
            raise UnexpectedReply(f"{len(replies)} replies instead of {count}")
        return replies

    def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """One round trip; its result.

        Raises:
            UnexpectedReply: an error came instead.
        """
        self.send([(method, params or {})])
        return _result(self.receive(1)[0])

    def open_waiting(self, count: int) -> list[tuple[int, int]]:
        """Begin ``count`` hanging lookups, each with a waiting NextEx: (handle, id of NextEx)."""
        opened: list[tuple[int, int]] = []
        for size in _windows(count):
            begin = ("NSPv2LookupServiceBegin", {"restrictions": _HANGING})
            self.send([begin] * size)
            handles = [_result(reply)["lookup"] for reply in self.receive(size)]
            waiting = self.send(
                ("NSPv2LookupServiceNextEx", {"lookup": handle}) for handle in handles
            )
            opened += zip(handles, waiting, strict=True)
        return opened

    def end_waiting(self, opened: Sequence[tuple[int, int]]) -> int:
        """End what ``open_waiting`` opened; how many calls that cancelled.

        Raises:
            UnexpectedReply: a waiting call was not answered 10111, once, before the
                reply to the End of its lookup (promises C1 and C2).
        """
        at = 0
        for size in _windows(len(opened)):
            window, at = opened[at : at + size], at + size
            ends = self.send(("NSPv2LookupServiceEnd", {"lookup": handle}) for handle, _ in window)
            released: set[int] = set()
            waits_for = dict(zip(ends, (waiting for _, waiting in window), strict=True))
            for reply in self.receive(2 * size):
                if reply["id"] in waits_for:
                    waiting = waits_for.pop(reply["id"])
                    if _result(reply)["cancelled"] != 1:
                        raise UnexpectedReply(f"a cancelled call not counted: {reply}")
                    if waiting not in released:
                        raise UnexpectedReply(f"End before its NextEx: {reply}")
                elif reply.get("error", {}).get("code") == CANCELLED:
                    released.add(reply["id"])
                else:
                    raise UnexpectedReply(f"not 10111: {reply}")
            if released != {waiting for _, waiting in window}:
                raise UnexpectedReply("a cancelled call that was none of those waiting")
        return at


def _windows(count: int) -> list[int]:
    return [min(_WINDOW, count - start) for start in range(0, count, _WINDOW)]


def _result(reply: dict[str, Any]) -> Any:
    if "result" not in reply:
        raise UnexpectedReply(f"not a result: {reply}")
    return reply["result"]
