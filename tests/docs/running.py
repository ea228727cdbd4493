"""Programs that documents show: taken out of them, and run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

LIMIT = 60.0
"""Seconds that a program may take."""


def programs(document: Path) -> list[str]:
    """The Python programs of a document: the blocks that import something."""
    blocks = re.findall(r"^```python\n(.*?)^```", document.read_text("utf-8"), re.M | re.S)
    return [block for block in blocks if re.search(r"^(import|from) ", block, re.M)]


def output_of(program: str, socket: str) -> list[str]:
    """Run a program with the daemon at ``socket``; the lines that it prints. It must succeed."""
    environment = {key: text for key, text in os.environ.items() if not key.startswith("NSPD_")}
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**environment, "NSPD_SOCKET": socket},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout.splitlines()
