"""End of a lookup that waits for servers: its sockets are closed in that very step."""

from __future__ import annotations

import pytest

from nspd.core.provider import Provider
from nspd.model.queryset import QuerySet
from nspd.providers.dns import DnsProvider
from nspd.providers.email import EmailProvider
from tests.core.world import next_ex, open_world, until, work_known, work_of
from tests.providers.dns.fakes import DeadServer
from tests.providers.dns.test_exchange_cancelled import count_sockets

pytestmark = pytest.mark.anyio

LOOKUPS = 50


def provider(kind: str, server: DeadServer) -> Provider:
    """One that asks a server that never answers."""
    made = DnsProvider if kind == "dns" else EmailProvider
    return made(servers=(str(server),), timeout=60.0, resolv_conf="")


@pytest.mark.parametrize(("kind", "name"), [("dns", "www{}.test"), ("email", "a@host{}.test")])
async def test_when_end_returns_the_sockets_are_closed(kind: str, name: str) -> None:
    """No turn of the event loop is needed; each waiting call is answered 10111."""
    with DeadServer() as dead:
        async with open_world(provider(kind, dead)) as world:
            session = world.session()
            before = count_sockets()
            lookups = [
                session.begin(QuerySet(service_instance_name=name.format(number)))
                for number in range(LOOKUPS)
            ]
            calls = [next_ex(lookup) for lookup in lookups]
            await until(lambda: count_sockets() >= before + 2 * LOOKUPS)
            endings = [lookup.end() for lookup in lookups]
            assert count_sockets() == before
            assert {call.code for call in calls} == {10111}
            assert {await work_known(ending) for ending in endings} == {"stopped"}


async def test_who_leaves_a_shared_question_closes_nothing() -> None:
    """Two users ask the same; the socket stays for the one who stays (C11)."""
    with DeadServer() as dead:
        async with open_world(provider("dns", dead)) as world:
            before = count_sockets()
            asked = QuerySet(service_instance_name="www.test")
            first, second = (world.session(uid).begin(asked) for uid in (60001, 60002))
            next_ex(first)
            next_ex(second)
            await until(lambda: count_sockets() == before + 2)
            first.end()
            assert count_sockets() == before + 2
            second.end()
            assert count_sockets() == before


async def test_a_lookup_that_waits_for_servers_ends_by_itself() -> None:
    """It is woken and returns, before its cancellation would be raised in it.

    A thousand that have to be unwound take longer than the 100 ms within which
    their sockets are to be closed.
    """
    with DeadServer() as dead:
        async with open_world(provider("dns", dead)) as world:
            before = count_sockets()
            lookup = world.session().begin(QuerySet(service_instance_name="www.test"))
            work = work_of(lookup)
            await until(lambda: count_sockets() == before + 2)
            ending = lookup.end()
            assert work.cancel_called
            assert await work_known(ending) == "stopped"
            assert not work.cancelled_caught
