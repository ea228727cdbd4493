"""The verbs that show and steer the daemon."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nspd.model.errors import WSA_INVALID_HANDLE, WSAEACCES
from tests.cli.conftest import Nspctl
from tests.cli.fake_daemon import HOSTS, FakeDaemon, Refusal, verdict

STATUS = {
    "version": "0.1.0",
    "pid": 42,
    "backend": "uvloop",
    "uptime": 125.0,
    "census": {
        "connections": 1,
        "sessions": 1,
        "lookups": 0,
        "waiting_calls": 0,
        "provider_tasks": 0,
        "detached": 0,
        "file_descriptors": 12,
    },
}
PROVIDER = {
    "provider_id": HOSTS,
    "namespace": 11,
    "identifier": "hosts",
    "kind": "hosts",
    "version": 1,
    "active": True,
    "watch": True,
    "registers": False,
}
SESSION = {
    "session": 5,
    "uid": 1000,
    "pid": 77,
    "client": "app/1",
    "age": 2.5,
    "startups": 1,
    "rundown": False,
    "lookups": 3,
    "waiting_calls": 2,
    "bytes_unsent": 0,
}
LOOKUP = {
    "lookup": 123456,
    "session": 5,
    "uid": 1000,
    "pid": 77,
    "client": None,
    "name": "web\x1b",
    "query_string": None,
    "namespace": 65536,
    "watch": False,
    "state": "running",
    "age": 0.25,
    "waiting": 1,
    "ready": 0,
    "delivered": 2,
    "verdicts": [verdict()],
}
STATISTICS = {
    "uptime": 125.0,
    "counters": {"requests": 12},
    "providers": [
        {
            "provider_id": HOSTS,
            "identifier": "hosts",
            "lookups": 4,
            "records": 5,
            "elapsed": 0.5,
            "outcomes": {"answered": 4},
            "running": 0,
            "detached": 0,
        }
    ],
}
EVERYTHING: dict[str, tuple[str, Any, Any]] = {
    "status": ("nspd.Status", STATUS, STATUS),
    "statistics": ("nspd.Statistics", STATISTICS, STATISTICS),
    "providers": ("WSAEnumNameSpaceProvidersEx", {"providers": [PROVIDER]}, [PROVIDER]),
    "sessions": ("nspd.ListSessions", {"sessions": [SESSION]}, [SESSION]),
    "lookups": ("nspd.ListLookups", {"lookups": [LOOKUP]}, [LOOKUP]),
}


@pytest.mark.parametrize("verb", EVERYTHING)
def test_json_is_what_the_daemon_tells(verb: str, daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A program gets one value: that of the protocol, with nothing left out."""
    method, answer, value = EVERYTHING[verb]
    daemon.answers[method] = answer
    result = nspctl("-j", verb)
    assert json.loads(result.stdout) == value
    assert result.stdout.count("\n") == 1
    assert result.exit_code == 0


def test_status_is_aligned_lines(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A person reads the daemon's state, and its census below."""
    daemon.answers["nspd.Status"] = STATUS
    lines = nspctl("status").stdout.splitlines()
    assert lines[:5] == [
        "version: 0.1.0",
        "pid:     42",
        "backend: uvloop",
        "uptime:  2 min 5 s",
        "census:",
    ]
    assert "  waiting calls:    0" in lines


def test_providers_are_a_table_in_catalog_order(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Namespaces have their names, and flags are words."""
    daemon.answers["WSAEnumNameSpaceProvidersEx"] = {
        "providers": [PROVIDER, {**PROVIDER, "identifier": "off", "active": False}]
    }
    head, first, second = nspctl("providers").stdout.splitlines()
    assert head.split()[:4] == ["IDENTIFIER", "KIND", "NAMESPACE", "ACTIVE"]
    assert first.split() == ["hosts", "hosts", "hosts", "yes", "yes", "no", "1", HOSTS]
    assert second.split()[:4] == ["off", "hosts", "hosts", "no"]


def test_providers_can_be_switched_and_ordered(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """The changes are made before the catalog is shown."""
    daemon.answers["WSAEnumNameSpaceProvidersEx"] = {"providers": [PROVIDER]}
    nspctl("providers", "--disable", "hosts", "--order", HOSTS)
    assert daemon.params("WSCEnableNSProvider") == {"provider_id": HOSTS, "enable": False}
    assert daemon.params("WSCWriteNameSpaceOrder") == {"provider_ids": [HOSTS]}
    daemon.asked.clear()
    nspctl("providers", "--enable", HOSTS)
    assert daemon.params("WSCEnableNSProvider") == {"provider_id": HOSTS, "enable": True}


def test_statistics_are_lines_and_a_table(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Counters first, then a row for each provider."""
    daemon.answers["nspd.Statistics"] = STATISTICS
    lines = nspctl("statistics").stdout.splitlines()
    assert lines[:2] == ["uptime:   2 min 5 s", "requests: 12"]
    assert lines[-1].split() == ["hosts", "4", "5", "500", "ms", "0", "0", "answered=4"]


def test_sessions_are_a_table(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Who is connected, since when, with how much."""
    daemon.answers["nspd.ListSessions"] = {"sessions": [SESSION]}
    row = nspctl("-q", "sessions").stdout.split()
    assert row == ["5", "app/1", "1000", "77", "2.5", "s", "3", "2", "0", "no"]


def test_lookups_are_a_table(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """What is looked up, by whom, for how long; a name's control characters stay text."""
    daemon.answers["nspd.ListLookups"] = {"lookups": [LOOKUP]}
    row = nspctl("-q", "lookups").stdout.split()
    assert row[:6] == ["123456", "web\\x1b", "registry", "running", "250", "ms"]


@pytest.mark.parametrize(
    ("verb", "method", "key", "note"),
    [
        ("sessions", "nspd.ListSessions", "sessions", "no sessions"),
        ("lookups", "nspd.ListLookups", "lookups", "no open lookups"),
    ],
)
def test_nothing_to_list_is_said_so(
    verb: str, method: str, key: str, note: str, daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """An empty list is a note for a person and an empty array for a program, never a failure."""
    daemon.answers[method] = {key: []}
    result = nspctl(verb)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"nspctl: {note}\n")
    assert nspctl("-j", verb).stdout == "[]\n"


def test_cancel_ends_a_lookup_and_tells_how(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """The waiter released and the work stopped are told as the two facts that they are (C8)."""
    daemon.answers["nspd.EndLookup"] = {"cancelled": 1, "work": "detached"}
    assert nspctl("cancel", "123").stdout == "ended lookup 123: 1 call cancelled, work detached\n"
    assert daemon.params("nspd.EndLookup") == {"lookup": 123}
    told = json.loads(nspctl("-j", "cancel", "123").stdout)
    assert told == {"lookup": 123, "cancelled": 1, "work": "detached"}


def test_cancel_of_an_unknown_lookup_is_not_found(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A handle that does not exist is exit 3; what is no number is a usage error."""
    daemon.answers["nspd.EndLookup"] = Refusal(WSA_INVALID_HANDLE, "no such lookup")
    result = nspctl("cancel", "123")
    assert result.exit_code == 3
    assert "123" in result.stderr
    assert nspctl("cancel", "web").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "method", "params", "words"),
    [
        (("flush-caches",), "nspd.FlushCaches", {}, "caches flushed"),
        (("reload",), "nspd.Reload", {}, "configuration reloaded"),
        (("log-level", "debug"), "nspd.SetLogLevel", {"level": "debug"}, "logging from debug"),
    ],
)
def test_what_steers_the_daemon_says_that_it_is_done(
    arguments: tuple[str, ...],
    method: str,
    params: dict[str, Any],
    words: str,
    daemon: FakeDaemon,
    nspctl: Nspctl,
) -> None:
    """One sentence, or null as the protocol has it; refused, exit 5."""
    assert nspctl(*arguments).stdout.startswith(words)
    assert daemon.params(method) == params
    assert nspctl("-j", *arguments).stdout == "null\n"
    daemon.answers[method] = Refusal(WSAEACCES, "administrators only")
    assert nspctl(*arguments).exit_code == 5


EVENTS = [
    {"event": "session_started", "time": 1.5, "uid": 1000, "pid": 7, "session": 3},
    {"event": "lookup_begun", "time": 2.5, "lookup": 9, "namespace": 11, "name": "a\x1bb"},
]


def test_monitor_shows_events_as_they_come(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """One line for each event, with what it tells; control characters stay text."""
    daemon.events = list(EVENTS)
    first, second = nspctl("monitor", "--limit", "2").stdout.splitlines()
    assert first.split()[1:] == ["session", "started", "uid=1000", "pid=7", "session=3"]
    assert second.endswith("lookup=9 namespace=11 name=a\\x1bb")


def test_monitor_as_json_is_one_event_a_line(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A program reads the events of the protocol."""
    daemon.events = list(EVENTS)
    lines = nspctl("-j", "monitor", "--limit", "2").stdout.splitlines()
    assert [json.loads(line) for line in lines] == EVENTS


def test_monitor_is_for_those_who_may(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Refused, it is exit 5."""
    daemon.answers["nspd.Monitor"] = Refusal(WSAEACCES, "administrators only")
    assert nspctl("monitor").exit_code == 5


def test_an_unknown_log_level_is_a_usage_error(nspctl: Nspctl) -> None:
    """The levels are known without asking."""
    assert nspctl("log-level", "loud").exit_code == 2


def test_call_gives_the_bare_result(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Any method, any params; pretty for people, on one line with -j."""
    daemon.answers["x.Y"] = lambda params: {"got": params}
    assert json.loads(nspctl("call", "x.Y", '{"a": [1]}').stdout) == {"got": {"a": [1]}}
    assert nspctl("-j", "call", "x.Y").stdout == '{"got":{}}\n'
    assert nspctl("-j", "call", "x.Y", "-", input='{"b": 2}').stdout == '{"got":{"b":2}}\n'


@pytest.mark.parametrize("text", ["[1]", "{", "nonsense"])
def test_call_wants_an_object(text: str, nspctl: Nspctl) -> None:
    """Params that are no JSON object are a usage error."""
    result = nspctl("call", "x.Y", text)
    assert result.exit_code == 2
    assert "not a JSON object" in result.stderr


def test_call_shows_the_daemons_refusal(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """An unknown method is a failure that names it."""
    daemon.answers["no.Such"] = Refusal(-32601, "there is no method no.Such")
    result = nspctl("call", "no.Such")
    assert result.exit_code == 1
    assert "there is no method no.Such" in result.stderr
