"""Real DNS servers for tests: `knotd` with zones of our own, and `unbound` before it.

Fixtures (session scope: each server runs once; tests/providers/conftest.py has
them for all tests below it, others import them in their conftest)::

    def test_...(knot: Server): ...     # authoritative, the zones of zones.py
    def test_...(unbound: Server): ...  # recursive and validating; asks that knot

`str(server)` is "127.0.0.1:PORT", what the option ``servers`` takes;
`server.address` and `server.port` are its halves. Both speak UDP and TCP.
From `unbound`, answers of ``signed.test`` have the AD bit, those of
``example.test`` do not, and ``bogus.test`` is SERVFAIL.

A test that must stop, restart or reload a server starts one of its own with
`start_knot(directory, zones)` or `start_unbound(directory, knot)`, both context
managers; a zone set of its own is a mapping of zone name to master file.
`server.stop()` and `server.start()` keep the port.

Without the programs such tests are skipped, but in CI they fail. For servers
that misbehave see fakes.py.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.name
import dns.query
import dns.rdatatype
import pytest

from tests.providers.dns import zones

PATIENCE = 20.0
"""Seconds that a server has to start, and to stop."""

ADDRESS = "127.0.0.1"

# A run of pytest that is killed stops nothing itself.
_SETPRIV = shutil.which("setpriv")
_UNTIL_WE_DIE = [_SETPRIV, "--pdeathsig", "TERM", "--"] if _SETPRIV else []
_ATTEMPTS = 5
_TAKEN = "already in use"  # knotd goes on without the port


class Server:
    """One server process on a loopback port; made by `start_knot` and `start_unbound`."""

    def __init__(
        self,
        program: str,
        arguments: Sequence[str],
        port: int,
        is_ready: Callable[[str], bool],
    ) -> None:
        self.address = ADDRESS
        self.port = port
        self._program = program
        self._command = [*_UNTIL_WE_DIE, program, *arguments]
        self._is_ready = is_ready
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self.log = ""
        """What it has said since its start."""

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"

    def start(self) -> None:
        """Start it and return when it serves.

        Raises:
            RuntimeError: it ended, or said nothing of being ready in time.
        """
        self.log = ""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            self._await_ready(self._process)
        except RuntimeError:
            self.stop()
            raise
        # Without a reader it would stand still once the pipe is full.
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.log += line.decode(errors="replace")

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        output = process.stdout.fileno()
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready(self.log):
            left = deadline - time.monotonic()
            readable = select.select([output], [], [], max(0.0, left))[0]
            said = os.read(output, 65536) if readable else b""
            if not said:
                reason = "ended" if readable else "was not ready in time"
                raise RuntimeError(f"{self._program} {reason}:\n{self.log}")
            self.log += said.decode(errors="replace")
        if _TAKEN in self.log:
            raise RuntimeError(f"port {self.port} is taken:\n{self.log}")

    def stop(self) -> None:
        """Stop it and wait for its end; nothing if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join(PATIENCE)
            self._reader = None
        assert process.stdout is not None
        process.stdout.close()

    def reload(self) -> None:
        """Have it read its zones again; it does so in its own time."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)


def need(program: str) -> str:
    """The path of a server program, also where only root has it in the PATH.

    Skips the test if there is none; in CI that is a failure.
    """
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(program, path=places)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{program} is not installed, and CI must run these tests")
        pytest.skip(f"{program} is not installed")
    return found


@contextmanager
def start_knot(
    directory: Path,
    unsigned: Mapping[str, str] = zones.UNSIGNED_ZONES,
    signed: Mapping[str, str] = zones.SIGNED_ZONES,
) -> Iterator[Server]:
    """An authoritative server for these zones (name to master file), on a port of its own."""
    program = need("knotd")
    storage = directory / "knot"
    for name, text in {**unsigned, **signed}.items():
        (storage / "zones").mkdir(parents=True, exist_ok=True)
        (storage / "zones" / f"{name}.zone").write_text(text)
    names = [*unsigned, *signed]

    def is_ready(log: str) -> bool:
        # A signed zone is loaded when it has been signed.
        loaded = sum(f"[{name}.] loaded" in log for name in names)
        return loaded == len(names) and "server started" in log

    def make(port: int) -> Server:
        configuration = storage / "knot.conf"
        configuration.write_text(_knot_configuration(storage, port, unsigned, signed))
        return Server(program, ["-c", str(configuration)], port, is_ready)

    with _started(make) as server:
        yield server


def _knot_configuration(
    storage: Path, port: int, unsigned: Mapping[str, str], signed: Mapping[str, str]
) -> str:
    entries = [f"  - domain: {name}\n" for name in unsigned]
    entries += [f"  - domain: {name}\n    dnssec-signing: on\n" for name in signed]
    return f"""\
server:
    rundir: "{storage}"
    listen: {ADDRESS}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stdout
    any: info
database:
    storage: "{storage}"
policy:
  - id: default
    algorithm: ecdsap256sha256
    single-type-signing: on
template:
  - id: default
    storage: "{storage}/zones"
    file: "%s.zone"
    zonefile-load: difference-no-serial
    zonefile-sync: -1
    journal-content: all
    dnssec-policy: default
zone:
{"".join(entries)}"""


@contextmanager
def start_unbound(directory: Path, knot: Server) -> Iterator[Server]:
    """A validating resolver that asks `knot` for the zones of zones.py, and nobody else."""
    program = need("unbound")
    storage = directory / "unbound"
    storage.mkdir(parents=True, exist_ok=True)
    anchor = _key(knot, "signed.test")
    # The key of one zone as the anchor of another: nothing there can be valid.
    misfit = anchor.replace("signed.test.", "bogus.test.", 1)

    def make(port: int) -> Server:
        configuration = storage / "unbound.conf"
        configuration.write_text(_unbound_configuration(storage, port, knot, (anchor, misfit)))
        arguments = ["-d", "-c", str(configuration)]
        return Server(program, arguments, port, lambda log: "start of service" in log)

    with _started(make) as server:
        yield server


def _unbound_configuration(storage: Path, port: int, knot: Server, anchors: Sequence[str]) -> str:
    names = [*zones.UNSIGNED_ZONES, *zones.SIGNED_ZONES]
    lines = [f"    trust-anchor: '{anchor}'\n" for anchor in anchors]
    # It serves empty zones of its own for names such as these by default.
    lines += [f"    local-zone: '{name}.' nodefault\n" for name in ("test", *names)]
    stubs = [
        f"stub-zone:\n    name: '{name}.'\n    stub-addr: {knot.address}@{knot.port}\n"
        for name in names
    ]
    return f"""\
server:
    directory: "{storage}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    logfile: ""
    verbosity: 1
    interface: {ADDRESS}
    port: {port}
    num-threads: 1
    do-ip6: no
    do-not-query-localhost: no
    module-config: "validator iterator"
    qname-minimisation: no
    val-log-level: 2
{"".join(lines)}remote-control:
    control-enable: no
{"".join(stubs)}"""


def _key(knot: Server, zone: str) -> str:
    """The DNSKEY record of a zone, as one line."""
    query = dns.message.make_query(zone, "DNSKEY")
    reply = dns.query.tcp(query, knot.address, timeout=PATIENCE, port=knot.port)
    keys = reply.find_rrset(
        reply.answer, dns.name.from_text(zone), query.question[0].rdclass, dns.rdatatype.DNSKEY
    )
    return f"{zone}. 300 IN DNSKEY {keys[0].to_text()}"


@contextmanager
def _started(make: Callable[[int], Server]) -> Iterator[Server]:
    """Start a server on a free port; on another one if somebody else was faster."""
    for attempt in range(_ATTEMPTS):
        server = make(_free_port())
        try:
            server.start()
        except RuntimeError:
            if attempt == _ATTEMPTS - 1 or _TAKEN not in server.log:
                raise
            continue
        break
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
    ):
        udp.bind((ADDRESS, 0))
        port: int = udp.getsockname()[1]
        try:
            tcp.bind((ADDRESS, port))
        except OSError:
            return _free_port()
        return port


@pytest.fixture(scope="session")
def knot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The authoritative server of all tests."""
    with start_knot(tmp_path_factory.mktemp("dns")) as server:
        yield server


@pytest.fixture(scope="session")
def unbound(knot: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The validating resolver of all tests, in front of `knot`."""
    with start_unbound(tmp_path_factory.mktemp("dns"), knot) as server:
        yield server
