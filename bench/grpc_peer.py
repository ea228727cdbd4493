"""grpc.aio over a UNIX socket: a lookup as a server stream, cancelled by its client.

    python -m bench.grpc_peer serve SOCKET
    python -m bench.grpc_peer load SOCKET lookup|cancel [CALLERS] [SECONDS] [WARM_UP]

Messages are bytes that nobody parses, so that grpc is charged for its calls and
streams alone. One ``cancel`` is: the server has sent its initial metadata, the
client cancels and sees CANCELLED. The load prints the members of load.c's report
that make sense here. Both sides run on uvloop.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import uvloop

METHOD = "/nspd.Peer/Lookup"
NAME = b"printer.example"
HANG = b"hang"
RECORD = b'{"service_instance_name":"printer.example","addresses":["192.0.2.10"]}'


async def lookup(request: bytes, context: Any) -> AsyncIterator[bytes]:
    """One record, or nothing for ever."""
    if request == HANG:
        await context.send_initial_metadata(())
        await asyncio.get_running_loop().create_future()
    yield RECORD


async def serve(socket: str) -> None:
    """Serve until killed."""
    server = grpc.aio.server()
    handler = grpc.unary_stream_rpc_method_handler(lookup)
    service, method = METHOD.strip("/").split("/")
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    await server.wait_for_termination()


async def look_up_once(stub: Any) -> None:
    """Read the whole stream of a lookup."""
    records = [record async for record in stub(NAME)]
    if records != [RECORD]:
        raise RuntimeError(f"not the one record: {records}")


async def cancel_once(stub: Any) -> None:
    """Cancel a lookup that is known to run at the server."""
    call = stub(HANG)
    await call.initial_metadata()
    call.cancel()
    code = await call.code()
    if code is not grpc.StatusCode.CANCELLED:
        raise RuntimeError(f"not CANCELLED: {code}")


async def load(
    socket: str, scenario: str, callers: int, seconds: float, warm_up: float
) -> dict[str, Any]:
    """Call from ``callers`` tasks for ``seconds`` after ``warm_up``; the figures."""
    once = {"lookup": look_up_once, "cancel": cancel_once}[scenario]
    latencies: list[float] = []
    async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        stub = channel.unary_stream(METHOD)
        starts = time.perf_counter() + warm_up
        ends = starts + seconds

        async def call_again_and_again() -> None:
            at = time.perf_counter()
            while at < ends:
                await once(stub)
                sent, at = at, time.perf_counter()
                if starts <= at < ends:
                    latencies.append(at - sent)

        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(call_again_and_again())
            await asyncio.sleep(warm_up)
            cpu = time.process_time()
            await asyncio.sleep(seconds)
            cpu = time.process_time() - cpu
    latencies.sort()
    return {
        "scenario": scenario,
        "connections": callers,
        "seconds": seconds,
        "operations": len(latencies),
        "rate": len(latencies) / seconds,
        "client_cpu": cpu / seconds,
        "p50_us": latencies[len(latencies) // 2] * 1e6,
        "p99_us": latencies[len(latencies) * 99 // 100] * 1e6,
        "max_us": latencies[-1] * 1e6,
    }


def main() -> None:
    """Serve or load, as the command line says."""
    role, socket, *rest = sys.argv[1:]
    if role == "serve":
        uvloop.run(serve(socket))
    elif role == "load":
        scenario, callers, seconds, warm_up = [*rest, *("cancel", "50", "3", "0.2")[len(rest) :]]
        figures = uvloop.run(load(socket, scenario, int(callers), float(seconds), float(warm_up)))
        print(json.dumps(figures))
    else:
        raise SystemExit(f"serve or load, not {role}")


if __name__ == "__main__":
    main()
