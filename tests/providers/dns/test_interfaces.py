"""What this host's network tells."""

from __future__ import annotations

import socket
import struct

import pytest

from nspd.providers.dns.interfaces import (
    KnownFamilies,
    configured_families,
    source_address,
)

INET, INET6 = int(socket.AF_INET), int(socket.AF_INET6)
DONE, ERROR, ADDRESS = 3, 2, 20
GLOBAL, LINK, HOST = 0, 253, 254


def message(kind: int, family: int = 0, scope: int = 0) -> bytes:
    """One message of rtnetlink(7), padded to four bytes."""
    body = struct.pack("=BBBBI", family, 24, 0, scope, 1) + b"\x05\x00\x01\x00x"
    length = 16 + len(body)
    return struct.pack("=IHHII", length, kind, 2, 1, 0) + body + b"\0" * (-length % 4)


class Netlink:
    """A socket to a kernel with these addresses."""

    parts: tuple[bytes, ...] = ()

    def __init__(self, *args: object) -> None:
        self._left = list(self.parts)

    def send(self, data: bytes) -> int:
        """Take the request."""
        return len(data)

    def recv(self, size: int) -> bytes:
        """The next part of the answer."""
        return self._left.pop(0)

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("parts", "families"),
    [
        ([message(DONE)], set()),
        ([message(ADDRESS, INET, HOST) + message(ADDRESS, INET6, HOST), message(DONE)], set()),
        ([message(ADDRESS, INET, GLOBAL), message(DONE)], {"inet"}),
        ([message(ADDRESS, INET6, LINK) + message(DONE)], {"inet6"}),
        (
            [message(ADDRESS, INET, GLOBAL), message(ADDRESS, INET6, GLOBAL), message(DONE)],
            {"inet", "inet6"},
        ),
        ([message(ADDRESS, 99, GLOBAL) + message(DONE)], set()),
    ],
)
def test_families_are_those_of_addresses_but_loopback(
    monkeypatch: pytest.MonkeyPatch, parts: list[bytes], families: set[str]
) -> None:
    """LUP_ADDRCONFIG: an address of the scope "host" does not count."""
    monkeypatch.setattr(Netlink, "parts", tuple(parts))
    monkeypatch.setattr(socket, "socket", Netlink)
    assert configured_families() == families


def test_a_kernel_that_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then all families are taken to be there."""
    monkeypatch.setattr(Netlink, "parts", (message(ERROR),))
    monkeypatch.setattr(socket, "socket", Netlink)
    with pytest.raises(OSError, match="does not list"):
        configured_families()
    assert KnownFamilies(lambda: 0.0, configured_families)() == {"inet", "inet6"}


def test_this_host_says() -> None:
    """The real kernel answers."""
    assert configured_families() <= {"inet", "inet6"}


def test_families_are_asked_for_once_a_second() -> None:
    """They change seldom, and the question costs more than a lookup."""
    times = iter([0.0, 0.5, 0.9, 1.0, 1.5])
    answers = iter([frozenset({"inet"}), frozenset({"inet6"})])
    known = KnownFamilies(lambda: next(times), lambda: next(answers))
    assert [known() for _ in range(5)] == [{"inet"}, {"inet"}, {"inet"}, {"inet6"}, {"inet6"}]


def test_the_source_of_loopback_is_loopback() -> None:
    """No packet is sent for it."""
    assert source_address("127.0.0.1") == "127.0.0.1"


@pytest.mark.parametrize("destination", ["255.255.255.255", "not an address"])
def test_a_destination_without_a_way_has_no_source(destination: str) -> None:
    """The system refuses."""
    assert source_address(destination) is None
