"""What the figures depend on besides the code."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench import processes, resolved


def environment() -> dict[str, Any]:
    """Interpreter, kernel, processor and versions, as the JSON files hold them."""
    versions: dict[str, str | None] = {
        "nspd": nspd_version(),
        "systemd-resolved": resolved.version(),
    }
    for package in ("anyio", "trio", "uvloop", "msgspec", "grpcio", "dnspython", "aiodns"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpu": _cpu_model(),
        "cpus_server_and_client": processes.CPUS,
        "versions": versions,
    }


def nspd_version() -> str:
    """The version of the nspd that is measured, and whether it is compiled."""
    command = [*processes.nspd_command(), "--version"]
    done = subprocess.run(command, cwd=processes.ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip().rpartition("version ")[2]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
