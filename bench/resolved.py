"""systemd-resolved unpacked from its package and run apart from the machine's name service.

Nothing is installed. The daemon runs in user, mount and network namespaces of its
own, where ``/run`` and ``/etc/hosts`` are private: it reaches no network and no bus,
and the machine's ``/etc/resolv.conf`` and sockets are out of its reach. One that is
to ask a DNS server keeps the machine's network, for that server is on its loopback;
it asks nobody else.
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
_CONFIGURATION = """\
[Resolve]
DNS={}
FallbackDNS=
LLMNR=no
MulticastDNS=no
DNSSEC=no
DNSOverTLS=no
DNSStubListener=no
"""
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
def resolved(
    hosts: Path, directory: Path, dns_server: str | None = None
) -> Iterator[tuple[Path, int]]:
    """Run it with ``hosts`` as its ``/etc/hosts``; its Varlink socket and process id.

    Args:
        hosts: The hosts file.
        directory: Where its socket and log go.
        dns_server: "ADDRESS:PORT" of the one server that it asks; None: it asks none.

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
        mkdir -p /run/systemd/resolve /run/systemd/resolved.conf.d
        printf %s {configuration} >/run/systemd/resolved.conf.d/bench.conf
        mount --bind {runtime} /run/systemd/resolve
        mount --bind {hosts} /etc/hosts
        export LD_LIBRARY_PATH={library}
        exec unshare {net} --keep-caps --user --map-user={user} --map-group={user} {binary}
    """.format(
        user=_USER,
        net="--net" if dns_server is None else "",
        configuration=shlex.quote(_CONFIGURATION.format(dns_server or "")),
        **quoted,
    )
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script]
    path = runtime / "io.systemd.Resolve"
    with server(command, path, directory / "resolved.log") as pid:
        yield path, pid
