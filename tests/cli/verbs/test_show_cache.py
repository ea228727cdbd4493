"""``nspctl show-cache``."""

from __future__ import annotations

import json
from typing import Any

from nspd.model.errors import WSAEACCES
from tests.cli.conftest import Nspctl
from tests.cli.fake_daemon import FakeDaemon, Refusal


def cached(name: str = "host.example", **other: Any) -> dict[str, Any]:
    """One answer of a cache; ``other`` replaces its members."""
    return {
        "provider_id": "5e1d0000-0000-4000-8000-00000000000c",
        "identifier": "dns",
        "name": name,
        "type": "A",
        "kind": "answer",
        "ttl": 12.5,
        "records": ["192.0.2.1", "192.0.2.2"],
        **other,
    }


def test_what_is_cached_is_a_table(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Each answer is a row: what was asked, what was found, for how long it holds."""
    entries = [
        cached(),
        cached("gone.example", kind="nxdomain", records=[], ttl=-3),
        cached("v4.example", type="AAAA", kind="nodata", records=[]),
    ]
    daemon.answers["nspd.ShowCache"] = {"entries": entries, "complete": True}
    result = nspctl("show-cache")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split(maxsplit=2) for line in result.stdout.splitlines()[1:]]
    assert rows == [
        ["host.example", "A", "records       12.5 s  dns       192.0.2.1; 192.0.2.2"],
        ["gone.example", "A", "no such name  stale   dns"],
        ["v4.example", "AAAA", "no data       12.5 s  dns"],
    ]
    assert daemon.params("nspd.ShowCache") == {"name": None, "limit": 1000}


def test_a_name_and_a_limit(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Only one name, or only so many, and it is said that there is more."""
    daemon.answers["nspd.ShowCache"] = {"entries": [cached()], "complete": False}
    result = nspctl("show-cache", "host.example", "--limit", "1")
    assert daemon.params("nspd.ShowCache") == {"name": "host.example", "limit": 1}
    assert (result.exit_code, result.stderr) == (
        0,
        "nspctl: there is more: only 1 are shown (--limit)\n",
    )


def test_json_is_one_answer_a_line(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A program reads them as the daemon gave them."""
    entries = [cached(), cached("b.example")]
    daemon.answers["nspd.ShowCache"] = {"entries": entries, "complete": True}
    result = nspctl("-j", "show-cache")
    assert [json.loads(line) for line in result.stdout.splitlines()] == entries


def test_an_empty_cache(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Nothing cached is no failure, and is said."""
    daemon.answers["nspd.ShowCache"] = {"entries": [], "complete": True}
    assert nspctl("show-cache").stderr == "nspctl: nothing is cached\n"
    assert nspctl("show-cache", "x").stderr == 'nspctl: nothing is cached for "x"\n'


def test_only_for_administrators(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Exit 5 for whoever may not see it."""
    daemon.answers["nspd.ShowCache"] = Refusal(WSAEACCES, "only an administrator may do this")
    result = nspctl("show-cache")
    assert (result.exit_code, result.stdout) == (5, "")
