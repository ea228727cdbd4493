from __future__ import annotations

import subprocess
import sys

HEAVY = ("anyio", "trio", "asyncio", "uvloop", "structlog", "rich", "click", "dataclasses")


def test_the_blocking_client_imports_no_event_loop() -> None:
    """A short command pays for what it uses: neither an event loop nor a logger."""
    program = f"import sys, nspd.client.sync; print(*[m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == []
