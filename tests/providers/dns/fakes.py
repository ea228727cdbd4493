"""Scripted DNS servers on loopback, for what real servers will not do.

    def test_a_silent_server_is_given_up(...):
        with FakeServer(silence) as dead, FakeServer(answering("A", "192.0.2.1")) as good:
            servers = [str(dead), str(good)]            # "127.0.0.1:40123"
            ...
            assert dead.asked[0].name == "www.example.test"

A script is a function that is called, in the server's own thread, with each
query (`Asked`) and does what it likes: `ask.answer("A", "192.0.2.1")`,
`ask.fail("SERVFAIL")`, `ask.truncate()`, `ask.send(wire)`, `ask.close()`, or
nothing at all. A test may also do so later, from its own thread: `FakeServer()`
only collects queries in `asked`, and `fake.wait(2)` returns when there are two
(from async code: ``await anyio.to_thread.run_sync(fake.wait, 2)``).

UDP and TCP listen on the same port. `nobody()` is an address that refuses both.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

PATIENCE = 10.0
"""Seconds after which a test that waits for a query gives up."""

Script = Callable[["Asked"], None]


class Asked:
    """One query that came to a fake server, and the way back to who asked."""

    def __init__(self, wire: bytes, connection: socket.socket, source: tuple[str, int] | None):
        self.wire = wire
        self.message = dns.message.from_wire(wire)
        self._socket = connection
        self.source = source
        """Address and port of the asker; None over TCP."""

    @property
    def transport(self) -> str:
        """How it came: "udp" or "tcp"."""
        return "tcp" if self.source is None else "udp"

    @property
    def name(self) -> str:
        """The name asked for, without the last dot."""
        return self.message.question[0].name.to_text(omit_final_dot=True)

    @property
    def rdtype(self) -> str:
        """The record type asked for, such as "AAAA"."""
        return dns.rdatatype.to_text(self.message.question[0].rdtype)

    def response(
        self,
        *records: tuple[str, str, str],
        rcode: str = "NOERROR",
        ttl: int = 300,
        authority: Sequence[tuple[str, str, str]] = (),
    ) -> dns.message.Message:
        """A reply to this query, to be changed and sent.

        Args:
            records: (owner, type, data); owner "@" is the name that was asked for.
            rcode: the response code.
            ttl: of all records, in seconds.
            authority: records of the authority section.
        """
        reply = dns.message.make_response(self.message, recursion_available=True)
        reply.set_rcode(dns.rcode.from_text(rcode))
        for section, wanted in ((reply.answer, records), (reply.authority, authority)):
            for owner, rdtype, data in wanted:
                name = self.name + "." if owner == "@" else owner
                section.append(dns.rrset.from_text(name, ttl, "IN", rdtype, data))
        return reply

    def answer(self, rdtype: str, *data: str, ttl: int = 300) -> None:
        """Answer with records of the name asked for; with no data if the type differs."""
        wanted = [("@", rdtype, each) for each in data] if rdtype == self.rdtype else []
        self.reply(self.response(*wanted, ttl=ttl))

    def fail(self, rcode: str) -> None:
        """Answer with a response code and no records."""
        self.reply(self.response(rcode=rcode))

    def truncate(self) -> None:
        """Answer with the TC bit and no records."""
        reply = self.response()
        reply.flags |= dns.flags.TC
        self.reply(reply)

    def reply(self, message: dns.message.Message) -> None:
        """Send a message back."""
        self.send(message.to_wire(max_size=65535))

    def send(self, wire: bytes) -> None:
        """Send bytes back as one message."""
        if self.source is None:
            self.send_raw(struct.pack("!H", len(wire)) + wire)
        else:
            self._socket.sendto(wire, self.source)

    def send_from(self, wire: bytes, address: str = "127.0.0.1", port: int = 0) -> None:
        """Send bytes to the asker from another address or port than the server's own."""
        assert self.source is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
            elsewhere.bind((address, port))
            elsewhere.sendto(wire, self.source)

    def send_raw(self, data: bytes) -> None:
        """Send bytes down a TCP connection as they are."""
        with contextlib.suppress(ConnectionError):  # the asker may have gone
            self._socket.sendall(data)

    def close(self) -> None:
        """Shut a TCP connection."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def silence(ask: Asked) -> None:
    """Say nothing."""


def answering(rdtype: str, *data: str, ttl: int = 300) -> Script:
    """Answer every question with these records if it asks for their type, else with none."""
    return lambda ask: ask.answer(rdtype, *data, ttl=ttl)


def failing(rcode: str) -> Script:
    """Answer every question with this response code: "SERVFAIL", "NXDOMAIN", ..."""
    return lambda ask: ask.fail(rcode)


def by_transport(*, udp: Script, tcp: Script) -> Script:
    """One script for UDP and another for TCP."""
    return lambda ask: (udp if ask.transport == "udp" else tcp)(ask)


def in_turn(*scripts: Script) -> Script:
    """One script for each query in the order they come; the last one for all the rest."""
    left = list(scripts)

    def script(ask: Asked) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(ask)

    return script


def truncating(then: Script) -> Script:
    """Truncate over UDP; TCP by another script."""
    return by_transport(udp=Asked.truncate, tcp=then)


def half_a_reply(ask: Asked) -> None:
    """Over TCP, announce a reply, send half of it, and close; over UDP truncate."""
    if ask.transport == "udp":
        ask.truncate()
        return
    wire = ask.response(("@", "A", "192.0.2.1")).to_wire()
    ask.send_raw(struct.pack("!H", len(wire)) + wire[: len(wire) // 2])
    ask.close()


def garbage(ask: Asked) -> None:
    """Answer with bytes that are no DNS message."""
    ask.send(b"\xff" * 40)


def another_id(ask: Asked) -> None:
    """Answer with an address, but under an id that was not asked with."""
    lie = ask.response(("@", "A", "203.0.113.66"))
    lie.id ^= 0x0101
    ask.reply(lie)


class FakeServer:
    """A scripted server; a context manager, and its own thread."""

    def __init__(
        self, script: Script = silence, *, address: str = "127.0.0.1", tcp: bool = True
    ) -> None:
        """Open the sockets; nothing is served before the ``with``.

        Args:
            script: what to do with each query.
            address: the loopback address to serve.
            tcp: whether TCP is served too; else the port refuses it.
        """
        self._script = script
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._udp, self._tcp = _pair(family, address)
        self.address = address
        self.port: int = self._udp.getsockname()[1]
        self.asked: list[Asked] = []
        """The queries so far, in order."""
        self.failure: BaseException | None = None
        self._arrived = threading.Condition()
        self._wake, self._woken = socket.socketpair()
        if tcp:
            self._tcp.listen(64)
        self._serves_tcp = tcp
        self._thread = threading.Thread(target=self._serve, name=f"fake DNS {self}", daemon=True)

    def __str__(self) -> str:
        """The server as the configuration writes it."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"

    def __enter__(self) -> FakeServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._wake.close()
        self._thread.join(PATIENCE)
        for each in (self._udp, self._tcp, self._woken):
            each.close()
        if self.failure is not None and exc[0] is None:
            raise self.failure

    def wait(self, count: int = 1) -> None:
        """Return when that many queries have come in all.

        Raises:
            TimeoutError: they did not come within `PATIENCE`.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.asked) >= count, PATIENCE):
                raise TimeoutError(f"{len(self.asked)} queries came, not {count}")

    def _serve(self) -> None:
        with selectors.DefaultSelector() as ready, contextlib.ExitStack() as connections:
            ready.register(self._udp, selectors.EVENT_READ, None)
            ready.register(self._woken, selectors.EVENT_READ, None)
            if self._serves_tcp:
                ready.register(self._tcp, selectors.EVENT_READ, None)
            while True:
                for key, _ in ready.select():
                    if key.fileobj is self._woken:
                        return
                    if key.fileobj is self._udp:
                        wire, source = self._udp.recvfrom(65535)
                        self._take(Asked(wire, self._udp, source[:2]))
                    elif key.fileobj is self._tcp:
                        connection = connections.enter_context(self._tcp.accept()[0])
                        ready.register(connection, selectors.EVENT_READ, bytearray())
                    else:
                        assert isinstance(key.fileobj, socket.socket)
                        if not self._read(key.fileobj, key.data):
                            ready.unregister(key.fileobj)
                            key.fileobj.close()

    def _read(self, connection: socket.socket, buffer: bytearray) -> bool:
        try:
            data = connection.recv(65536)
        except ConnectionError:
            return False
        buffer += data
        while len(buffer) >= 2 and len(buffer) >= (length := 2 + int.from_bytes(buffer[:2])):
            wire = bytes(buffer[2:length])
            del buffer[:length]
            self._take(Asked(wire, connection, None))
        return bool(data)

    def _take(self, ask: Asked) -> None:
        with self._arrived:
            self.asked.append(ask)
            self._arrived.notify_all()
        try:
            self._script(ask)
        except (AssertionError, OSError, LookupError, ValueError) as error:
            self.failure = error


def _pair(family: int, address: str) -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket bound to the same free port."""
    for _ in range(50):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.bind((address, 0))
        tcp = socket.socket(family, socket.SOCK_STREAM)
        try:
            tcp.bind((address, udp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            continue
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        return udp, tcp
    raise OSError("no port is free for both UDP and TCP")


class DeadServer:
    """A server that takes datagrams and connections, and that nobody reads.

    It has no thread, so it is for tests in virtual time. A context manager.
    """

    def __init__(self) -> None:
        self._udp, self._tcp = _pair(socket.AF_INET, "127.0.0.1")
        self._udp.setblocking(False)
        self._tcp.listen(2048)
        self.port: int = self._udp.getsockname()[1]

    def __str__(self) -> str:
        """The server as the configuration writes it."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> DeadServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._udp.close()
        self._tcp.close()

    def came(self) -> list[dns.message.Message]:
        """The queries that came over UDP since the last call."""
        messages = []
        with contextlib.suppress(BlockingIOError):
            while True:
                messages.append(dns.message.from_wire(self._udp.recv(65535)))
        return messages


@contextmanager
def nobody(address: str = "127.0.0.1") -> Iterator[str]:
    """The "ADDRESS:PORT" of nobody: UDP is answered by "port unreachable", TCP refused."""
    udp, tcp = _pair(socket.AF_INET, address)
    with udp, tcp:
        # Connected to itself it takes datagrams from itself alone, and keeps the port.
        udp.connect(udp.getsockname())
        yield f"{address}:{udp.getsockname()[1]}"
