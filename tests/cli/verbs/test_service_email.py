"""``nspctl service`` and ``nspctl email``."""

from __future__ import annotations

import json

import pytest

from nspd.model.errors import WSASERVICE_NOT_FOUND
from tests.cli.conftest import Nspctl
from tests.cli.fake_daemon import FakeDaemon, Refusal, record, verdict


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("imaps/tcp", "imaps/tcp"),
        ("imaps", "imaps/tcp"),
        ("SIP/UDP", "sip/udp"),
        ("_imaps._tcp", "imaps/tcp"),
        ("_xmpp-client._tcp", "xmpp-client/tcp"),
        ("_imaps/_tcp", "imaps/tcp"),
    ],
)
def test_a_service_is_asked_for_by_its_query_string(
    text: str, asked: str, daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """However the service is written, the daemon is asked for service/protocol of the domain."""
    assert nspctl("service", "example.org", text).exit_code == 0
    assert daemon.params("NSPv2LookupServiceBegin")["restrictions"] == {
        "service_instance_name": "example.org",
        "query_string": asked,
    }


@pytest.mark.parametrize("text", ["", "/tcp", "imaps/", "a b", "a/b/c", "ü/tcp", "_/_"])
def test_what_is_no_service_is_a_usage_error(text: str, nspctl: Nspctl) -> None:
    """The daemon is not asked for what cannot be a service."""
    result = nspctl("service", "example.org", text)
    assert result.exit_code == 2
    assert "TYPE" in result.stderr


def test_options_of_service(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """It takes a namespace, a provider, a policy and a limit, and shows verdicts."""
    guid = "5e1d0000-0000-4000-8000-00000000000c"
    arguments = ("-n", "dns", "--provider", guid, "--policy", "first", "--limit", "1", "-v")
    daemon.records = [record("imap.example", comment="0 1 993 imap.example.")]
    result = nspctl("service", "example.org", "imaps", *arguments)
    begin = daemon.params("NSPv2LookupServiceBegin")
    assert (begin["restrictions"]["namespace"], begin["policy"]) == (12, "first")
    assert begin["provider_id"] == guid
    assert "comment  0 1 993 imap.example." in result.stdout


def test_a_mail_address_is_asked_for_in_its_namespace(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """The whole address is the name, and the namespace is NS_EMAIL."""
    daemon.records = [
        record(
            "imap.example.org",
            namespace=37,
            query_string="imaps/tcp",
            context="dns",
            blob="AAE=",
        )
    ]
    result = nspctl("email", "alice@example.org")
    begin = daemon.params("NSPv2LookupServiceBegin")
    assert begin["restrictions"] == {"service_instance_name": "alice@example.org", "namespace": 37}
    assert begin["control_flags"] == 0xFF0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["imap.example.org:", "127.0.0.1", "--", "email,", "imaps/tcp,", "dns"]
    assert "blob" not in result.stdout


def test_email_asks_providers_without_authority_with_all(
    daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """--all sets LUP_NON_AUTHORITATIVE."""
    nspctl("email", "--all", "alice@example.org")
    assert daemon.params("NSPv2LookupServiceBegin")["control_flags"] == 0xFF0 | 0x4000


@pytest.mark.parametrize("text", ["alice", "@example.org", "alice@", "@", ""])
def test_what_is_no_mail_address_is_a_usage_error(text: str, nspctl: Nspctl) -> None:
    """An address has a local part and a domain."""
    result = nspctl("email", text)
    assert result.exit_code == 2
    assert "user@domain" in result.stderr


@pytest.mark.parametrize("arguments", [("service", "x", "imaps"), ("email", "a@x")])
def test_nothing_found(arguments: tuple[str, ...], daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Exit status and JSON are those of query."""
    verdicts = [verdict("dns", "empty", records=0)]
    daemon.records, daemon.end = [], Refusal(WSASERVICE_NOT_FOUND, "why", verdicts=verdicts)
    result = nspctl("-j", *arguments)
    assert (result.exit_code, result.stdout) == (3, "")
    assert json.loads(result.stderr)["error"]["verdicts"] == verdicts


@pytest.mark.parametrize("arguments", [("service", "x", "imaps"), ("email", "a@x")])
def test_strict(arguments: tuple[str, ...], daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A part that may be missing is exit 8 with --strict."""
    daemon.end = Refusal(10110, verdicts=[verdict(), verdict("dns", "failed", records=0)])
    assert nspctl(*arguments, "--strict").exit_code == 8
