"""A router with an email provider over a zone in memory, and calls in the words of its tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel

from nspd.core.lookup import Lookup
from nspd.core.outcome import Failure
from nspd.core.session import Session
from nspd.model import errors
from nspd.model.flags import LookupFlags
from nspd.model.queryset import CsAddr, QuerySet, SocketAddress
from nspd.providers.email import EmailProvider
from tests.core.world import ALICE, World, open_world
from tests.providers.email.resolver import MAIL, ZoneResolver

EMAIL = 37
REGISTER, DEREGISTER, DELETE = range(3)
ALL = int(LookupFlags.RETURN_ALL)
CARD = b"card"
HOME = CsAddr(remote=SocketAddress.inet("192.0.2.99", 2525), socket_type=1, protocol=6)

EVERYTHING = [
    ("submissions/tcp", "mail.example.org"),
    ("submission/tcp", "mail.example.org"),
    ("imaps/tcp", "mail.example.org"),
    ("pop3s/tcp", "mail.example.org"),
    ("smtp/tcp", "mx1.example.org"),
    ("smtp/tcp", "mx2.example.org"),
]
"""What `MAIL` offers, by service and host."""


@asynccontextmanager
async def mail_world(
    resolver: ZoneResolver | None = None, **options: Any
) -> AsyncIterator[tuple[World, ZoneResolver]]:
    """A router with one email provider."""
    zone = resolver if resolver is not None else ZoneResolver(*MAIL)
    provider = EmailProvider(open_resolver=zone.opened, **options)
    async with open_world(provider) as world:
        assert zone.open
        yield world, zone
    assert not zone.open


def ask(session: Session, name: str | None, flags: int = ALL, **restrictions: Any) -> Lookup:
    """Begin a lookup in the email namespace."""
    restrictions.setdefault("namespace", EMAIL)
    return session.begin(QuerySet(service_instance_name=name, **restrictions), control_flags=flags)


async def ending(lookup: Lookup) -> tuple[list[QuerySet], errors.WSAError]:
    """All records of a lookup, and the error that ends it."""
    records = []
    while True:
        try:
            records.append(await lookup.next())
        except errors.WSAError as error:
            lookup.end()
            return records, error


async def found(
    session: Session, name: str | None, flags: int = ALL, **restrictions: Any
) -> list[QuerySet]:
    """All records of a lookup that ends well."""
    records, error = await ending(ask(session, name, flags, **restrictions))
    assert error.code in (errors.WSA_E_NO_MORE, errors.WSASERVICE_NOT_FOUND, errors.WSANO_DATA)
    assert bool(records) == (error.code == errors.WSA_E_NO_MORE)
    return records


async def code(session: Session, name: str | None, flags: int = ALL, **restrictions: Any) -> int:
    """The code that a lookup without records ends with."""
    records, error = await ending(ask(session, name, flags, **restrictions))
    assert records == []
    return error.code


def registration(name: str, **members: Any) -> QuerySet:
    """What to register: a name with a blob, unless told otherwise."""
    return QuerySet(**{"service_instance_name": name, "namespace": EMAIL, "blob": CARD, **members})


async def change(
    world: World,
    entry: QuerySet,
    operation: int = REGISTER,
    *,
    uid: int = ALICE,
    administrator: bool = False,
    **options: Any,
) -> None:
    """One SetServiceEx."""
    done = anyio.Event()
    failures: list[Failure | None] = []

    def settle(failure: Failure | None) -> None:
        failures.append(failure)
        done.set()

    session = world.session(uid, administrator=administrator)
    world.router.set_service(session, entry, operation, done=settle, **options)
    await done.wait()
    if failures[0] is not None:
        raise failures[0].raised()


def services(records: Sequence[QuerySet]) -> list[tuple[str | None, str | None]]:
    """Service and host of each record."""
    return [(record.query_string, record.service_instance_name) for record in records]


def hosts(record: QuerySet) -> list[tuple[str | None, int | None]]:
    """Host and port of each address of a record."""
    return [
        (address.remote.host, address.remote.port)
        for address in record.addresses or ()
        if address.remote is not None
    ]
