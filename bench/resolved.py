"""systemd-resolved unpacked from its package and run apart from the machine's name service.

Nothing is installed. The daemon runs in user, mount and network namespaces of its
own, where ``/run`` and ``/etc/hosts`` are private: it reaches no network and no bus,
and the machine's ``/etc/resolv.conf`` and sockets are out of its reach.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.processes import BUILD, NotAvailable, server

_PACKAGES = ("systemd-resolved", "libsystemd-shared")
_TREE = BUILD / "systemd"
_USER = "65534"  # anybody but root: as root it would look for the account systemd-resolve


def _binary() -> Path | None:
    return next(_TREE.glob("**/lib/systemd/systemd-resolved"), None)


def _unpack() -> None:
    """Fetch the packages with apt and unpack them under bench/build.

    Raises:
        NotAvailable: there is no such tool or package.
    """
    if _binary():
        return
    for tool in ("apt-get", "dpkg", "unshare", "mount"):
        if shutil.which(tool) is None:
            raise NotAvailable(f"no {tool}")
    _TREE.mkdir(parents=True, exist_ok=True)
    try:
        for package in _PACKAGES:
            subprocess.run(
                ["apt-get", "-qq", "download", package],
                cwd=_TREE, check=True, capture_output=True, timeout=120,
            )  # fmt: skip
        for archive in _TREE.glob("*.deb"):
            subprocess.run(["dpkg", "-x", archive.name, "."], cwd=_TREE, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise NotAvailable(f"its packages cannot be had: {error}") from error


def version() -> str | None:
    """The version of the unpacked package; None before it is unpacked."""
    archive = next(_TREE.glob("systemd-resolved_*.deb"), None)
    return archive.name.split("_")[1] if archive else None


@contextlib.contextmanager
def resolved(hosts: Path, directory: Path) -> Iterator[tuple[Path, int]]:
    """Run it with ``hosts`` as its ``/etc/hosts``; its Varlink socket and process id.

    Raises:
        NotAvailable: it cannot be had, or does not start here.
    """
    _unpack()
    binary, library = _binary(), next(_TREE.glob("**/libsystemd-shared-*.so"), None)
    if binary is None or library is None:
        raise NotAvailable("its packages do not hold what they used to")
    runtime = directory / "resolved"
    runtime.mkdir()
    quoted = {
        name: shlex.quote(str(path))
        for name, path in (
            ("hosts", hosts), ("runtime", runtime), ("library", library.parent), ("binary", binary)
        )
    }  # fmt: skip
    script = """
        mount -t tmpfs tmpfs /run
        mkdir -p /run/systemd/resolve
        mount --bind {runtime} /run/systemd/resolve
        mount --bind {hosts} /etc/hosts
        export LD_LIBRARY_PATH={library}
        exec unshare --net --keep-caps --user --map-user={user} --map-group={user} {binary}
    """.format(user=_USER, **quoted)
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script]
    path = runtime / "io.systemd.Resolve"
    with server(command, path, directory / "resolved.log") as pid:
        yield path, pid
