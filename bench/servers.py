"""How each server under test is started, with the same hosts file for all."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from bench.processes import NotAvailable, nspd_command, python, server

NAME = "printer.example"
"""The name that every peer is asked for: in the hosts file, so no peer has it built in."""

LOOPS_OF = {"asyncio": ["uvloop"], "trio": ["trio"], "both": ["uvloop", "trio"]}
"""The event loops measured for each value of ``--backend``."""

HOSTS = f"127.0.0.1 localhost\n::1 localhost\n192.0.2.10 {NAME}\n2001:db8::10 {NAME}\n"

# What load.c sends as its lookup; the bare server has to give what nspd gives for it.
_LOOKUP = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "nspd.Lookup",
    "params": {"restrictions": {"service_instance_name": NAME, "namespace": 11}},
}


def write_hosts(directory: Path) -> Path:
    """The hosts file that nspd and systemd-resolved read."""
    path = directory / "hosts"
    path.write_text(HOSTS)
    return path


def nspd(
    loop: str, hosts: Path, directory: Path
) -> contextlib.AbstractContextManager[tuple[Path, int]]:
    """nspd with its hosts and test providers; its socket and process id."""
    providers = f"""[[provider]]
kind = "hosts"
path = {json.dumps(str(hosts))}
[[provider]]
kind = "test"
"""
    return daemon(loop, providers, directory)


@contextlib.contextmanager
def daemon(loop: str, providers: str, directory: Path) -> Iterator[tuple[Path, int]]:
    """nspd with these providers (TOML); its socket and process id.

    The limits of one user are lifted, for a daemon that is not root's as well: one
    client plays all of them.
    """
    path, config = directory / f"nspd-{loop}", directory / f"nspd-{loop}.toml"
    config.write_text(f"""\
[daemon]
backend = "{"trio" if loop == "trio" else "asyncio"}"
uvloop = {json.dumps(loop == "uvloop")}
state_dir = {json.dumps(str(directory / f"state-{loop}"))}
[limits]
lookups_per_user = 1_000_000
waiting_calls = 1_000_000
bytes_per_user = 8_000_000_000
[log]
level = "warning"
{providers}""")
    command = [*nspd_command(), "serve", "--config", str(config), "--socket", str(path)]
    with server(command, path, directory / f"nspd-{loop}.log") as pid:
        yield path, pid


@contextlib.contextmanager
def bare(loop: str, reply: bytes, directory: Path) -> Iterator[tuple[Path, int]]:
    """The bare anyio server, answering with ``reply``; its socket and process id."""
    path, reply_file = directory / f"bare-{loop}", directory / f"bare-{loop}.reply"
    reply_file.write_bytes(reply)
    command = python("bench.bare", str(path), str(reply_file), loop)
    with server(command, path, directory / f"bare-{loop}.log") as pid:
        yield path, pid


@contextlib.contextmanager
def grpc(directory: Path) -> Iterator[tuple[Path, int]]:
    """The grpc.aio server; its socket and process id.

    Raises:
        NotAvailable: grpcio is not installed.
    """
    if find_spec("grpc") is None:
        raise NotAvailable("grpcio is not installed (the extra `bench`)")
    path = directory / "grpc"
    with server(python("bench.grpc_peer", "serve", str(path)), path, directory / "grpc.log") as pid:
        yield path, pid


def reply_of(path: Path) -> bytes:
    """The line with which an nspd answers the lookup that load.c sends."""
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as lines:
        connection.connect(str(path))
        connection.sendall(json.dumps(_LOOKUP).encode() + b"\n")
        return lines.readline()
