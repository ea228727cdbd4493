"""The dns namespace against real servers: knot with zones of our own, unbound before it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from nspd.core.session import Session
from nspd.model import errors
from nspd.model.flags import LookupFlags, ResultFlags
from nspd.model.queryset import AfProtocol, QuerySet
from nspd.providers.dns import DnsProvider
from tests.core.world import next_ex, open_world, turns
from tests.providers.dns.fakes import DeadServer, FakeServer, answering, failing, in_turn, silence
from tests.providers.dns.servers import Server, start_knot

pytestmark = pytest.mark.anyio

ALL = int(LookupFlags.RETURN_ALL)
SECURE = ALL | int(LookupFlags.SECURE)


@asynccontextmanager
async def client(*servers: object, **options: Any) -> AsyncIterator[Session]:
    """A session at a router with a dns provider that asks these servers."""
    options = {"timeout": 5.0, "attempts": 2, "resolv_conf": "", "random": Random(1), **options}
    provider = DnsProvider(servers=tuple(map(str, servers)), **options)
    with anyio.fail_after(30):
        async with open_world(provider) as world:
            yield world.session()


async def ask(
    session: Session, name: str, what: str | None = None, flags: int = ALL, **members: Any
) -> tuple[list[QuerySet], int]:
    """The records of a lookup, and the code at its end."""
    restrictions = QuerySet(service_instance_name=name, query_string=what, namespace=12, **members)
    lookup = session.begin(restrictions, flags)
    records: list[QuerySet] = []
    while True:
        try:
            records.append(await lookup.next())
        except errors.WSAError as error:
            lookup.end()
            return records, error.code


def shown(record: QuerySet) -> str:
    """Name and addresses on one line."""
    hosts = [
        f"{each.remote.host}" + (f":{each.remote.port}" if each.remote.port else "")
        for each in record.addresses or ()
        if each.remote is not None
    ]
    return " ".join([record.service_instance_name or "", *hosts])


async def found(session: Session, name: str, what: str | None = None, **members: Any) -> list[str]:
    """What a lookup finds, a line for each record."""
    return [shown(record) for record in (await ask(session, name, what, **members))[0]]


async def code(session: Session, name: str, what: str | None = None, flags: int = ALL) -> int:
    """The code of a lookup that finds nothing."""
    records, ended = await ask(session, name, what, flags)
    assert records == []
    return ended


class TestKnot:
    """An authoritative server: what zones hold."""

    async def test_addresses(self, knot: Server) -> None:
        """Both families in one record, or of one family."""
        async with client(knot) as session:
            assert await found(session, "www.example.test") == [
                "www.example.test 2001:db8::10 192.0.2.10"
            ]
            inet = (AfProtocol("inet", 0),)
            assert await found(session, "www.example.test", protocols=inet) == [
                "www.example.test 192.0.2.10"
            ]
            assert await found(session, "v6.example.test") == ["v6.example.test 2001:db8::6"]

    async def test_aliases(self, knot: Server) -> None:
        """A chain within a zone, one into another zone, and a DNAME."""
        async with client(knot) as session:
            records, _ = await ask(session, "alias3.example.test")
            assert [record.service_instance_name for record in records] == [
                "www.example.test",
                "alias3.example.test",
                "alias2.example.test",
                "alias.example.test",
            ]
            assert [record.output_flags for record in records] == [0, *[ResultFlags.ALIAS] * 3]
            assert (await found(session, "away.example.test"))[0] == (
                "www.other.test 2001:db8::12 192.0.2.12"
            )
            assert (await found(session, "www.dbelow.example.test"))[0] == (
                "www.other.test 2001:db8::12 192.0.2.12"
            )

    @pytest.mark.parametrize("name", ["loop1", "selfloop", "long0"])
    async def test_chains_without_end(self, knot: Server, name: str) -> None:
        """Circles, and chains that are too long, are permanent failures."""
        async with client(knot) as session:
            assert await code(session, f"{name}.example.test") == errors.WSANO_RECOVERY

    async def test_nothing_is_told_apart(self, knot: Server) -> None:
        """Case 22: no such name, no such data, and names with something below them alone."""
        async with client(knot) as session:
            for name in ("nowhere.example.test", "dangling.example.test"):
                assert await code(session, name) == errors.WSASERVICE_NOT_FOUND
            for name in ("text.example.test", "tonodata.example.test", "b.empty.example.test"):
                assert await code(session, name) == errors.WSANO_DATA
            assert await code(session, "www.example.test", "MX") == errors.WSANO_DATA

    async def test_wildcards(self, knot: Server) -> None:
        """A name under one has its addresses, unless it is there itself."""
        async with client(knot) as session:
            assert await found(session, "any.wild.example.test") == [
                "any.wild.example.test 192.0.2.77"
            ]
            assert await code(session, "shown.wild.example.test") == errors.WSANO_DATA

    async def test_services(self, knot: Server) -> None:
        """By priority; "." is not offered; a target that is not there gives nothing."""
        async with client(knot) as session:
            lines = await found(session, "example.test", "imaps/tcp")
            assert lines[2] == "imap3.example.test 192.0.2.43:1993"
            assert set(lines[:2]) == {
                "imap1.example.test 2001:db8::41:993 192.0.2.41:993",
                "imap2.example.test 192.0.2.42:993",
            }
            records, _ = await ask(session, "example.test", "sip/udp")
            assert records[0].addresses is not None
            assert {(a.socket_type, a.protocol) for a in records[0].addresses} == {(2, 17)}
            assert await code(session, "example.test", "none/tcp") == errors.WSANO_DATA
            assert await code(session, "example.test", "lost/tcp") == errors.WSANO_DATA
            assert await code(session, "example.test", "ldap/tcp") == errors.WSASERVICE_NOT_FOUND

    async def test_addresses_reversed(self, knot: Server) -> None:
        """Each name of an address is a record with that address."""
        async with client(knot) as session:
            assert await found(session, "192.0.2.10") == ["www.example.test 192.0.2.10"]
            assert await found(session, "2001:DB8::10") == ["www.example.test 2001:db8::10"]
            assert sorted(await found(session, "192.0.2.20")) == [
                "many.example.test 192.0.2.20",
                "many2.example.test 192.0.2.20",
            ]
            assert await code(session, "192.0.2.99") == errors.WSASERVICE_NOT_FOUND

    @pytest.mark.parametrize(
        ("name", "rdtype", "text"),
        [
            ("example.test", "MX", "10 mx.example.test."),
            ("text.example.test", "TXT", '"one" "two"'),
            ("cert.example.test", "CAA", '0 issue "ca.example.test"'),
            ("url.example.test", "URI", '10 1 "https://example.test/"'),
            ("host-info.example.test", "HINFO", '"PC" "Linux"'),
            ("alias.example.test", "CNAME", "www.example.test."),
            ("_imaps._tcp.mail.test", "TYPE33", None),
        ],
    )
    async def test_records(self, knot: Server, name: str, rdtype: str, text: str | None) -> None:
        """Any type by its name or number."""
        async with client(knot) as session:
            records, _ = await ask(session, name, rdtype)
            assert records
            assert all(record.blob for record in records)
            assert text is None or [record.comment for record in records] == [text]

    async def test_large_answers(self, knot: Server) -> None:
        """What UDP cannot carry comes over TCP, also 40 KB of text."""
        async with client(knot) as session:
            (line,) = await found(session, "crowd.example.test")
            assert len(line.split()) == 301
            (record,) = (await ask(session, "huge.example.test", "TXT"))[0]
            assert record.blob is not None
            assert len(record.blob) == 40_000 + 200
            assert record.comment is not None
            assert len(record.comment) == 4096

    async def test_international_names(self, knot: Server) -> None:
        """IDNA 2008, and UTF-8 where encoding is switched off."""
        async with client(knot) as session:
            assert await found(session, "BÜCHER.example.test") == [
                "xn--bcher-kva.example.test 192.0.2.50"
            ]
            assert await found(session, "faß.example.test") == [
                "xn--fa-hia.example.test 192.0.2.51"
            ]
            plain = ALL | int(LookupFlags.DISABLE_IDN_ENCODING)
            assert await found(session, "bücher.example.test", flags=plain) == [
                "bücher.example.test 192.0.2.55"
            ]

    async def test_negative_answers_are_kept_as_long_as_the_zone_says(self, knot: Server) -> None:
        """RFC 2308: seen in the cache's own list."""
        provider = DnsProvider(servers=(str(knot),), resolv_conf="")
        async with open_world(provider) as world:
            session = world.session()
            for name in ("nowhere.quick.test", "nowhere.shortsoa.test", "nowhere.example.test"):
                await code(session, name)
            left = {entry.name: entry.ttl for entry in provider.cache_entries()}
        assert 0 < left["nowhere.quick.test"] <= 1
        assert 1 < left["nowhere.shortsoa.test"] <= 2
        assert 290 < left["nowhere.example.test"] <= 300

    async def test_a_ttl_of_0_is_asked_for_each_time(self, knot: Server) -> None:
        """It is given, but not kept."""
        provider = DnsProvider(servers=(str(knot),), resolv_conf="")
        async with open_world(provider) as world:
            session = world.session()
            for _ in range(2):
                assert await found(session, "zero.example.test") == ["zero.example.test 192.0.2.31"]
            assert [entry.type for entry in provider.cache_entries("zero.example.test")] == ["AAAA"]


class TestUnbound:
    """A resolver that validates."""

    async def test_secure_lookups(self, unbound: Server) -> None:
        """Only what is signed is found, aliases only if all of the chain is."""
        async with client(unbound) as session:
            assert await found(session, "www.signed.test", flags=SECURE) == [
                "www.signed.test 2001:db8::15 192.0.2.15"
            ]
            assert (await found(session, "alias.signed.test", flags=SECURE))[0] == (
                "www.signed.test 2001:db8::15 192.0.2.15"
            )
            assert await found(session, "text.signed.test", "TXT", flags=SECURE)
            for name in ("www.example.test", "insecure.signed.test", "nowhere.example.test"):
                assert await code(session, name, flags=SECURE) == errors.WSANO_RECOVERY
            assert await code(session, "no.signed.test", flags=SECURE) == (
                errors.WSASERVICE_NOT_FOUND
            )

    async def test_what_is_bogus_is_not_found_at_all(self, unbound: Server) -> None:
        """The resolver says SERVFAIL."""
        async with client(unbound) as session:
            for flags in (ALL, SECURE):
                assert await code(session, "www.bogus.test", flags=flags) == errors.WSATRY_AGAIN

    async def test_an_unsigned_server_secures_nothing(self, knot: Server) -> None:
        """Knot signs, but does not say that it has validated."""
        async with client(knot) as session:
            ended = await code(session, "www.signed.test", flags=SECURE)
            assert ended == errors.WSANO_RECOVERY

    async def test_a_resolver_follows_aliases_itself(self, unbound: Server) -> None:
        """One query for each family is enough."""
        async with client(unbound) as session:
            assert (await found(session, "away.example.test"))[0] == (
                "www.other.test 2001:db8::12 192.0.2.12"
            )


async def test_a_server_that_comes_back(tmp_path: Path) -> None:
    """While it is away an old answer serves; as soon as it is back, new ones do."""
    zone = "$ORIGIN one.test.\n@ 60 SOA ns h 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n"
    with start_knot(tmp_path, {"one.test": zone + "www 60 A 192.0.2.1\n"}, {}) as server:
        # Stopping and starting a server takes longer than this answer lives.
        options = {"max_ttl": 0.001, "failure_ttl": 0.0, "stale_recheck": 0.0}
        async with client(server, attempts=1, **options) as session:
            assert await found(session, "www.one.test") == ["www.one.test 192.0.2.1"]
            server.stop()
            flush = ALL | int(LookupFlags.FLUSHCACHE)
            assert await code(session, "www.one.test", flags=flush) == errors.WSAENETDOWN
            (record,) = (await ask(session, "www.one.test"))[0]
            assert (record.comment, shown(record)) == ("stale", "www.one.test 192.0.2.1")
            server.start()
            (record,) = (await ask(session, "www.one.test"))[0]
            assert (record.comment, shown(record)) == (None, "www.one.test 192.0.2.1")


async def test_servers_are_tried_in_turn() -> None:
    """One that fails is no reason to give up while another answers."""
    with FakeServer(failing("SERVFAIL")) as bad, FakeServer(answering("A", "192.0.2.1")) as good:
        async with client(bad, good) as session:
            assert await found(session, "www.test") == ["www.test 192.0.2.1"]


async def test_silence_is_a_time_out() -> None:
    """10060, with the setting in the verdict; the sockets are closed."""
    with FakeServer(silence) as dead:
        async with client(dead, timeout=0.1, attempts=1) as session:
            lookup = session.begin(QuerySet(service_instance_name="www.test", namespace=12), ALL)
            with pytest.raises(errors.TimedOut):
                await lookup.next()
            (verdict,) = lookup.verdicts()
            assert (verdict.outcome, verdict.error, verdict.setting) == (
                "timed_out",
                errors.WSAETIMEDOUT,
                "timeout",
            )
            lookup.end()


async def test_hundreds_of_lookups_that_are_ended_leave_no_socket() -> None:
    """All in flight at once; their sockets are closed before anybody could look."""
    with DeadServer() as dead:
        async with client(dead) as session:
            before = descriptors()
            lookups = [
                session.begin(QuerySet(service_instance_name=f"n{number}.test", namespace=12), ALL)
                for number in range(300)
            ]
            calls = [next_ex(lookup) for lookup in lookups]
            while descriptors() < before + 600:
                await turns(50)
            for lookup in lookups:
                lookup.end()
            assert {call.code for call in calls} == {errors.WSA_E_CANCELLED}
            await turns()
            assert descriptors() == before


def descriptors() -> int:
    """Open file descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


async def test_a_refusal_now_and_an_answer_later() -> None:
    """A failure is kept for `failure_ttl`; 0 asks again at once."""
    answer = answering("A", "192.0.2.1")
    refused = failing("REFUSED")
    with FakeServer(in_turn(refused, refused, answer)) as server:
        async with client(server, failure_ttl=0.0, attempts=1) as session:
            assert await code(session, "www.test") == errors.WSATRY_AGAIN
            assert await found(session, "www.test") == ["www.test 192.0.2.1"]
