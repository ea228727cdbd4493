"""Libraries that resolve names in the caller's own process, loaded by themselves.

    python -m bench.dns_peer dnspython/uvloop|dnspython/trio|aiodns/uvloop ADDRESS:PORT ZONE
                             CONNECTIONS SECONDS WARM_UP

Every operation resolves both addresses of a name that nobody has asked for before.
Prints one JSON object as bench/load.c does. The process is both server and client,
so its CPU share stands for the server's.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import count

import anyio

Resolve = Callable[[str], Awaitable[None]]


def dnspython(server: str, backend: str) -> Resolve:
    """dnspython's stub resolver without a cache; A and AAAA one after the other."""
    import dns.asyncbackend
    import dns.asyncresolver

    address, _, port = server.rpartition(":")
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [address]
    resolver.port = int(port)
    loop = dns.asyncbackend.get_backend("trio" if backend == "trio" else "asyncio")

    async def resolve(name: str) -> None:
        for rdtype in ("A", "AAAA"):
            answer = await resolver.resolve(name, rdtype, backend=loop, search=False)
            assert answer.rrset is not None

    return resolve


def aiodns(server: str, backend: str) -> Resolve:
    """aiodns, that is pycares, that is c-ares: getaddrinfo of both families."""
    from aiodns import DNSResolver

    address, _, port = server.rpartition(":")
    resolver = DNSResolver(
        nameservers=[address],
        udp_port=int(port),
        tcp_port=int(port),
        lookups="b",
        # It waits a few times as long as answers took before: on a busy machine that is
        # soon over, and a few tries are soon used up.
        timeout=5,
        tries=20,
    )

    async def resolve(name: str) -> None:
        result = await resolver.getaddrinfo(name, family=socket.AF_UNSPEC)
        assert len(result.nodes) >= 2

    return resolve


LIBRARIES = {"dnspython": dnspython, "aiodns": aiodns}


async def load(
    name: str, server: str, zone: str, connections: int, seconds: float, warm_up: float
) -> dict[str, object]:
    """Resolve with `connections` callers at once; the figures of the time after the warm-up."""
    library, _, backend = name.partition("/")
    resolve = LIBRARIES[library](server, backend)
    # No run repeats the names of another.
    serial = count(time.time_ns())
    latencies: list[float] = []

    async def caller() -> None:
        while True:
            began = time.perf_counter()
            await resolve(f"u{next(serial):x}.{zone}")
            latencies.append(time.perf_counter() - began)

    async with anyio.create_task_group() as callers:
        for _ in range(connections):
            callers.start_soon(caller)
        await anyio.sleep(warm_up)
        latencies.clear()
        began, spent = time.perf_counter(), time.process_time()
        await anyio.sleep(seconds)
        elapsed, spent = time.perf_counter() - began, time.process_time() - spent
        taken = sorted(latencies)
        callers.cancel_scope.cancel()
    return {
        "scenario": "uncached",
        "connections": connections,
        "seconds": elapsed,
        "operations": len(taken),
        "rate": len(taken) / elapsed,
        "client_cpu": 0.0,
        "server_cpu": spent / elapsed,
        "cancelled": 0,
        "p50_us": 1e6 * taken[len(taken) // 2],
        "p99_us": 1e6 * taken[int(0.99 * len(taken))],
        "max_us": 1e6 * taken[-1],
    }


def main() -> None:
    """Load one library, as the command line says."""
    name, server, zone, connections, seconds, warm_up = sys.argv[1:]
    trio = name.endswith("/trio")
    figures = anyio.run(
        load, name, server, zone, int(connections), float(seconds), float(warm_up),
        backend="trio" if trio else "asyncio",
        backend_options={} if trio else {"use_uvloop": True},
    )  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
