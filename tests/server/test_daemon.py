"""The daemon as a process, as far as it is not tested from outside (tests/e2e)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from nspd.model.namespaces import Namespace, fixed_guid
from nspd.server.daemon import backend_name, make_entries
from nspd.server.kinds import KindError
from nspd.server.settings import DaemonSettings, ProviderSettings, Settings

TEST = int(Namespace.TEST)
WITHIN = 20.0
"""Seconds that a process may take to start; twice that is what its worker blocks."""


def settings(**daemon: Any) -> Settings:
    """Settings with one provider of the test namespace, off."""
    provider = ProviderSettings(
        kind="test",
        identifier="mine",
        provider_id=fixed_guid(TEST).upper(),
        namespace=TEST,
        enabled=False,
        budget=2.5,
        workers=3,
        domains=("Example.",),
    )
    return Settings(
        daemon=DaemonSettings(socket="s", state_dir="d", **daemon), providers=(provider,)
    )


def test_entries_are_what_the_settings_say() -> None:
    """The catalog's entry has the name, state, budget, workers and suffixes of its section."""
    (entry,) = make_entries(settings())
    assert (entry.identifier, entry.provider_id) == ("mine", fixed_guid(TEST))
    assert (entry.active, entry.budget, entry.domains) == (False, 2.5, ("example",))
    assert entry.provider.workers == 3


def test_an_unknown_kind() -> None:
    """A kind that nobody has installed cannot be made."""
    provider = ProviderSettings(
        kind="no-such-kind", identifier="x", provider_id=fixed_guid(1), namespace=1
    )
    unknown = Settings(daemon=DaemonSettings(socket="s", state_dir="d"), providers=(provider,))
    with pytest.raises(KindError):
        make_entries(unknown)


@pytest.mark.parametrize(
    ("backend", "uvloop", "name"),
    [("asyncio", True, "uvloop"), ("asyncio", False, "asyncio"), ("trio", True, "trio")],
)
def test_the_backends_name(backend: str, uvloop: bool, name: str) -> None:
    """Status tells uvloop from plain asyncio."""
    assert backend_name(settings(backend=backend, uvloop=uvloop)) == name


@pytest.fixture(params=["asyncio", "trio"])
def daemon(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A daemon with the test namespace on, and its socket."""
    with TemporaryDirectory() as directory:
        path, configuration = Path(directory) / "s", Path(directory) / "nspd.toml"
        configuration.write_text(
            f'[daemon]\nstate_dir = "{directory}/state"\ndrain_timeout = 0.1\n'
            '[[provider]]\nkind = "test"\n'
        )
        command = [sys.executable, "-m", "nspd.cli.nspd", "serve", "--config", str(configuration)]
        command += ["--socket", str(path), "--backend", request.param]
        environment = {key: text for key, text in os.environ.items() if key[:5] != "NSPD_"}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                yield process, path
            finally:
                process.kill()


def _connected(process: subprocess.Popen[bytes], path: Path) -> socket.socket:
    deadline = time.monotonic() + WITHIN
    while True:
        client = socket.socket(socket.AF_UNIX)
        if client.connect_ex(str(path)) == 0:
            client.settimeout(WITHIN)
            return client
        client.close()
        assert process.poll() is None, "the daemon has stopped"
        assert time.monotonic() < deadline, "the daemon does not listen"


def test_shutdown_waits_for_worker(daemon: tuple[subprocess.Popen[bytes], Path]) -> None:
    """A worker thread that is blocked does not keep the daemon from answering and stopping."""
    process, path = daemon
    query = {"namespace": TEST, "query_string": f"thread={2 * WITHIN}"}
    with _connected(process, path) as client, client.makefile("rb") as replies:

        def send(method: str, **params: Any) -> None:
            request = {"jsonrpc": "2.0", "id": method, "method": method, "params": params}
            client.sendall(json.dumps(request).encode() + b"\n")

        send("nspd.Lookup", restrictions=query)
        send("nspd.Status")
        assert json.loads(replies.readline())["id"] == "nspd.Status"
        process.send_signal(signal.SIGTERM)
        assert json.loads(replies.readline())["method"] == "nspd.GoingAway"
        assert json.loads(replies.readline())["error"]["code"] == 10111
    assert process.wait(WITHIN) == 0
    assert not path.exists()
