"""The client that dies: it opens lookups, leaves a call waiting on each, and is killed.

    python -m bench.holder SOCKET LOOKUPS

Prints "ready" once all of them are sent, and then waits for its end.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from bench.jsonrpc import Connection


def main() -> None:
    """Hold as many lookups as the command line says."""
    path, lookups = sys.argv[1:]
    with Connection(Path(path)) as connection:
        connection.call("NSPv2Startup")
        connection.open_waiting(int(lookups))
        print("ready", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
