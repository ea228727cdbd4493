"""The DNS servers that the DNS benchmark asks: a real one, and one that counts."""

from __future__ import annotations

import contextlib
import selectors
import shutil
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rdatatype
import dns.rrset

from bench import processes
from bench.processes import NotAvailable

ZONE = "bench.test"
"""Every name below it has an address of each family."""

_RECORDS = f"""\
$ORIGIN {ZONE}.
$TTL 3600
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 192.0.2.53
* A 192.0.2.1
* AAAA 2001:db8::1
"""
_START_UP_SECONDS = 10
_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


@contextlib.contextmanager
def knot(directory: Path) -> Iterator[str]:
    """knotd with `ZONE`, on the CPU of the clients; "ADDRESS:PORT".

    Raises:
        NotAvailable: it is not installed, or does not answer.
    """
    program = shutil.which("knotd") or shutil.which("knotd", path=_PLACES)
    if program is None:
        raise NotAvailable("no knotd (the package knot)")
    storage = directory / "knot"
    storage.mkdir()
    port = _free_port()
    (storage / "zone").write_text(_RECORDS)
    (storage / "knot.conf").write_text(f"""\
server:
    rundir: "{storage}"
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{storage}"
zone:
  - domain: {ZONE}
    file: "{storage}/zone"
""")
    command = [program, "-c", str(storage / "knot.conf")]
    log = directory / "knot.log"
    with processes.server(command, storage / "knot.sock", log, processes.CPUS[1]):
        query = dns.message.make_query(f"ready.{ZONE}", "A")
        try:
            reply = dns.query.udp(query, "127.0.0.1", timeout=_START_UP_SECONDS, port=port)
        except (OSError, dns.exception.DNSException) as error:
            raise NotAvailable(f"knotd does not answer: {error}") from error
        if not reply.answer:
            raise NotAvailable(f"knotd does not know {ZONE}")
        yield f"127.0.0.1:{port}"


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Counting:
    """A DNS server that counts its questions, and answers them when it is told to."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._wake, self._woken = socket.socketpair()
        self.asked: Counter[str] = Counter()
        """How often each type was asked for."""
        self._thread = threading.Thread(target=self._serve)

    def __str__(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Counting:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._wake.close()
        self._thread.join()
        self._socket.close()
        self._woken.close()

    def release(self) -> None:
        """Answer what was asked, and from now on at once."""
        self._wake.send(b"!")

    def _serve(self) -> None:
        held: list[tuple[bytes, tuple[str, int]]] | None = []
        with selectors.DefaultSelector() as ready:
            ready.register(self._socket, selectors.EVENT_READ)
            ready.register(self._woken, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    if key.fileobj is self._woken:
                        if not self._woken.recv(1):
                            return
                        for wire, source in held or ():
                            self._socket.sendto(_answer(wire), source)
                        held = None
                        continue
                    wire, source = self._socket.recvfrom(4096)
                    question = dns.message.from_wire(wire).question[0]
                    self.asked[dns.rdatatype.to_text(question.rdtype)] += 1
                    if held is None:
                        self._socket.sendto(_answer(wire), source)
                    else:
                        held.append((wire, source))


def _answer(wire: bytes) -> bytes:
    reply = dns.message.make_response(dns.message.from_wire(wire), recursion_available=True)
    question = reply.question[0]
    data = {"A": "192.0.2.1", "AAAA": "2001:db8::1"}[dns.rdatatype.to_text(question.rdtype)]
    reply.answer.append(dns.rrset.from_text(question.name, 3600, "IN", question.rdtype, data))
    return reply.to_wire()
