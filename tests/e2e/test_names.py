"""nspctl against a real daemon with a real DNS server: what each verb shows, and how it exits."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nspd.cli.nspctl import main
from tests.providers.dns.fakes import FakeServer, silence
from tests.providers.dns.servers import Server, knot

__all__ = ["knot"]

DEADLINE = 20.0
"""Seconds after which a test that waits in vain fails."""

CONFIGURATION = """
[daemon]
socket = "{directory}/nspd.sock"
state_dir = "{directory}/state"
backend = "{backend}"

[[provider]]
kind = "hosts"
path = "{directory}/hosts"

[[provider]]
kind = "registry"
store = "memory"

[[provider]]
kind = "email"
store = "memory"
servers = ["{knot}"]
resolv_conf = "{directory}/resolv.conf"

[[provider]]
kind = "dns"
servers = ["{knot}"]
resolv_conf = "{directory}/resolv.conf"

[[provider]]
kind = "dns"
identifier = "silent"
provider_id = "6f0d2f2e-3b1c-4c58-9a37-7d0b4b1f6a10"
servers = ["{silent}"]
resolv_conf = "{directory}/resolv.conf"
timeout = 0.3
attempts = 1
domains = ["corp.test"]
"""


class Daemon:
    """`nspd serve` on a socket of its own, and nspctl that talks to it."""

    def __init__(self, directory: Path, backend: str, servers: Sequence[object]) -> None:
        self._directory = directory
        (directory / "hosts").write_text("192.0.2.9 printer.test lp\n192.0.2.8 db.corp.test\n")
        (directory / "resolv.conf").touch()
        knot, silent = servers
        text = CONFIGURATION.format(directory=directory, backend=backend, knot=knot, silent=silent)
        (directory / "nspd.toml").write_text(text)
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told,
            (directory / "log").open("ab") as log,
        ):
            told.bind(str(directory / "notify.sock"))
            told.settimeout(DEADLINE)
            program = "from nspd.cli.nspd import main; main()"
            self._process = subprocess.Popen(
                [sys.executable, "-c", program, "serve", "--config", str(directory / "nspd.toml")],
                env={**os.environ, "NOTIFY_SOCKET": str(directory / "notify.sock")},
                stderr=log,
            )
            assert told.recv(1024).startswith(b"READY=1")

    def stop(self) -> None:
        """Stop it, and wait until it is gone."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=DEADLINE)

    def nspctl(self, *arguments: str) -> Result:
        """Run nspctl in this process."""
        result = CliRunner().invoke(
            main, ["--socket", str(self._directory / "nspd.sock"), *arguments]
        )
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result

    def json(self, *arguments: str) -> list[Any]:
        """What nspctl says in JSON."""
        return [json.loads(line) for line in self.nspctl("-j", *arguments).stdout.splitlines()]


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def daemon(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, knot: Server
) -> Iterator[Daemon]:
    """A daemon on either event loop, with a real server and one that says nothing."""
    with FakeServer(silence) as silent:
        daemon = Daemon(tmp_path_factory.mktemp("names"), request.param, (knot, silent))
        yield daemon
        daemon.stop()


def test_explain_tells_cache_and_attempts(daemon: Daemon, knot: Server) -> None:
    """The first time the server is asked; the second time the cache knows."""
    first = daemon.nspctl("explain", "www.example.test.")
    assert first.exit_code == 0
    assert f"{knot} over udp, www.example.test A: NOERROR" in first.stdout
    assert "www.example.test A is not in the cache" in first.stdout
    assert "192.0.2.10" in first.stdout
    second = daemon.nspctl("explain", "www.example.test.")
    assert "www.example.test A is in the cache" in second.stdout
    assert " over udp" not in second.stdout


def test_explain_of_a_claimed_name_whose_server_is_silent(daemon: Daemon) -> None:
    """Exit 4; hosts, which knows the name, was not asked; the setting is named."""
    result = daemon.nspctl("explain", "db.corp.test.")
    assert result.exit_code == 4
    assert 'names under "corp.test" are for those who claim them' in result.stdout
    assert "timed out" in result.stdout
    assert 'by the limit "' in result.stdout
    (told,) = daemon.json("explain", "db.corp.test.")
    assert [verdict["identifier"] for verdict in told["verdicts"]] == ["silent"]
    assert told["verdicts"][0]["setting"] is not None


def test_explain_of_a_name_that_does_not_exist(daemon: Daemon) -> None:
    """Exit 3, and the server's answer stands in the story."""
    result = daemon.nspctl("explain", "nosuch.example.test.")
    assert result.exit_code == 3
    assert "NXDOMAIN" in result.stdout
    assert "was not found" in result.stderr


def test_query_by_type(daemon: Daemon) -> None:
    """--type gives the records of that type as text."""
    (record,) = daemon.json("query", "example.test.", "-t", "mx", "-n", "dns")
    assert record["comment"] == "10 mx.example.test."
    assert daemon.nspctl("query", "v4.example.test.", "-t", "MX").exit_code == 3


def test_all_namespaces_and_both_policies(daemon: Daemon) -> None:
    """A name of the hosts file, then one of the DNS, each found under both policies."""
    for policy in ("all", "first"):
        records = daemon.json("query", "printer.test", "--policy", policy)
        assert {record["namespace"] for record in records} == {11}
        records = daemon.json("query", "v4.example.test.", "--policy", policy)
        assert [record["addresses"][0]["remote"]["host"] for record in records] == ["192.0.2.4"]
    assert daemon.nspctl("query", "printer.test", "--all").exit_code == 0


def test_an_own_name_hides_the_dns_under_first(daemon: Daemon) -> None:
    """A registered name comes before the DNS's, and beside it under "all"."""
    name = "v6.example.test"
    assert daemon.nspctl("register", name, "--address", "tcp:192.0.2.99:1").exit_code == 0
    try:
        first = daemon.json("query", name, "--policy", "first")
        assert {record["namespace"] for record in first} == {65536}
        both = daemon.json("query", name)
        assert {record["namespace"] for record in both} == {65536, 12}
    finally:
        assert daemon.nspctl("delete", name).exit_code == 0
    assert {record["namespace"] for record in daemon.json("query", name)} == {12}


def test_service_in_the_order_of_its_priorities(daemon: Daemon) -> None:
    """Targets of a lower priority come last, with their addresses and ports."""
    records = daemon.json("service", "example.test.", "imaps")
    assert [record["service_instance_name"] for record in records][-1] == "imap3.example.test"
    ports = [record["addresses"][0]["remote"]["port"] for record in records]
    assert ports == [993, 993, 1993]
    assert daemon.nspctl("service", "example.test.", "none/tcp").exit_code == 3


def test_email(daemon: Daemon) -> None:
    """The mail services of a domain; a domain without any is exit 3."""
    records = daemon.json("email", "alice@mail.test")
    services = {record.get("query_string") for record in records}
    assert {"submissions/tcp", "imaps/tcp"} <= services
    assert "pop3/tcp" not in services
    assert daemon.nspctl("email", "alice@nomail.test").exit_code == 3


def test_preferred_names_are_asked_for_without_a_name(daemon: Daemon, tmp_path: Path) -> None:
    """The mail addresses that the user registered are what he would publish; hosts has none."""
    flags = ("--flags", "return_preferred_names")
    assert daemon.nspctl("query", *flags, "-n", "email").exit_code == 3
    (tmp_path / "card").write_bytes(b"vcard")
    card = ("--blob", str(tmp_path / "card"), "--address", "tcp:192.0.2.101:465")
    done = daemon.nspctl("register", "bob@mail.test", "-n", "email", *card)
    assert (done.exit_code, done.stderr) == (0, "")
    try:
        for whom in (("-n", "email"), ("--provider", "email"), ()):
            (found,) = daemon.json("query", *flags, *whom)
            assert found["service_instance_name"] == "bob@mail.test"
            assert found["output_flags"] == 0x10000
            assert "addresses" not in found
        listed = daemon.json("query", "-n", "email")
        assert [record["service_instance_name"] for record in listed] == ["bob@mail.test"]
        assert daemon.nspctl("query", *flags, "-n", "hosts").exit_code == 3
        told = daemon.nspctl("explain", *flags, "-n", "email").stdout
        assert told.startswith("(no name): namespace email, preferred names")
    finally:
        daemon.nspctl("delete", "bob@mail.test", "-n", "email")


def test_email_of_a_claimed_domain_goes_nowhere_else(daemon: Daemon) -> None:
    """The mail provider does not list corp.test: it is not told the address."""
    result = daemon.nspctl("email", "alice@corp.test")
    assert result.exit_code == 3
    assert "corp.test" in result.stderr


def test_the_cache_is_shown_and_flushed(daemon: Daemon) -> None:
    """What was looked up stands in the cache until it is flushed."""
    daemon.nspctl("query", "v4.example.test.")
    shown = daemon.nspctl("show-cache", "v4.example.test")
    assert "192.0.2.4" in shown.stdout
    assert daemon.nspctl("flush-caches").exit_code == 0
    empty = daemon.nspctl("show-cache", "v4.example.test")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "nothing is cached" in empty.stderr
