"""Running the servers under test: pinned, waited for, measured and ended one by one."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "bench" / "build"

_ALLOWED = sorted(os.sched_getaffinity(0))
CPUS = (_ALLOWED[0], _ALLOWED[-1]) if len(_ALLOWED) > 1 else (None, None)
"""The CPU of every server and that of every load generator; None, None if there is but one."""

TICK = 1 / os.sysconf("SC_CLK_TCK")
"""The grain of ``cpu_seconds``, in seconds."""

_START_UP_SECONDS = 15.0


class NotAvailable(Exception):
    """This machine lacks something that a server needs; the text says what."""


class LoadFailed(Exception):
    """A load generator ended with a failure; the text is its complaint."""


@contextlib.contextmanager
def _pinned(cpu: int | None) -> Iterator[None]:
    # Processes inherit it, with all the threads that they will ever have.
    before = os.sched_getaffinity(0)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin_self() -> None:
    """Make this process one that loads, on the CPU of those."""
    if CPUS[1] is not None:
        os.sched_setaffinity(0, {CPUS[1]})


def python(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this checkout with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def nspd_command() -> list[str]:
    """The command ``nspd`` that is measured: that of this checkout, or another (BENCH_NSPD).

    Raises:
        NotAvailable: BENCH_NSPD is set, and names no command.
    """
    other = os.environ.get("BENCH_NSPD")
    if other is None:
        return python("nspd.cli.nspd")
    if shutil.which(other) is None:
        # Empty, too: then `python -m bench.compiled` has failed.
        raise NotAvailable(f"BENCH_NSPD is no command: {other!r}")
    return [other]


@contextlib.contextmanager
def server(
    command: Sequence[str], path: Path, log: Path, cpu: int | None = CPUS[0]
) -> Iterator[int]:
    """A server on the socket ``path``, ready for connections; its process id.

    The process is ended and waited for on the way out. What it printed is in ``log``.
    It runs on ``cpu``.

    Raises:
        NotAvailable: it ended, or did not listen, within 15 seconds.
    """
    # nspd takes settings from its environment too, and must have none but the bench's.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("NSPD_")}
    with log.open("wb") as output, _pinned(cpu):
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        if not _listens(process, path):
            last = log.read_text(errors="replace").strip().rsplit("\n", 1)[-1]
            raise NotAvailable(f"{path.name} does not come up: {last or 'it says nothing'}")
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(process: subprocess.Popen[bytes], path: Path) -> bool:
    deadline = time.monotonic() + _START_UP_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            return True
        time.sleep(0.02)
    return False


def client(command: Sequence[str], timeout: float, cpu: int | None = CPUS[1]) -> str:
    """Run a load generator on its own CPU, or another; what it printed.

    Raises:
        LoadFailed: it met a wrong reply, lost its server or heard nothing from it.
        subprocess.TimeoutExpired: it did not end in time (it has been killed).
    """
    with _pinned(cpu):
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    with process:
        try:
            output, complaint = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    if process.returncode:
        raise LoadFailed(complaint.strip())
    return output


@contextlib.contextmanager
def background_client(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A client on its own CPU with its output in a pipe; killed on the way out."""
    with _pinned(CPUS[1]):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    with process:
        try:
            yield process
        finally:
            process.kill()


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used up, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def resident_bytes(pid: int) -> int:
    """Memory that a process has resident."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def build_load() -> Path:
    """Compile the load generator unless that has been done; the binary.

    Raises:
        NotAvailable: there is no C compiler.
        subprocess.CalledProcessError: it does not compile.
    """
    source, binary = ROOT / "bench" / "load.c", BUILD / "load"
    if binary.exists() and binary.stat().st_mtime > source.stat().st_mtime:
        return binary
    BUILD.mkdir(exist_ok=True)
    # Into place in one step: two runs at once must not execute a half-written file.
    fresh = BUILD / f"load.{os.getpid()}"
    flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror"]
    try:
        subprocess.run(["cc", *flags, "-o", str(fresh), str(source)], check=True)
    except FileNotFoundError:
        raise NotAvailable("no C compiler (cc)") from None
    fresh.replace(binary)
    return binary
