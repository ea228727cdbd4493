"""``nspctl list``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nspd.model.errors import WSASERVICE_NOT_FOUND, WSASYSCALLFAILURE
from nspd.model.flags import LookupFlags
from tests.cli.conftest import Nspctl
from tests.cli.fake_daemon import FakeDaemon, Refusal, record


def _address(host: str, port: int) -> dict[str, Any]:
    remote = {"family": "inet", "host": host, "port": port}
    return {"remote": remote, "socket_type": 1, "protocol": 6}


def test_registrations_are_a_table(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """One row for each name, one more for each further address."""
    addresses = [_address("192.0.2.1", 80), _address("192.0.2.1", 443)]
    daemon.records = [
        record("web", addresses=addresses, comment="site", version={"version": 2, "how": "equal"}),
        record("withdrawn", addresses=[]),
    ]
    assert nspctl("list").stdout.splitlines() == [
        "NAME       ADDRESS            VERSION  COMMENT",
        "web        tcp:192.0.2.1:80   2        site",
        "           tcp:192.0.2.1:443",
        "withdrawn  -                  -",
    ]
    asked = daemon.params("NSPv2LookupServiceBegin")["restrictions"]
    assert asked == {"service_instance_name": "*", "namespace": 65536}


def test_a_pattern_and_a_namespace_narrow_the_listing(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Both go to the daemon; aliases are not asked for, as they are rows of their own anyway."""
    lines = nspctl("-q", "list", "l*", "--namespace", "hosts").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["localhost"]
    begin = daemon.params("NSPv2LookupServiceBegin")
    assert begin["restrictions"] == {"service_instance_name": "l*", "namespace": 11}
    assert not begin["control_flags"] & LookupFlags.RETURN_ALIASES
    assert daemon.methods().count("NSPv2LookupServiceBegin") == 1


def test_deregistered_names_are_listed_too(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """A lookup for addresses leaves them out, so list asks again without, and shows the rest."""

    def begin(params: dict[str, Any]) -> dict[str, int]:
        with_addresses = params["control_flags"] & LookupFlags.RETURN_ADDR
        daemon.records = [record("web", addresses=[_address("192.0.2.1", 80)])]
        if not with_addresses:
            daemon.records = [record("web", addresses=None), record("gone", addresses=None)]
        daemon.held[1] = []
        return {"lookup": 1}

    daemon.answers["NSPv2LookupServiceBegin"] = begin
    lines = nspctl("-q", "list").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["web", "tcp:192.0.2.1:80", "-"],
        ["gone", "-", "-"],
    ]


def test_json_is_one_registration_a_line(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """The shape is that of query."""
    given: list[Any] = [record("a"), record("b")]
    daemon.records = list(given)
    assert [json.loads(line) for line in nspctl("list", "-j").stdout.splitlines()] == given


def test_limit_stops_early(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """So many names, and no more."""
    daemon.records = [record("a"), record("b")]
    assert len(nspctl("-q", "list", "--limit", "1").stdout.splitlines()) == 1


def test_nothing_registered_is_no_failure(daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """An empty registry is listed as such; a pattern that nothing matches is not found."""
    daemon.records, daemon.end = [], Refusal(WSASERVICE_NOT_FOUND)
    result = nspctl("list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "nspctl: no names in registry\n"
    assert nspctl("list", "x*").exit_code == 3


@pytest.mark.parametrize("arguments", [("list",), ("list", "-j")])
def test_a_failure_is_one(arguments: tuple[str, ...], daemon: FakeDaemon, nspctl: Nspctl) -> None:
    """Any other error is reported."""
    daemon.records, daemon.end = [], Refusal(WSASYSCALLFAILURE)
    assert nspctl(*arguments).exit_code == 1
