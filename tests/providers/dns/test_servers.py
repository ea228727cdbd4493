"""How servers are written, and in which order they are asked."""

from __future__ import annotations

import socket

import pytest

from nspd.providers.dns.servers import LATELY, Health, Server, parse_server


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", Server("192.0.2.1", 53)),
        ("192.0.2.1:5353", Server("192.0.2.1", 5353)),
        ("2001:db8::1", Server("2001:db8::1", 53)),
        ("2001:DB8:0::1", Server("2001:db8::1", 53)),
        ("[2001:db8::1]", Server("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", Server("2001:db8::1", 5353)),
        ("fe80::1%eth0", Server("fe80::1%eth0", 53)),
        ("[fe80::1%2]:65535", Server("fe80::1%2", 65535)),
        ("0.0.0.0", Server("0.0.0.0", 53)),
    ],
)
def test_a_server_is_read(text: str, server: Server) -> None:
    """Addresses of both families, with and without a port; port 53 by default."""
    assert parse_server(text) == server


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.test",
        "192.0.2.1:",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:99999999999999999999999",
        "192.0.2.1:-1",
        "192.0.2.1:٥٣",
        "192.0.2.1:+53",
        "192.0.2.1: 53",
        "192.0.2",
        "192.0.2.256",
        "[192.0.2.1]:53",
        "[2001:db8::1",
        "[2001:db8::1]53",
        "[2001:db8::1]:",
        "2001:db8::1::2",
        "224.0.0.251",
        "ff02::fb",
        "255.255.255.255",
        " 192.0.2.1",
        "fe80::1%",
        "fe80::1%a\0b",
        "fe80::1%sixteen-letters-",
        "fe80::1%größe",
    ],
)
def test_what_is_no_server_is_refused(text: str) -> None:
    """A text that is no address and port is an error that quotes the culprit."""
    with pytest.raises(ValueError, match=r"'.*'"):
        parse_server(text)


@pytest.mark.parametrize("text", ["192.0.2.1:53", "[2001:db8::1]:5353", "[fe80::1%eth0]:53"])
def test_a_server_is_written_as_it_is_read(text: str) -> None:
    """What `str` gives, `parse_server` takes."""
    assert str(parse_server(text)) == text


def test_a_scope_becomes_the_index_of_its_interface() -> None:
    """A socket address has the scope as a number (RFC 4007)."""
    assert Server("fe80::1%lo").sockaddr() == ("fe80::1", 53, 0, socket.if_nametoindex("lo"))
    assert Server("fe80::1%7").sockaddr() == ("fe80::1", 53, 0, 7)
    assert Server("fe80::1%99999999999").sockaddr() == ("fe80::1", 53, 0, 2**31 - 1)


def test_a_scope_of_no_interface_is_no_address() -> None:
    """An interface that is not there is found out when the server is asked."""
    with pytest.raises(OSError, match=r"[Nn]o (such device|interface)"):
        Server("fe80::1%nowhere").sockaddr()


FIRST, SECOND, THIRD = (Server(f"192.0.2.{number}") for number in (1, 2, 3))
SERVERS = (FIRST, SECOND, THIRD)


class Clock:
    """A clock that a test turns."""

    time = 1000.0

    def now(self) -> float:
        """The time."""
        return self.time


@pytest.fixture
def clock() -> Clock:
    """A clock at 1000."""
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    """A memory without a failure."""
    return Health(clock.now)


def test_without_failures_the_order_stays(health: Health) -> None:
    """Servers are asked in the order of the configuration."""
    assert list(health.order(SERVERS)) == [FIRST, SECOND, THIRD]


def test_who_failed_lately_is_asked_last(health: Health, clock: Clock) -> None:
    """The failed come last, the one that failed longest ago before the others."""
    health.failed(SECOND)
    clock.time += 1
    health.failed(FIRST)
    assert list(health.order(SERVERS)) == [THIRD, SECOND, FIRST]


def test_a_failure_is_forgotten_in_time(health: Health, clock: Clock) -> None:
    """After `LATELY` a server has its place again."""
    health.failed(FIRST)
    clock.time += LATELY - 0.001
    assert list(health.order(SERVERS)) == [SECOND, THIRD, FIRST]
    clock.time += 0.001
    assert list(health.order(SERVERS)) == [FIRST, SECOND, THIRD]


def test_an_answer_ends_a_failure(health: Health) -> None:
    """A server that answers has its place again at once."""
    health.failed(FIRST)
    health.answered(FIRST)
    assert list(health.order(SERVERS)) == [FIRST, SECOND, THIRD]


def test_servers_that_are_no_longer_used_are_forgotten(health: Health) -> None:
    """A server that left the configuration and comes back starts anew."""
    health.failed(FIRST)
    health.failed(SECOND)
    health.keep([SECOND, THIRD])
    assert list(health.order(SERVERS)) == [FIRST, THIRD, SECOND]
