"""``nspctl register``, ``deregister`` and ``delete``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nspd.model.errors import WSAEACCES, WSASERVICE_NOT_FOUND
from tests.cli.conftest import Nspctl
from tests.cli.fake_daemon import FakeDaemon, Refusal

SET_SERVICE = "NSPv2SetServiceEx"
WEB = {
    "remote": {"family": "inet", "host": "127.0.0.1", "port": 80},
    "socket_type": 1,
    "protocol": 6,
}


def test_register_sends_the_whole_object(
    daemon: FakeDaemon, nspctl: Nspctl, tmp_path: Path
) -> None:
    """Every option is the member of the registration, or of the call, that it speaks of."""
    blob = tmp_path / "blob"
    blob.write_bytes(b"\x00\x01")
    result = nspctl(
        *("register", "web", "--address", "tcp:127.0.0.1:80", "--address", "udp:[::1]:53"),
        *("--address", "unix:/run/web", "--bind", "tcp:0.0.0.0:80", "--comment", "site"),
        *("--version", "3", "--context", "sub", "--query-string", "q", "--blob", str(blob)),
        *("--machine", "--multiple", "--ttl", "60"),
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout == 'registered "web" with 3 addresses in registry\n'
    asked = daemon.params(SET_SERVICE)
    assert asked["registration"] == {
        "service_instance_name": "web",
        "version": {"version": 3, "how": "equal"},
        "comment": "site",
        "namespace": 65536,
        "context": "sub",
        "query_string": "q",
        "addresses": [
            {**WEB, "local": {"family": "inet", "host": "0.0.0.0", "port": 80}},
            {
                "remote": {"family": "inet6", "host": "::1", "port": 53},
                "socket_type": 2,
                "protocol": 17,
            },
            {"remote": {"family": "unix", "path": "/run/web"}, "socket_type": 1, "protocol": 0},
        ],
        "blob": "AAE=",
    }
    assert asked["operation"] == 0
    assert asked["control_flags"] == 1
    assert asked["visibility"] == "machine"
    assert asked["ttl"] == 60


def test_register_replaces_unless_multiple(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Without --multiple the given addresses are the whole group."""
    nspctl("register", "web", "--address", "tcp:127.0.0.1:80")
    asked = daemon.params(SET_SERVICE)
    assert asked.get("control_flags", 0) == 0
    assert asked.get("visibility", "user") == "user"
    assert asked.get("lifetime", "permanent") == "permanent"


@pytest.mark.parametrize(("verb", "operation"), [("deregister", 1), ("delete", 2)])
def test_given_addresses_alone_are_taken_away(
    verb: str, operation: int, daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """With --address the call carries SERVICE_MULTIPLE, without it the whole object is meant."""
    some = nspctl(verb, "web", "--address", "tcp:127.0.0.1:80")
    asked = daemon.params(SET_SERVICE)
    assert asked["operation"] == operation
    assert asked["control_flags"] == 1
    assert asked["registration"]["addresses"] == [WEB]
    assert some.stdout == 'withdrew 1 address of "web" in registry\n'
    daemon.asked.clear()
    whole = nspctl(verb, "web")
    asked = daemon.params(SET_SERVICE)
    assert asked.get("control_flags", 0) == 0
    assert not asked["registration"].get("addresses")
    assert whole.stdout.endswith(' "web" in registry\n')


@pytest.mark.parametrize("verb", ["register", "deregister", "delete"])
def test_the_change_is_told_as_json(verb: str, daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A program reads back what was done."""
    result = nspctl("-j", verb, "web", "--address", "tcp:127.0.0.1:80")
    told = json.loads(result.stdout)
    assert told["operation"] == verb
    assert told["registration"]["addresses"] == [WEB]


@pytest.mark.parametrize("verb", ["register", "deregister", "delete"])
def test_quiet_says_nothing_of_success(verb: str, daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """--quiet leaves the exit status to tell."""
    result = nspctl(verb, "web", "-q", "--address", "tcp:127.0.0.1:80")
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("verb", ["deregister", "delete"])
def test_an_unknown_name_is_not_found(verb: str, daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Taking away what is not there is exit 3, naming it (Case 104)."""
    daemon.answers[SET_SERVICE] = Refusal(WSASERVICE_NOT_FOUND, "")
    result = nspctl(verb, "nosuch")
    assert result.exit_code == 3
    assert result.stderr == 'nspctl: "nosuch" was not found\n'


def test_what_is_not_permitted_is_said_so(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A refusal by the daemon is exit 5 with its reason."""
    daemon.answers[SET_SERVICE] = Refusal(WSAEACCES, "only administrators may")
    result = nspctl("register", "web", "--machine", "--address", "tcp:127.0.0.1:80")
    assert result.exit_code == 5
    assert result.stderr == "nspctl: not permitted: only administrators may\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("register",),
        ("register", "web"),
        ("register", "web", "--address", "127.0.0.1:80"),
        ("register", "web", "--address", "tcp:127.0.0.1:80", "--version", "-1"),
        ("register", "web", "--address", "tcp:127.0.0.1:80", "--blob", "/no/such/file"),
        ("delete",),
        ("deregister", "web", "--address", "tcp:nowhere:1"),
    ],
)
def test_usage_errors_are_found_before_the_daemon_is_asked(
    arguments: tuple[str, ...], daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """A command line that cannot be meant is exit 2, and nothing is changed."""
    assert nspctl(*arguments).exit_code == 2
    assert daemon.asked == []


def test_register_without_address_says_what_to_give(nspctl: Nspctl) -> None:
    """The most likely mistake is answered with an example."""
    assert "--address" in nspctl("register", "web").stderr


def test_a_session_registration_is_held_until_the_daemon_goes(
    daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """--session keeps the connection, on which the name lives, and reports its loss."""
    daemon.answers["WSAProviderConfigChange"] = Refusal(10050, "gone")
    result = nspctl("register", "web", "--session", "--address", "tcp:127.0.0.1:80")
    assert daemon.params(SET_SERVICE)["lifetime"] == "session"
    assert result.exit_code == 6
