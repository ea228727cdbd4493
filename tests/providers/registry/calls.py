"""Calls to a registry, in the words of its tests."""

from __future__ import annotations

from typing import Any

import anyio

from nspd.core.provider import Answer, Change, Query
from nspd.model.flags import LookupFlags, ServiceOperation
from nspd.model.queryset import CsAddr, QuerySet, SocketAddress
from nspd.providers.registry import RegistryProvider

REGISTER, DEREGISTER, DELETE = ServiceOperation
ALICE, BOB = 1000, 1001
ALL = int(LookupFlags.RETURN_ALL)
WITHOUT_ADDRESSES = int(LookupFlags.RETURN_NAME | LookupFlags.RETURN_COMMENT)


def address(port: int, protocol: int = 6) -> CsAddr:
    """A transport address that differs from the others in its port."""
    return CsAddr(remote=SocketAddress.inet("192.0.2.1", port), socket_type=1, protocol=protocol)


ONE, TWO, THREE = address(1), address(2), address(3)


def named(name: str | None, *addresses: CsAddr, context: str | None = None) -> QuerySet:
    """A registration, or with nothing else a query."""
    return QuerySet(service_instance_name=name, addresses=addresses or None, context=context)


async def change(
    registry: RegistryProvider,
    registration: QuerySet,
    operation: ServiceOperation = REGISTER,
    *,
    uid: int = ALICE,
    multiple: bool = False,
    machine: bool = False,
    administrator: bool = False,
    session: int | None = None,
    ttl: float | None = None,
    limit: int | None = None,
) -> None:
    """One SetServiceEx by Alice."""
    await registry.set_service(
        Change(
            registration=registration,
            operation=operation,
            multiple=multiple,
            machine=machine,
            uid=uid,
            administrator=administrator,
            session=session,
            ttl=ttl,
            limit=limit,
        )
    )


async def register_all(registry: RegistryProvider, names: list[str], **options: Any) -> None:
    """Register names with one address, all at the same time."""

    async def register(name: str) -> None:
        await change(registry, named(name, ONE), **options)

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(register, name)


def ask(
    registry: RegistryProvider, restrictions: QuerySet, *, uid: int = ALICE, flags: int = ALL
) -> Answer:
    """One lookup by Alice."""
    return registry.answer(Query(restrictions=restrictions, control_flags=flags, uid=uid))


def found(
    registry: RegistryProvider, restrictions: QuerySet, *, uid: int = ALICE, flags: int = ALL
) -> list[QuerySet]:
    """All records of one lookup by Alice."""
    return list(ask(registry, restrictions, uid=uid, flags=flags).records)


def addresses(
    registry: RegistryProvider, name: str, *, uid: int = ALICE
) -> list[tuple[CsAddr, ...] | None]:
    """The addresses of each record of a name."""
    return [record.addresses for record in found(registry, named(name), uid=uid)]


def names(records: list[QuerySet]) -> list[str | None]:
    """The names of records."""
    return [record.service_instance_name for record in records]


def ending(answer: Answer) -> int:
    """The error that ends a lookup without a record: 11004, or 10108 if the name is unknown."""
    assert list(answer.records) == []
    return 11004 if answer.known else 10108
