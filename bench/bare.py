"""The bare anyio server: what the event loop and its streams cost without nspd.

It reads the same request bytes as nspd and writes the same reply bytes, through
anyio's own UNIX listener and streams, and decodes nothing: a reply for each newline.

    python -m bench.bare SOCKET REPLY_FILE LOOP
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import SocketStream

LOOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "asyncio": ("asyncio", {"use_uvloop": False}),
    "trio": ("trio", {}),
}
"""The event loops by name: anyio's backend and its options."""


async def serve(socket: str, reply: bytes) -> None:
    """Answer every line on every connection to ``socket`` with ``reply``, until killed."""

    async def answer(stream: SocketStream) -> None:
        async with stream:
            try:
                async for chunk in stream:
                    await stream.send(reply * chunk.count(b"\n"))
            except anyio.BrokenResourceError:
                pass  # the load generator hangs up with a request under way

    listener = await anyio.create_unix_listener(socket)
    await listener.serve(answer)


def main() -> None:
    """Serve as the command line says."""
    socket, reply_file, loop = sys.argv[1:]
    backend, options = LOOPS[loop]
    anyio.run(
        serve, socket, Path(reply_file).read_bytes(), backend=backend, backend_options=options
    )


if __name__ == "__main__":
    main()
