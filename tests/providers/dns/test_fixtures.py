"""The test servers themselves: they serve what zones.py says."""

from __future__ import annotations

from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.providers.dns.fakes import FakeServer, answering, nobody
from tests.providers.dns.servers import Server, need, start_knot


def ask(
    server: Server, name: str, rdtype: str, *, flags: int = dns.flags.RD
) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, flags=flags)
    reply, _ = dns.query.udp_with_fallback(query, server.address, timeout=5, port=server.port)
    return reply


def test_knot_serves_the_zones(knot: Server) -> None:
    """An address is served as the zone file has it."""
    assert ask(knot, "www.example.test", "A").answer[0][0].to_text() == "192.0.2.10"


@pytest.mark.parametrize(
    ("name", "authentic"), [("www.signed.test", True), ("www.example.test", False)]
)
def test_unbound_validates(unbound: Server, name: str, authentic: bool) -> None:
    """The AD bit is set for the signed zone alone."""
    reply = ask(unbound, name, "A", flags=dns.flags.RD | dns.flags.AD)
    assert reply.answer
    assert bool(reply.flags & dns.flags.AD) is authentic


def test_unbound_refuses_what_is_bogus(unbound: Server) -> None:
    """A zone that does not fit its trust anchor is SERVFAIL."""
    assert ask(unbound, "www.bogus.test", "A").rcode() == dns.rcode.SERVFAIL


def test_a_fake_answers_over_both_transports() -> None:
    """The script is asked for each query, by UDP and TCP on one port."""
    with FakeServer(answering("A", "192.0.2.9")) as fake:
        query = dns.message.make_query("www.example.test", "A")
        for exchange in (dns.query.udp, dns.query.tcp):
            reply = exchange(query, fake.address, timeout=5, port=fake.port)
            assert reply.answer[0][0].to_text() == "192.0.2.9"
        assert [each.transport for each in fake.asked] == ["udp", "tcp"]


def test_a_server_keeps_its_port_over_a_restart(tmp_path: Path) -> None:
    """A test may stop a server, see it gone, and have it back."""
    zone = "$ORIGIN own.test.\n$TTL 5\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n"
    with start_knot(tmp_path, {"own.test": zone}, {}) as server:
        assert ask(server, "ns.own.test", "A").answer
        server.stop()
        assert "shutting down" in server.log
        with pytest.raises((OSError, dns.exception.Timeout)):
            dns.query.tcp(
                dns.message.make_query("ns.own.test", "A"),
                server.address, timeout=5, port=server.port,
            )  # fmt: skip
        server.start()
        assert ask(server, "ns.own.test", "A").answer


@pytest.mark.parametrize("ci", [None, "true"])
def test_a_missing_server_fails_in_ci_alone(
    ci: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere the tests that need it are skipped."""
    monkeypatch.delenv("CI", raising=False)
    if ci is not None:
        monkeypatch.setenv("CI", ci)
    outcome = pytest.skip.Exception if ci is None else pytest.fail.Exception
    with pytest.raises(outcome, match="no-such-server is not installed"):
        need("no-such-server")


def test_nobody_refuses() -> None:
    """The address of nobody refuses TCP, and UDP from a connected socket."""
    query = dns.message.make_query("www.example.test", "A")
    with nobody() as address:
        host, port = address.split(":")
        with pytest.raises(ConnectionRefusedError):
            dns.query.tcp(query, host, timeout=5, port=int(port))
