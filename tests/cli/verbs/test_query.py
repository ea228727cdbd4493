"""``nspctl query``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nspd.model.errors import (
    WSA_E_CANCELLED,
    WSA_E_NO_MORE,
    WSAEACCES,
    WSAETIMEDOUT,
    WSANO_DATA,
    WSANO_RECOVERY,
    WSASERVICE_NOT_FOUND,
    WSASYSCALLFAILURE,
    WSATRY_AGAIN,
)
from tests.cli.conftest import Nspctl
from tests.cli.fake_daemon import HOSTS, FakeDaemon, Refusal, record, verdict


def test_a_record_is_shown_with_name_address_and_origin(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """The answer stands first, then who gave it and how long it took."""
    result = nspctl("query", "localhost")
    first, last = result.stdout.splitlines()
    assert first.split() == ["localhost:", "127.0.0.1", "--", "hosts"]
    assert last.startswith("-- 1 record from hosts in 0.5 ms; ")
    assert (result.exit_code, result.stderr) == (0, "")
    assert daemon.methods()[-1] == "NSPv2LookupServiceEnd"


def test_all_members_of_a_record_are_shown_aligned(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Each further address, alias and member stands below the first, in the same column."""
    addresses = [
        {"remote": {"family": "inet", "host": h, "port": 80}, "socket_type": 1, "protocol": 6}
        for h in ("192.0.2.1", "192.0.2.2")
    ]
    daemon.records = [
        record(
            "web",
            addresses=addresses,
            comment="the site",
            version={"version": 3, "how": "equal"},
            blob="AAE=",
            query_string="rest",
            context="sub",
        ),
        record("www", output_flags=1),
    ]
    lines = nspctl("-q", "query", "web").stdout.splitlines()
    assert lines == [
        "web: tcp:192.0.2.1:80",
        "     tcp:192.0.2.2:80",
        "     version  3",
        "     comment  the site",
        "     context  sub",
        "     query    rest",
        "     blob     2 bytes: 00 01",
        "     alias www",
    ]


@pytest.mark.parametrize("common", [(), ("--json=short",)])
def test_a_record_of_a_newer_daemon_is_shown(
    daemon: FakeDaemon, nspctl: Nspctl, common: tuple[str, ...]
) -> None:
    """What this nspctl does not know of a record keeps nobody from what it knows."""
    plain = record("web", host="192.0.2.1")
    newer = record("web", host="192.0.2.1", later={"more": 1})
    newer["addresses"][0]["later"] = newer["addresses"][0]["remote"]["later"] = [1]
    daemon.records = [plain]
    expected = nspctl("-q", *common, "query", "web")
    daemon.records = [newer]
    result = nspctl("-q", *common, "query", "web")
    assert "192.0.2.1" in result.stdout
    assert (result.stdout, result.exit_code, result.stderr) == (expected.stdout, 0, "")


def test_a_long_name_stands_on_a_line_of_its_own(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A name that leaves no room does not push its addresses out of sight."""
    daemon.records = [record("n" * 60)]
    assert nspctl("-q", "query", "n").stdout.splitlines() == ["n" * 60 + ":", "    127.0.0.1"]


def test_a_record_without_address_says_so(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A name that is known without addresses is not shown as an empty line."""
    daemon.records = [record(addresses=[])]
    assert nspctl("-q", "query", "localhost").stdout == "localhost: (no address)\n"


def test_escape_sequences_in_records_stay_text(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """What a stranger registered cannot steer the terminal, in words nor in JSON."""
    daemon.records = [record("a\x1b]0;x\x07b", comment="\u202e\x9b2J")]
    shown = nspctl("query", "a*").stdout
    assert "a\\x1b]0;x\\x07b" in shown
    assert all(line.isprintable() for line in shown.splitlines())
    daemon.records = [record("a\x1b]0;x\x07b", comment="\u202e\x9b2J")]
    line = nspctl("-j", "query", "a*").stdout.rstrip("\n")
    assert line.isprintable()
    assert json.loads(line)["comment"] == "\u202e\x9b2J"


@pytest.mark.parametrize("arguments", [("-j", "query", "x"), ("query", "x", "--json=short")])
def test_json_is_one_record_a_line_in_the_shape_of_the_protocol(
    arguments: tuple[str, ...], daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """A program reads the records as the daemon gave them, wherever the option stands."""
    given: list[Any] = [record("one"), record("two", "::1")]
    daemon.records = list(given)
    result = nspctl(*arguments)
    assert [json.loads(line) for line in result.stdout.splitlines()] == given
    assert result.exit_code == 0


def test_pretty_json_is_indented(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """--json=pretty is the same value over several lines."""
    given = record()
    result = nspctl("query", "localhost", "--json=pretty")
    assert json.loads(result.stdout) == given
    assert '\n  "service_instance_name"' in result.stdout


def test_verbose_json_ends_with_the_verdicts(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """-v adds one last object that is no record: what became of each provider."""
    last = json.loads(nspctl("-j", "query", "-v", "localhost").stdout.splitlines()[-1])
    assert last["verdicts"] == [verdict()]
    assert last["elapsed"] > 0


def test_verbose_shows_each_provider(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """-v shows a table of verdicts, with error and setting where there is one."""
    daemon.end = Refusal(
        WSA_E_NO_MORE,
        verdicts=[
            verdict(),
            verdict("slow", "timed_out", records=0, error=WSAETIMEDOUT, setting="timeout"),
        ],
    )
    lines = nspctl("query", "-v", "localhost").stdout.splitlines()
    assert lines[-1].split()[:3] == ["slow", "timed_out", "0"]
    assert lines[-1].endswith("WSAETIMEDOUT (10060), limit: timeout")


def test_the_options_reach_the_daemon(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Each option is the member of Begin that it speaks of."""
    guid = "5E1D0000-0000-4000-8000-00000000000B"
    nspctl(
        *("query", "name", "--namespace", "hosts", "--query-string", "a=b", "--context", "top"),
        *("--provider", guid, "--policy", "first", "--flags", "return_addr,deep"),
        *("--timeout", "2.5"),
    )
    begin = daemon.params("NSPv2LookupServiceBegin")
    assert begin["restrictions"] == {
        "service_instance_name": "name",
        "namespace": 11,
        "query_string": "a=b",
        "context": "top",
    }
    assert begin["provider_id"] == guid
    assert begin["policy"] == "first"
    assert begin["control_flags"] == 0x101
    assert begin["timeout"] == 2.5


def test_a_provider_may_be_named_by_its_identifier(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Nobody has to type a GUID: the catalog tells it."""
    entry = {
        "provider_id": "5e1d0000-0000-4000-8000-00000000000b",
        "namespace": 11,
        "identifier": "hosts",
        "kind": "hosts",
        "version": 1,
        "active": True,
        "watch": True,
        "registers": False,
    }
    daemon.answers["WSAEnumNameSpaceProvidersEx"] = {"providers": [entry]}
    assert nspctl("query", "x", "--provider", "hosts").exit_code == 0
    assert daemon.params("NSPv2LookupServiceBegin")["provider_id"] == entry["provider_id"]
    unknown = nspctl("query", "x", "--provider", "nobody")
    assert unknown.exit_code == 3
    assert unknown.stderr.startswith('nspctl: no provider has the identifier "nobody"')
    daemon.answers["WSAEnumNameSpaceProvidersEx"] = {"providers": [entry, entry]}
    several = nspctl("query", "x", "--provider", "hosts")
    assert several.exit_code == 3
    assert several.stderr.startswith('nspctl: several providers have the identifier "hosts"')


def test_limit_ends_the_lookup_early(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """After so many records End is sent, and nothing more is read."""
    daemon.records = [record("one"), record("two"), record("three")]
    result = nspctl("-j", "query", "*", "--limit", "2")
    assert [json.loads(line)["service_instance_name"] for line in result.stdout.splitlines()] == [
        "one",
        "two",
    ]
    assert daemon.methods().count("NSPv2LookupServiceNextEx") == 2
    assert daemon.methods()[-1] == "NSPv2LookupServiceEnd"


def test_watch_goes_on_after_the_first_end(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """In a watch the first 10110 ends the existing set; changes follow, marked as such."""
    daemon.records = [
        record("old"),
        Refusal(WSA_E_NO_MORE, verdicts=[verdict()]),
        record("new", output_flags=0x10),
        record("old", output_flags=0x40),
        Refusal(WSA_E_NO_MORE, verdicts=[verdict(records=3)]),
    ]
    lines = nspctl("query", "*", "--watch").stdout.splitlines()
    assert daemon.params("NSPv2LookupServiceBegin")["watch"] is True
    assert lines[1] == "-- 1 record; watching for changes"
    assert lines[2].split() == ["new:", "127.0.0.1", "--", "hosts,", "added"]
    assert lines[3].split() == ["old:", "127.0.0.1", "--", "hosts,", "deleted"]


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (WSASERVICE_NOT_FOUND, 3, '"nosuch" was not found (asked hosts, registry)'),
        (WSANO_DATA, 3, '"nosuch" is known, but has nothing of the kind asked for'),
        (WSAETIMEDOUT, 4, 'no answer in time about "nosuch"'),
        (WSAEACCES, 5, "not permitted: why"),
        (WSA_E_CANCELLED, 7, "the lookup was cancelled (why)"),
        (WSASYSCALLFAILURE, 1, "why (WSASYSCALLFAILURE, 10107)"),
        (WSATRY_AGAIN, 1, '"nosuch" could not be looked up (dns failed); it may work later'),
        (WSANO_RECOVERY, 1, '"nosuch" could not be looked up (dns failed)'),
    ],
)
def test_each_failure_has_its_sentence_and_exit_status(
    code: int, status: int, words: str, daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """A person reads one sentence, a program the exit status, or the error as JSON."""
    verdicts = [verdict("hosts", "empty"), verdict("registry", "empty"), verdict("x", "skipped")]
    if code in (WSATRY_AGAIN, WSANO_RECOVERY):
        verdicts.append(verdict("dns", "failed", error=code, records=0))
    daemon.records, daemon.end = [], Refusal(code, "why", verdicts=verdicts)
    result = nspctl("query", "nosuch")
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr == f"nspctl: {words}\n"
    as_json = nspctl("-j", "query", "nosuch")
    assert (as_json.exit_code, as_json.stdout) == (status, "")
    error = json.loads(as_json.stderr)["error"]
    assert (error["code"], error["detail"], error["verdicts"]) == (code, "why", verdicts)
    assert error["name"].startswith("WSA")


def test_verbose_shows_the_verdicts_of_a_failure(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """-v tells what each provider said, above the sentence."""
    daemon.records = []
    daemon.end = Refusal(WSASERVICE_NOT_FOUND, verdicts=[verdict("hosts", "empty", records=0)])
    lines = nspctl("query", "-v", "nosuch").stderr.splitlines()
    assert lines[1].split()[:3] == ["hosts", "empty", "0"]
    assert lines[-1] == 'nspctl: "nosuch" was not found (asked hosts)'


@pytest.mark.parametrize("outcome", ["failed", "timed_out", "cancelled"])
def test_strict_makes_a_partial_answer_a_failure(
    outcome: str, daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """Records of one provider while another failed: a note and 0, or 8 with --strict."""
    end = Refusal(WSA_E_NO_MORE, verdicts=[verdict(), verdict("dns", outcome, records=0)])
    daemon.end = end
    note = f"the answer may be incomplete: dns {outcome.replace('_', ' ')}"
    lenient = nspctl("query", "localhost")
    assert (lenient.exit_code, lenient.stderr) == (0, f"nspctl: {note}\n")
    daemon.records = [record()]
    strict = nspctl("query", "localhost", "--strict")
    assert (strict.exit_code, strict.stderr) == (8, f"nspctl: {note}\n")
    daemon.records = [record()]
    error = json.loads(nspctl("-j", "query", "localhost", "--strict").stderr)["error"]
    assert (error["name"], error["detail"]) == ("partial", note)


@pytest.mark.parametrize("outcome", ["answered", "empty", "skipped"])
def test_strict_accepts_a_whole_answer(outcome: str, daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A provider that had nothing, or was not to be asked, leaves no gap."""
    daemon.end = Refusal(WSA_E_NO_MORE, verdicts=[verdict(), verdict("dns", outcome, records=0)])
    result = nspctl("query", "localhost", "--strict")
    assert (result.exit_code, result.stderr) == (0, "")


def test_watch_with_first_is_a_usage_error(nspctl: Nspctl) -> None:
    """What the protocol refuses is refused before the daemon is asked."""
    result = nspctl("query", "x", "--watch", "--policy", "first")
    assert result.exit_code == 2
    assert "--watch cannot be combined with --policy=first" in result.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--namespace", "nowhere"),
        ("--flags", "bogus"),
        ("--flags", "containers,nocontainers"),
        ("--flags", "0x100000000"),
        ("--limit", "0"),
        ("--timeout", "-1"),
        ("--timeout", "inf"),
        ("--timeout", "soon"),
        ("--policy", "some"),
    ],
)
def test_an_impossible_option_is_a_usage_error(option: str, value: str, nspctl: Nspctl) -> None:
    """Each value is checked, and the message names the option."""
    result = nspctl("query", "x", option, value)
    assert result.exit_code == 2
    assert option in result.stderr


@pytest.mark.parametrize(
    ("given", "asked"),
    [("mx", "MX"), ("TXT", "TXT"), ("imaps/tcp", "imaps/tcp"), ("IMAPS/TCP", "imaps/tcp")],
)
def test_type_is_a_query_string(given: str, asked: str, daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """--type takes record types and services, in any case."""
    nspctl("query", "example.org", "--type", given)
    begin = daemon.params("NSPv2LookupServiceBegin")
    assert begin["restrictions"]["query_string"] == asked


def test_all_asks_everybody(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """--all asks all namespaces at once, and providers without authority as well."""
    nspctl("query", "x", "--all")
    begin = daemon.params("NSPv2LookupServiceBegin")
    assert begin["restrictions"] == {"service_instance_name": "x"}
    assert (begin["policy"], begin["control_flags"]) == ("all", 0xFF0 | 0x4000)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--type", "MX", "--query-string", "MX"), "--query-string"),
        (("--all", "--namespace", "dns"), "--namespace"),
        (("--all", "--provider", "dns"), "--provider"),
        (("--all", "--policy", "first"), "--policy"),
    ],
)
def test_options_that_exclude_each_other(
    options: tuple[str, ...], named: str, nspctl: Nspctl
) -> None:
    """What cannot both be meant is refused before the daemon is asked."""
    result = nspctl("query", "x", *options)
    assert result.exit_code == 2
    assert named in result.stderr


PREFERRED = ("-n", "email", "--flags", "return_name,return_preferred_names")


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (("--namespace", "hosts"), {"namespace": 11}),
        (("--type", "imaps/tcp"), {"query_string": "imaps/tcp"}),
        (("--query-string", "MX"), {"query_string": "MX"}),
        (("--context", "lan"), {"context": "lan"}),
        (PREFERRED, {"namespace": 37}),
        (("--flags", "0x10010"), {}),
    ],
)
def test_a_name_may_be_left_out(
    options: tuple[str, ...], asked: dict[str, Any], daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """Where the options say what is asked for, the daemon is sent no name, not an empty one."""
    result = nspctl("query", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert daemon.params("NSPv2LookupServiceBegin")["restrictions"] == asked


def test_a_provider_may_be_asked_without_a_name(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """It is told of everything that it has."""
    assert nspctl("query", "--provider", HOSTS).exit_code == 0
    begin = daemon.params("NSPv2LookupServiceBegin")
    assert (begin["provider_id"], begin["restrictions"]) == (HOSTS, {})


def test_preferred_names_are_shown(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Each record is a name without addresses."""
    preferred = record("alice@mail.example", output_flags=0x10000)
    del preferred["addresses"]
    daemon.records = [preferred]
    result = nspctl("-q", "query", *PREFERRED)
    assert result.stdout == "alice@mail.example: (no address)\n"
    assert daemon.params("NSPv2LookupServiceBegin")["control_flags"] == 0x10010


def test_a_record_without_any_name_says_so(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Where neither the question nor the record has a name, the line begins with something."""
    nameless = record()
    del nameless["service_instance_name"]
    daemon.records = [nameless]
    result = nspctl("-q", "query", "-n", "hosts", "--flags", "return_addr")
    assert result.stdout == "(no name): 127.0.0.1\n"


@pytest.mark.parametrize(
    "command",
    [
        ("query",),
        ("query", "--watch", "-v"),
        ("query", "--policy", "first", "--limit", "3"),
        ("explain",),
        ("query", "--namespace", "0", "--context", ""),
        ("explain", "--all"),
        ("explain", "--flags", "return_addr"),
    ],
)
def test_nothing_asked_for_is_a_usage_error(
    command: tuple[str, ...], daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """Options that only say whom to ask, or how, ask for nothing; the daemon is not bothered."""
    result = nspctl(*command)
    assert (result.exit_code, daemon.asked) == (2, [])
    assert "nothing is asked for" in result.stderr
    for words in ("NAME", "--namespace", "--type", "return_preferred_names"):
        assert words in result.stderr


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (WSASERVICE_NOT_FOUND, "what was asked for was not found (asked hosts)"),
        (WSANO_DATA, "there are names, but none has anything of the kind asked for"),
        (WSAETIMEDOUT, "no answer in time"),
    ],
)
def test_a_failure_without_a_name_speaks_of_none(
    code: int, words: str, daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """The sentence does not quote an empty name."""
    daemon.records = []
    daemon.end = Refusal(code, "why", verdicts=[verdict(outcome="empty", records=0)])
    assert nspctl("query", *PREFERRED).stderr == f"nspctl: {words}\n"


@pytest.mark.parametrize("verb", ["query", "explain"])
def test_help_says_when_a_name_may_be_left_out(verb: str, nspctl: Nspctl) -> None:
    """NAME stands in brackets, and the text tells what takes its place."""
    text = " ".join(nspctl(verb, "--help").stdout.split())
    assert f"nspctl {verb} [OPTIONS] [NAME]" in text
    assert "Without NAME" in text
