"""Processes that are there to be killed: each connects, begins lookups, waits, and does no more.

Run by its path, so that it loads nothing of nspd and starts fast; a request
``CLIENTS LOOKUPS`` on standard input forks that many. Each tells on standard
output, as a line of JSON, that it waits. They end with the daemon, or with this.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

_HANGING = {
    "namespace": 65537,
    "service_instance_name": "victim",
    "query_string": "records=0&hang=1",
}
_REQUESTS_AT_ONCE = 1_000


class Refused(Exception):
    """The daemon gave an error where it must not."""


class Client:
    """A blocking connection."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rb")
        self._last_id = 0

    def send(self, method: str, params: Sequence[Mapping[str, object]]) -> None:
        """Send one request for each set of parameters, in one write."""
        lines = []
        for each in params:
            self._last_id += 1
            lines.append(
                json.dumps(
                    {"id": self._last_id, "jsonrpc": "2.0", "method": method, "params": each}
                )
            )
        self._socket.sendall("".join(f"{line}\n" for line in lines).encode())

    def results(self, number: int) -> list[dict[str, int]]:
        """Read so many replies."""
        found = []
        for _ in range(number):
            reply = json.loads(self._lines.readline())
            if "result" not in reply:
                raise Refused(reply)
            found.append(reply["result"])
        return found

    def wait(self) -> None:
        """Wait until the daemon has gone."""
        while self._lines.readline():
            pass


def _wait_to_be_killed(path: str, lookups: int) -> None:
    client = Client(path)
    client.send("NSPv2Startup", [{"client": "nspctl-race/victim"}])
    [started] = client.results(1)
    for first in range(0, lookups, _REQUESTS_AT_ONCE):
        number = min(_REQUESTS_AT_ONCE, lookups - first)
        client.send("NSPv2LookupServiceBegin", [{"restrictions": _HANGING}] * number)
        client.send("NSPv2LookupServiceNextEx", client.results(number))
    # Sent behind the calls, so answered once they all wait.
    client.send("nspd.Status", [{}])
    client.results(1)
    told = {"pid": os.getpid(), "session": started["client_session"]}
    os.write(1, f"{json.dumps(told)}\n".encode())
    client.wait()


def main() -> None:
    """Fork victims as asked, until standard input ends."""
    path = sys.argv[1]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    children: set[int] = set()
    for line in sys.stdin:
        clients, lookups = map(int, line.split())
        children -= _gone(children)
        for _ in range(clients):
            pid = os.fork()
            if not pid:
                try:
                    _wait_to_be_killed(path, lookups)
                finally:
                    os._exit(0)
            children.add(pid)
    for pid in children - _gone(children):
        os.kill(pid, signal.SIGKILL)


def _gone(children: set[int]) -> set[int]:
    return {pid for pid in children if os.waitpid(pid, os.WNOHANG)[0]}


if __name__ == "__main__":
    main()
