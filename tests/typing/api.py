"""The public interface as programs use it: type-checked, never run."""

from __future__ import annotations

from typing import assert_type

import nspd
from nspd import ws2
from nspd.client.sync import Events, Lookup
from nspd.model.errors import BufferTooSmall, NoData, ServiceNotFound
from nspd.model.verdict import Verdict
from nspd.wire.results import (
    EndResult,
    Event,
    LookupEntry,
    LookupResult,
    ProviderEntry,
    SessionEntry,
    StatisticsResult,
    StatusResult,
)


def blocking() -> None:
    with nspd.Client() as client:
        with client.lookup("localhost") as records:
            assert_type(records, Lookup)
            for record in records:
                assert_type(record, nspd.QuerySet)
                assert_type(record.service_instance_name, str | None)
                for address in record.addresses or ():
                    assert_type(address, nspd.CsAddr)
            assert_type(records.verdicts, tuple[Verdict, ...])

        lookup = client.begin("printer-*", namespace=nspd.Namespace.REGISTRY, watch=True)
        assert_type(lookup.handle, int)
        assert_type(lookup.synced, bool)
        assert_type(lookup.next(timeout=1.5), nspd.QuerySet)
        assert_type(lookup.end(), EndResult)

        try:
            found = client.resolve("localhost", policy="first", timeout=2.0, limit=1)
        except (ServiceNotFound, NoData) as error:
            assert_type(error.code, int)
        except nspd.WSAError as error:
            assert_type(error.detail, str)
        else:
            assert_type(found, LookupResult)
            assert_type(found.results, tuple[nspd.QuerySet, ...])

        try:
            lookup.next(nspd.LookupFlags.FLUSHPREVIOUS, buffer_length=256)
        except BufferTooSmall as error:
            assert_type(error.needed, int)

        client.register("printer-1", [("192.0.2.7", 631)], comment="second floor", ttl=60)
        remote = nspd.SocketAddress.inet("2001:db8::7", 631)
        address = nspd.CsAddr(remote=remote, socket_type=1, protocol=6)
        client.register("printer-1", [address], multiple=True, lifetime="session")
        client.deregister("printer-1", [address], multiple=True)
        client.delete("printer-1", visibility="user")

        assert_type(client.providers(), tuple[ProviderEntry, ...])
        assert_type(client.status(), StatusResult)
        assert_type(client.sessions(), tuple[SessionEntry, ...])
        assert_type(client.lookups(), tuple[LookupEntry, ...])
        assert_type(client.statistics(), StatisticsResult)
        with client.monitor() as events:
            assert_type(events, Events)
            for event in events:
                assert_type(event, Event)


async def asynchronous() -> None:
    async with nspd.AsyncClient(name="example/1.0") as client:
        async with client.lookup("localhost") as records:
            async for record in records:
                assert_type(record, nspd.QuerySet)
        lookup = await client.begin("localhost")
        assert_type(await lookup.next(), nspd.QuerySet)
        assert_type(await lookup.end(), EndResult)
        assert_type(await client.resolve("localhost"), LookupResult)
        assert_type(await client.status(), StatusResult)
        async with client.monitor() as events:
            async for event in events:
                assert_type(event, Event)


def winsock() -> None:
    handle = ws2.Ref(0)
    query = ws2.WSAQUERYSET(
        dwSize=ws2.SIZEOF_WSAQUERYSET, lpszServiceInstanceName="a", dwNameSpace=ws2.NS_ALL
    )
    assert_type(ws2.WSAStartup(ws2.MAKEWORD(2, 2), ws2.WSADATA()), int)
    assert_type(ws2.WSALookupServiceBegin(query, ws2.LUP_RETURN_ALL, handle), int)
    assert_type(ws2.WSALookupServiceNext(handle.value, 0, ws2.Ref(0), ws2.WSAQUERYSET()), int)
    assert_type(ws2.WSALookupServiceEnd(handle.value), int)
