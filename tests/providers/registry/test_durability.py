"""What has been answered is on disk, whatever becomes of the daemon in the next moment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nspd
from nspd.providers.registry.store import Store

_DAEMON = """
import sys
import anyio
from nspd.core.provider import Change
from nspd.model.queryset import QuerySet
from nspd.providers.registry import RegistryProvider

class Host:
    async def run_blocking(self, function, *args):
        return await anyio.to_thread.run_sync(function, *args)

async def main():
    registry = RegistryProvider(store="sqlite:" + sys.argv[1])
    async with registry.running(Host()):
        for number in range(10**9):
            registration = QuerySet(service_instance_name=f"name-{number}", blob=bytes(1000))
            await registry.set_service(Change(registration=registration, operation=0, uid=0))
            print(number, flush=True)

anyio.run(main, backend=sys.argv[2], backend_options=eval(sys.argv[3]))
"""


def test_a_killed_daemon_keeps_what_it_answered(
    anyio_backend: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    """Every change that was answered before SIGKILL is there afterwards, and whole. Case 114."""
    backend, options = anyio_backend
    database = tmp_path / "registry.db"
    environment = dict(os.environ, PYTHONPATH=str(Path(nspd.__file__).parent.parent))
    with subprocess.Popen(
        [sys.executable, "-c", _DAEMON, database, backend, repr(options)],
        stdout=subprocess.PIPE,
        env=environment,
    ) as daemon:
        assert daemon.stdout is not None
        answered = [int(daemon.stdout.readline()) for _ in range(50)]
        daemon.kill()
        answered += map(int, daemon.stdout.read().split())
    store = Store(database)
    contents = store.open(0.0)
    store.close()
    assert contents.broken == []
    entries = [row.registered.entry for row in contents.rows]
    stored = [entry.service_instance_name for entry in entries]
    assert stored[: len(answered)] == [f"name-{number}" for number in answered]
    assert all(entry.blob == bytes(1000) for entry in entries)
