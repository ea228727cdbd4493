"""Real daemons for what the documents show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nspd.cli._demo_daemon import DemoDaemon

HOSTS = "127.0.0.1 localhost\n::1 localhost\n192.0.2.10 printer.example lp\n"


@pytest.fixture(scope="session")
def demo_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoDaemon]:
    """A daemon with the hosts, registry and test namespaces, on a socket of its own."""
    hosts = tmp_path_factory.mktemp("documents") / "hosts"
    hosts.write_text(HOSTS, encoding="utf-8")
    with DemoDaemon(hosts) as daemon:
        yield daemon
