"""``nspctl explain``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nspd.model.errors import WSAEACCES, WSAEINVAL, WSAETIMEDOUT, WSASERVICE_NOT_FOUND
from tests.cli.conftest import Nspctl
from tests.cli.fake_daemon import HOSTS, FakeDaemon, Refusal, record, verdict
from tests.cli.processes import in_terminal

DNS = "5e1d0000-0000-4000-8000-00000000000c"


def event(kind: str, who: str | None = None, at: float = 0.0, **facts: Any) -> dict[str, Any]:
    """One event as the daemon tells it."""
    guid = {None: None, "hosts": HOSTS, "dns": DNS}[who]
    return {"at": at, "event": kind, "provider_id": guid, "identifier": who, "facts": facts}


def story(**changes: Any) -> dict[str, Any]:
    """A result of nspd.Explain; ``changes`` replaces its members."""
    return {
        "results": [record("printer.example", "192.0.2.10")],
        "verdicts": [
            verdict(),
            verdict(
                *("dns", "timed_out"), records=0, error=10060, setting="timeout", provider_id=DNS
            ),
        ],
        "error": None,
        "elapsed": 2.01,
        "story": [
            event("begun", policy="all", timeout=None),
            event("chosen", "hosts", rule="all"),
            event("not_chosen", "dns", rule="claimed", domain="corp.example"),
            event("asked", "hosts", 0.0001),
            event("at_hand", "hosts", 0.0002, records=1),
            event("ended", "hosts", 0.0003, outcome="answered", records=1, elapsed=0.0001),
            event(
                *("attempt", "dns", 0.8),
                server="192.0.2.1:53",
                transport="udp",
                name="printer.example",
                type="A",
                outcome="timed out",
                dropped=2,
                elapsed=0.8,
            ),
            event(
                *("ended", "dns", 2.0),
                outcome="timed_out",
                records=0,
                elapsed=2.0,
                error=10060,
                setting="timeout",
                detail="no server answered",
            ),
            event("finished", None, 2.01, records=1),
        ],
        "left_out": 0,
        **changes,
    }


def test_the_story_is_told_in_three_parts_and_the_answer(
    daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """Whom the daemon asked and why, what happened when, what came of it, and the records."""
    daemon.answers["nspd.Explain"] = story()
    result = nspctl("explain", "printer.example")
    assert (result.exit_code, result.stderr) == (0, "")
    parts = [part.splitlines() for part in result.stdout.split("\n\n")]
    assert parts[0] == ["printer.example: all namespaces, all at once"]
    assert [line.split(maxsplit=2) for line in parts[1][1:]] == [
        ["hosts", "yes", "all namespaces are asked"],
        ["dns", "no", 'names under "corp.example" are for those who claim them'],
    ]
    assert parts[2][1:] == [
        "0.20 ms    hosts     had the answer at hand: 1 record",
        "800.00 ms  dns       192.0.2.1:53 over udp, printer.example A: timed out after 800 ms"
        " (2 packets dropped that were no answer to this)",
        '2.000 s    dns       timed out after 2 s, by the limit "timeout": no server answered',
    ]
    assert [line.split()[:2] for line in parts[3][1:]] == [
        ["hosts", "answered"],
        ["dns", "timed_out"],
    ]
    assert parts[4] == ["printer.example: 192.0.2.10                   -- hosts"]
    assert parts[5] == ["-- 1 record in 2.01 s"]


def test_the_options_reach_the_daemon(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """They are those of query, and the lookup is explained in one call."""
    daemon.answers["nspd.Explain"] = story()
    arguments = ("-n", "dns", "-t", "mx", "--policy", "first", "--limit", "3", "--timeout", "2")
    shown = nspctl("explain", "example.org", *arguments).stdout
    assert daemon.methods() == ["nspd.Explain"]
    assert daemon.params("nspd.Explain") == {
        "restrictions": {
            "service_instance_name": "example.org",
            "namespace": 12,
            "query_string": "MX",
        },
        "control_flags": 0xFF0,
        "provider_id": None,
        "policy": "first",
        "timeout": 2.0,
        "limit": 3,
    }
    assert shown.splitlines()[0] == 'example.org: namespace dns, "MX", one after the other'


def test_a_name_may_be_left_out(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """The head says so, and that preferred names are asked for."""
    daemon.answers["nspd.Explain"] = story(results=[])
    shown = nspctl("explain", "-n", "email", "--flags", "return_preferred_names").stdout
    params = daemon.params("nspd.Explain")
    assert (params["restrictions"], params["control_flags"]) == ({"namespace": 37}, 0x10000)
    assert shown.splitlines()[0] == "(no name): namespace email, preferred names, all at once"


def test_json_is_the_whole_result(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A program gets what the protocol has, as one object."""
    daemon.answers["nspd.Explain"] = story()
    result = nspctl("-j", "explain", "printer.example")
    assert json.loads(result.stdout) == story()


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (WSASERVICE_NOT_FOUND, 3, '"nosuch" was not found (asked hosts, dns)'),
        (WSAETIMEDOUT, 4, 'no answer in time about "nosuch"'),
    ],
)
def test_a_failure_tells_its_story_and_fails(
    code: int, status: int, words: str, daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """The story stands on standard output, the sentence and the exit status are those of query."""
    error = {"code": code, "message": "WSA", "data": {"detail": "why"}}
    daemon.answers["nspd.Explain"] = story(results=[], error=error)
    result = nspctl("explain", "nosuch")
    assert (result.exit_code, result.stderr) == (status, f"nspctl: {words}\n")
    assert "no server answered" in result.stdout
    assert result.stdout.endswith("-- 0 records in 2.01 s\n")
    as_json = nspctl("-j", "explain", "nosuch")
    assert json.loads(as_json.stdout)["error"] == error
    told = json.loads(as_json.stderr)["error"]
    assert (told["code"], told["detail"], len(told["verdicts"])) == (code, "why", 2)


@pytest.mark.parametrize(("code", "status"), [(WSAEACCES, 5), (WSAEINVAL, 1)])
def test_a_call_that_fails_has_no_story(
    code: int, status: int, daemon: FakeDaemon, nspctl: Nspctl
) -> None:
    """What the daemon refuses to do is an error as of any verb."""
    daemon.answers["nspd.Explain"] = Refusal(code, "why")
    result = nspctl("explain", "x")
    assert (result.exit_code, result.stdout) == (status, "")


def test_what_had_no_room_is_told(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A story that was cut says so."""
    daemon.answers["nspd.Explain"] = story(left_out=7)
    assert "-- 7 steps more, for which there was no room" in nspctl("explain", "x").stdout


def test_escape_sequences_stay_text(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """What a server or another user wrote cannot steer the terminal."""
    bad = "a\x1b]0;x\x07"
    events = [
        event("attempt", "dns", server=bad, outcome=bad),
        event(bad, "dns", 0.0, **{bad: bad}),
        event("chosen", "dns", rule=bad, domain=bad),
    ]
    daemon.answers["nspd.Explain"] = story(story=events, results=[record(bad)])
    shown = nspctl("explain", bad).stdout
    assert all(line.isprintable() for line in shown.splitlines())


def test_quiet_leaves_out_heads_and_summary(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """With -q there are only the lines that say something."""
    daemon.answers["nspd.Explain"] = story()
    shown = nspctl("-q", "explain", "printer.example").stdout
    assert "PROVIDER" not in shown
    assert "-- " not in shown


def test_a_narrow_terminal_cuts_nothing(daemon: FakeDaemon) -> None:
    """What went wrong stands at the end of a line: it must not be cut off there."""
    daemon.answers["nspd.Explain"] = story()
    variables = {"NSPD_SOCKET": daemon.path, "COLUMNS": "40"}
    shown = in_terminal("explain", "printer.example", variables=variables)
    assert "no server answered" in shown
    assert "limit: timeout" in shown
