"""What is registered for addresses: who sees it, wildcards, preferred names."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from nspd.core.outcome import Failure
from nspd.model import errors
from nspd.model.flags import LookupFlags
from tests.core.world import ALICE, BOB
from tests.providers.email.mail import (
    ALL,
    CARD,
    DELETE,
    DEREGISTER,
    EVERYTHING,
    HOME,
    REGISTER,
    ask,
    change,
    code,
    found,
    mail_world,
    registration,
    services,
)

pytestmark = pytest.mark.anyio


async def test_registered_first() -> None:
    """What was registered comes before the services, as it was registered."""
    async with mail_world() as (world, _):
        entry = registration("User@Example.org", comment="me", addresses=(HOME,))
        await change(world, entry)
        records = await found(world.session(), "user@example.org")
    assert records[0].service_instance_name == "User@Example.org"
    assert (records[0].blob, records[0].comment, records[0].addresses) == (CARD, "me", (HOME,))
    assert records[0].context == "registered"
    assert services(records[1:]) == EVERYTHING


async def test_registered_without_waiting_for_the_dns() -> None:
    """A silent DNS does not hold back what was registered, nor make it unknown."""
    async with mail_world() as (world, zone):
        zone.hold("example.org.", "MX")
        await change(world, registration("user@example.org"))
        lookup = ask(world.session(), "user@example.org")
        assert (await lookup.next()).blob == CARD
        lookup.end()


async def test_a_blob_is_required() -> None:
    """To register an address takes a blob (10022); to remove it does not."""
    async with mail_world() as (world, _):
        without = registration("user@example.org", blob=None)
        with pytest.raises(errors.InvalidArgument, match="blob"):
            await change(world, without)
        await change(world, registration("user@example.org"))
        with pytest.raises(errors.InvalidArgument, match="blob"):
            await change(world, without, control_flags=1)
        await change(world, without, DEREGISTER)
        await change(world, without, DELETE)


@pytest.mark.parametrize("name", ["printer", "a@b@c", "user@exam_ple.org", "@example.org"])
async def test_only_addresses_are_registered(name: str) -> None:
    """What is no address cannot be registered here (10022)."""
    async with mail_world() as (world, _):
        with pytest.raises(errors.InvalidArgument, match="no e-mail address"):
            await change(world, registration(name))


async def test_contexts_of_registrations() -> None:
    """Only the default context and "registered" take registrations, and they are one."""
    async with mail_world(services=(), delivery=False) as (world, _):
        with pytest.raises(errors.InvalidArgument, match="context"):
            await change(world, registration("user@example.org", context="dns"))
        await change(world, registration("user@example.org", context="registered"))
        await change(world, registration("user@example.org", context="\\"), DELETE)


async def test_a_wildcard_answers_for_what_is_not_registered() -> None:
    """*@domain answers for every address of the domain that has no registration of its own."""
    async with mail_world(services=(), delivery=False) as (world, _):
        await change(world, registration("*@example.org", blob=b"any"))
        await change(world, registration("user@example.org"))
        session = world.session()
        assert [r.blob for r in await found(session, "user@example.org")] == [CARD]
        assert [r.blob for r in await found(session, "other@EXAMPLE.org")] == [b"any"]
        assert [r.blob for r in await found(session, "*@example.org")] == [b"any"]
        assert await code(session, "other@www.example.org") == 10108
        assert [r.service_instance_name for r in await found(session, "x@example.org")] == [
            "*@example.org"
        ]


async def test_a_star_is_no_pattern() -> None:
    """A * in an address is a character of the local part; it does not enumerate."""
    async with mail_world(services=(), delivery=False) as (world, _):
        await change(world, registration("user@example.org"))
        session = world.session()
        assert await code(session, "*@example.org") == 10108
        assert await code(session, "u*@example.org") == 10108


async def test_own_names_are_for_their_user_alone() -> None:
    """A user's registration comes before the machine's to him, and not at all to others."""
    async with mail_world(services=(), delivery=False) as (world, _):
        await change(
            world,
            registration("user@example.org", blob=b"machine"),
            visibility="machine",
            administrator=True,
        )
        await change(world, registration("user@example.org", blob=b"alice"), uid=ALICE)
        alice = await found(world.session(ALICE), "user@example.org")
        bob = await found(world.session(BOB), "user@example.org")
    assert [record.blob for record in alice] == [b"alice", b"machine"]
    assert [record.blob for record in bob] == [b"machine"]


async def test_all_that_is_registered() -> None:
    """No name, or just *, lists what the user can see; the DNS is not asked."""
    async with mail_world() as (world, zone):
        await change(world, registration("b@example.org"))
        await change(world, registration("a@example.org"))
        for name in (None, "*"):
            records = await found(world.session(), name)
            assert [r.service_instance_name for r in records] == ["b@example.org", "a@example.org"]
        assert await found(world.session(BOB), None) == []
        assert await code(world.session(), None, context="dns") == 10108
    assert zone.asked == []


async def test_a_deregistered_address() -> None:
    """It is known, and without addresses: 11004 if addresses are asked for, else returned."""
    async with mail_world(services=(), delivery=False) as (world, _):
        await change(world, registration("user@example.org", addresses=(HOME,)))
        await change(world, registration("user@example.org"), DEREGISTER)
        session = world.session()
        assert await code(session, "user@example.org") == errors.WSANO_DATA
        name = int(LookupFlags.RETURN_NAME)
        assert len(await found(session, "user@example.org", name)) == 1


async def test_a_registration_of_a_session() -> None:
    """A registration ends with its session, when it was bound to it."""
    async with mail_world(services=(), delivery=False) as (world, _):
        session = world.session()
        done: list[Failure | None] = []
        world.router.set_service(
            session,
            registration("user@example.org"),
            REGISTER,
            lifetime="session",
            done=done.append,
        )
        while not done:
            await anyio.lowlevel.checkpoint()
        assert done == [None]
        assert len(await found(world.session(), "user@example.org")) == 1
        session.close()
        assert await code(world.session(), "user@example.org") == 10108


async def test_preferred_names() -> None:
    """LUP_RETURN_PREFERRED_NAMES and no name: the user's own addresses, as names (Case 35)."""
    flags = int(ALL | LookupFlags.RETURN_PREFERRED_NAMES)
    async with mail_world() as (world, zone):
        assert await code(world.session(), None, flags) == 10108
        await change(world, registration("Me@Example.org", addresses=(HOME,)))
        await change(world, registration("old@example.org", addresses=(HOME,)))
        await change(world, registration("old@example.org"), DEREGISTER)
        await change(world, registration("bob@example.org"), uid=BOB)
        await change(
            world, registration("all@example.org"), visibility="machine", administrator=True
        )
        (record,) = await found(world.session(), None, flags)
        assert record.service_instance_name == "Me@Example.org"
        assert record.output_flags == 0x10000
        assert record.addresses is None
        assert record.blob is None
        assert await code(world.session(), "me@example.org", flags) == 10108
    assert zone.asked == []
