"""Whether a lookup may begin: what is checked of it, and which limits bind whom."""

from __future__ import annotations

from typing import Any

import pytest

from nspd.core.limits import Limits
from nspd.core.provider import Answer, Query
from nspd.model import errors
from nspd.model.flags import LookupFlags
from nspd.model.namespaces import fixed_guid
from nspd.model.queryset import CsAddr, QuerySet, SocketAddress
from tests.core.world import ALICE, BOB, SCRIPTED, TEST, Scripted, begin, named, open_world

pytestmark = pytest.mark.anyio

GUID, OTHER_GUID = fixed_guid(SCRIPTED), fixed_guid(70002)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"control_flags": LookupFlags.CONTAINERS | LookupFlags.NOCONTAINERS}, 10022),
        ({"policy": "first", "watch": True}, 10022),
        ({"watch": True}, 10045),
        ({"provider_id": OTHER_GUID}, 10108),
        ({"restrictions": QuerySet(namespace=5)}, 10108),
        ({"restrictions": QuerySet(namespace=TEST)}, 10108),
        ({"restrictions": named("x" * 1025)}, 10022),
        ({"provider_id": GUID, "restrictions": QuerySet(provider_id=OTHER_GUID)}, 10022),
    ],
    ids=str,
)
async def test_begin_refuses(options: dict[str, Any], error: int) -> None:
    """A Begin with a fault answers its code, and leaves nothing behind."""
    async with open_world(Scripted()) as world:
        session = world.session()
        with pytest.raises(errors.WSAError) as refused:
            session.begin(**options)
        assert refused.value.code == error
        assert (world.router.lookups, world.router.begun) == (0, 0)


async def test_provider_id_may_be_given_twice_the_same() -> None:
    """Parameter and member may both name the provider, in any case of letters."""
    async with open_world(Scripted(), Scripted(namespace=70002)) as world:
        query = QuerySet(provider_id=GUID.upper())
        lookup = world.session().begin(query, provider_id=GUID)
        assert [part.entry.provider_id for part in lookup.parts] == [GUID]


async def test_a_query_loses_what_means_nothing_in_it() -> None:
    """Comment, addresses and output flags of the restrictions never reach a provider."""
    seen: list[Query] = []

    def at_once(query: Query) -> Answer:
        seen.append(query)
        return Answer(())

    address = CsAddr(remote=SocketAddress.inet("192.0.2.1"), socket_type=1, protocol=6)
    query = named("n", comment="c", addresses=(address,), output_flags=1, context="x")
    async with open_world(Scripted(at_once=at_once)) as world:
        world.session().begin(query, control_flags=int(LookupFlags.FLUSHPREVIOUS))
        assert seen[0].restrictions == named("n", context="x")
        assert seen[0].control_flags == LookupFlags.RETURN_NAME
        assert (seen[0].uid, seen[0].watch) == (ALICE, False)


async def test_limit_of_all_lookups() -> None:
    """`limits.lookups` binds everyone, administrators too; End frees the place at once."""
    async with open_world(limits=Limits(lookups=2)) as world:
        administrator = world.session(BOB, administrator=True)
        first = begin(world.session(ALICE), "hang=1")
        begin(administrator, "hang=1")
        with pytest.raises(errors.NotEnoughMemory, match=r"limits\.lookups "):
            begin(administrator)
        first.end()
        begin(administrator)


async def test_limit_of_a_users_lookups() -> None:
    """`limits.lookups_per_user` does not bind administrators."""
    async with open_world(limits=Limits(lookups_per_user=1)) as world:
        administrator = world.session(BOB, administrator=True)
        for _ in range(3):
            begin(administrator)
        session = world.session()
        begin(session)
        with pytest.raises(errors.NotEnoughMemory, match="lookups_per_user"):
            begin(session)
