"""The registry as the router sees it: registrations, and lookups that find them."""

from __future__ import annotations

import anyio
import pytest

from nspd.core.provider import Host
from nspd.model.errors import (
    AccessDenied,
    InvalidArgument,
    NoBuffers,
    NotEnoughMemory,
    ServiceNotFound,
)
from nspd.model.flags import LookupFlags, ServiceOperation
from nspd.model.queryset import AfProtocol, QuerySet, Version
from nspd.providers.registry import RegistryProvider
from tests.providers.registry.calls import (
    ALICE,
    ALL,
    BOB,
    DELETE,
    DEREGISTER,
    ONE,
    THREE,
    TWO,
    WITHOUT_ADDRESSES,
    address,
    addresses,
    ask,
    change,
    ending,
    found,
    named,
    names,
    register_all,
)
from tests.providers.registry.conftest import WallClock

pytestmark = pytest.mark.anyio


# Registering and looking up


async def test_a_registration_is_found(registry: RegistryProvider, host: Host) -> None:
    """What is registered is answered with all its members, from its commit on. Case 99."""
    registration = QuerySet(
        service_instance_name="Web",
        version=Version(2, "equal"),
        comment="a comment",
        namespace=0,
        provider_id=registry.provider_id.upper(),
        context="lab",
        protocols=(AfProtocol("inet", 6),),
        query_string="http/tcp",
        addresses=(ONE, TWO),
        output_flags=5,
        blob=b"\0\xff",
    )
    async with registry.running(host):
        assert ending(ask(registry, registration)) == 10108
        await change(registry, registration)
        assert found(registry, named("web", context="lab")) == [
            QuerySet(
                service_instance_name="Web",
                version=Version(2, "equal"),
                comment="a comment",
                namespace=65536,
                provider_id="5e1d0000-0000-4000-8000-000000010000",
                context="lab",
                query_string="http/tcp",
                addresses=(ONE, TWO),
                output_flags=0,
                blob=b"\0\xff",
            )
        ]


async def test_registering_again(registry: RegistryProvider, host: Host) -> None:
    """REGISTER leaves one object with the new addresses alone. Case 100."""
    async with registry.running(host):
        await change(registry, named("web", ONE, TWO))
        await change(registry, named("WEB", THREE))
        assert found(registry, named("web")) == found(registry, named("*"))
        assert names(found(registry, named("*"))) == ["WEB"]
        assert addresses(registry, "web") == [(THREE,)]


async def test_adding_addresses(registry: RegistryProvider, host: Host) -> None:
    """REGISTER with MULTIPLE adds each address once. Case 101."""
    async with registry.running(host):
        await change(registry, named("web", ONE))
        for _ in range(2):
            await change(registry, named("web", TWO), multiple=True)
            assert addresses(registry, "web") == [(ONE, TWO)]


async def test_deregistering(registry: RegistryProvider, host: Host) -> None:
    """Without its last address an object stays: returned, unless addresses are asked for.

    Case 103, Q22. LUP_RETURN_ALL asks for addresses.
    """
    async with registry.running(host):
        await change(registry, named("web", ONE, TWO))
        await change(registry, named("web", ONE), DEREGISTER, multiple=True)
        assert addresses(registry, "web") == [(TWO,)]
        await change(registry, named("web", TWO), DEREGISTER, multiple=True)
        for query in (named("web"), named("*")):
            assert ending(ask(registry, query, flags=ALL)) == 11004
            assert ending(ask(registry, query, flags=int(LookupFlags.RETURN_ADDR))) == 11004
            for flags in (WITHOUT_ADDRESSES, 0):
                [record] = found(registry, query, flags=flags)
                assert record.service_instance_name == "web"
                assert record.addresses is None


async def test_registered_without_addresses(registry: RegistryProvider, host: Host) -> None:
    """An object that was registered without addresses is announced all the same."""
    async with registry.running(host):
        await change(registry, named("web"))
        assert addresses(registry, "web") == [None]


@pytest.mark.parametrize("multiple", [False, True])
@pytest.mark.parametrize("operation", [DEREGISTER, DELETE])
async def test_absent(
    registry: RegistryProvider, host: Host, operation: ServiceOperation, multiple: bool
) -> None:
    """Deregistering or deleting what is not there: 10108. Case 104."""
    async with registry.running(host):
        with pytest.raises(ServiceNotFound):
            await change(registry, named("web", ONE), operation, multiple=multiple)


async def test_deleting_twice(registry: RegistryProvider, host: Host) -> None:
    """The second DELETE finds nothing. Case 105."""
    async with registry.running(host):
        await change(registry, named("web", ONE))
        await change(registry, named("WEB"), DELETE)
        assert ending(ask(registry, named("web"))) == 10108
        with pytest.raises(ServiceNotFound):
            await change(registry, named("web"), DELETE)


async def test_any_protocol(registry: RegistryProvider, host: Host) -> None:
    """Protocol 0 is answered as the usual one, found by it, and removed by it. Case 106."""
    async with registry.running(host):
        await change(registry, named("web", address(1, protocol=0)))
        assert addresses(registry, "web") == [(ONE,)]
        tcp = QuerySet(service_instance_name="web", protocols=(AfProtocol("inet", 6),))
        assert len(found(registry, tcp)) == 1
        await change(registry, named("web", ONE), DELETE, multiple=True)
        assert ending(ask(registry, named("web"))) == 10108


async def test_contexts(registry: RegistryProvider, host: Host) -> None:
    """The same name in two contexts is two objects, each found in its own. Case 109."""
    async with registry.running(host):
        await change(registry, named("web", ONE))
        await change(registry, named("web", TWO, context="lab"))
        assert [r.addresses for r in found(registry, named("web", context="lab"))] == [(TWO,)]
        await change(registry, named("web", context="lab"), DELETE)
        assert ending(ask(registry, named("web", context="lab"))) == 10108
        for context in (None, "", "\\"):
            [record] = found(registry, named("web", context=context))
            assert (record.context, record.addresses) == ("", (ONE,))


@pytest.mark.parametrize(
    ("restriction", "matching"),
    [
        (QuerySet(version=Version(2, "not_less")), True),
        (QuerySet(version=Version(4, "not_less")), False),
        (QuerySet(protocols=(AfProtocol("inet6", 0),)), False),
        (QuerySet(query_string="ftp/tcp"), False),
    ],
)
@pytest.mark.parametrize("name", ["web", "w?b", None])
async def test_restrictions(
    registry: RegistryProvider, host: Host, name: str | None, restriction: QuerySet, matching: bool
) -> None:
    """A name that exists but does not meet the restrictions is known, without data. Q17."""
    restrictions = QuerySet(
        service_instance_name=name,
        version=restriction.version,
        protocols=restriction.protocols,
        query_string=restriction.query_string,
    )
    async with registry.running(host):
        await change(
            registry,
            QuerySet(service_instance_name="web", version=Version(3, "equal"), addresses=(ONE,)),
        )
        if matching:
            assert names(found(registry, restrictions)) == ["web"]
        else:
            assert ending(ask(registry, restrictions)) == 11004


async def test_no_containers(registry: RegistryProvider, host: Host) -> None:
    """A lookup for containers alone: 11004, whatever there is. Case 14."""
    async with registry.running(host):
        await change(registry, named("web", ONE))
        flags = int(LookupFlags.CONTAINERS) | ALL
        for name in ("web", "other", None):
            assert ending(ask(registry, named(name), flags=flags)) == 11004
        assert len(found(registry, named("web"), flags=int(LookupFlags.NOCONTAINERS) | ALL)) == 1


@pytest.mark.parametrize("name", [None, ""])
async def test_a_registration_has_a_name(
    registry: RegistryProvider, host: Host, name: str | None
) -> None:
    """Nothing can be registered, or removed, without a name: 10022."""
    async with registry.running(host):
        for operation in ServiceOperation:
            with pytest.raises(InvalidArgument, match="service_instance_name"):
                await change(registry, named(name, ONE), operation)


async def test_text_that_is_no_unicode(registry: RegistryProvider, host: Host) -> None:
    """A lone surrogate, which could not be stored, is refused: 10022. Case 142."""
    async with registry.running(host):
        with pytest.raises(InvalidArgument, match="Unicode"):
            await change(registry, named("a\ud800", ONE))
        assert found(registry, named("*")) == []


async def test_names_are_kept_as_given(registry: RegistryProvider, host: Host) -> None:
    """Case does not count in a comparison, and no name is normalised. Cases 142, 145."""
    composed, decomposed = "Stra\u00dfe-\u00e9", "Stra\u00dfe-e\u0301"
    odd = "\ufeffa\0b\n"
    async with registry.running(host):
        await change(registry, named(composed, ONE))
        await change(registry, named(odd, TWO))
        assert ending(ask(registry, named(decomposed))) == 10108
        assert names(found(registry, named("STRASSE-\u00c9"))) == [composed]
        assert names(found(registry, named(odd.upper()))) == [odd]
        assert names(found(registry, named("*"))) == [composed, odd]


# Enumerations


async def test_wildcards(registry: RegistryProvider, host: Host) -> None:
    """A pattern gives what matches, in the order of creation; no name gives everything."""
    async with registry.running(host):
        for name in ("web-2", "Web-1", "mail", "web-10"):
            await change(registry, named(name, ONE))
        assert names(found(registry, named("WEB-?"))) == ["web-2", "Web-1"]
        assert names(found(registry, named("web-1*"))) == ["Web-1", "web-10"]
        everything = ["web-2", "Web-1", "mail", "web-10"]
        for query in (named("*"), named(None), named("")):
            assert names(found(registry, query)) == everything
        assert ending(ask(registry, named("ftp*"))) == 10108
        assert ending(ask(registry, named("*", context="lab"))) == 10108


async def test_an_enumeration_lists_the_names_of_begin(
    registry: RegistryProvider, host: Host
) -> None:
    """Names come from Begin, each object from when it is taken; what is gone is left out."""
    async with registry.running(host):
        for name in ("a", "b", "c", "d", "e"):
            await change(registry, named(name, ONE))
        records = iter(ask(registry, named("*")).records)
        assert next(records).service_instance_name == "a"
        await change(registry, named("b"), DELETE)
        await change(registry, named("c", TWO))
        await change(registry, named("d"), DELETE)
        await change(registry, named("d", THREE))
        await change(registry, named("e"), DEREGISTER)
        await change(registry, named("f", ONE))
        rest = list(records)
        assert names(rest) == ["c", "d"]
        assert [record.addresses for record in rest] == [(TWO,), (THREE,)]


async def test_an_enumeration_whose_first_object_goes(
    registry: RegistryProvider, host: Host
) -> None:
    """The first object, too, is read when its record is taken."""
    async with registry.running(host):
        await change(registry, named("a", ONE))
        deleted = ask(registry, named("*"))
        await change(registry, named("a"), DELETE)
        assert ending(deleted) == 11004
        await change(registry, named("a", ONE))
        replaced = ask(registry, named("*"))
        await change(registry, named("a", TWO))
        assert [record.addresses for record in replaced.records] == [(TWO,)]


async def test_enumerations_do_not_disturb_each_other(
    registry: RegistryProvider, host: Host
) -> None:
    """Ten interleaved enumerations give each its own twenty, in order. Case 119."""
    async with registry.running(host):
        for index in range(20):
            await register_all(registry, [f"group{group}-{index}" for group in range(10)])
        readers = [iter(ask(registry, named(f"group{group}-*")).records) for group in range(10)]
        taken = [names([next(reader) for reader in readers]) for _ in range(20)]
        assert taken == [[f"group{group}-{index}" for group in range(10)] for index in range(20)]
        assert [list(reader) for reader in readers] == [[]] * 10


async def test_lists_of_names_are_bounded(
    registry: RegistryProvider, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Enumerations left open while names change share lists, and past a bound are refused."""
    monkeypatch.setattr("nspd.providers.registry.index.LISTED_NAMES", 5)
    async with registry.running(host):
        await change(registry, named("a", ONE))
        await change(registry, named("b", ONE))
        opened = [ask(registry, named("*")) for _ in range(100)]
        await change(registry, named("c", ONE))
        opened += [ask(registry, named("*")) for _ in range(100)]
        await change(registry, named("d", ONE))
        with pytest.raises(NoBuffers):
            ask(registry, named("*"))
        assert names(found(registry, named("d"))) == ["d"]
        assert [len(list(answer.records)) for answer in opened] == [2] * 100 + [3] * 100
        opened.clear()
        assert len(found(registry, named("*"))) == 4


# Who sees and changes what


async def test_users_do_not_see_each_other(registry: RegistryProvider, host: Host) -> None:
    """A user's names are his own; the machine's come after them, for everybody."""
    async with registry.running(host):
        await change(registry, named("web", ONE), uid=ALICE)
        await change(registry, named("web", TWO), uid=BOB)
        await change(registry, named("web", THREE), uid=BOB, machine=True)
        assert addresses(registry, "web", uid=ALICE) == [(ONE,), (THREE,)]
        assert addresses(registry, "web", uid=BOB) == [(TWO,), (THREE,)]
        assert addresses(registry, "web", uid=-1) == [(THREE,)]
        assert addresses(registry, "*", uid=ALICE) == [(ONE,), (THREE,)]
        await change(registry, named("web"), DELETE, uid=ALICE)
        assert addresses(registry, "web", uid=ALICE) == [(THREE,)]
        assert addresses(registry, "web", uid=BOB) == [(TWO,), (THREE,)]


@pytest.mark.parametrize("operation", ServiceOperation)
@pytest.mark.parametrize("multiple", [False, True])
async def test_another_users_object_of_the_machine(
    registry: RegistryProvider, host: Host, operation: ServiceOperation, multiple: bool
) -> None:
    """Only its maker and administrators change an object of the machine's. Case 115."""
    async with registry.running(host):
        await change(registry, named("web", ONE), machine=True)
        with pytest.raises(AccessDenied):
            await change(
                registry, named("web", ONE), operation, uid=BOB, machine=True, multiple=multiple
            )
        assert addresses(registry, "web") == [(ONE,)]
        await change(registry, named("web", TWO), uid=BOB, machine=True, administrator=True)
        assert addresses(registry, "web") == [(TWO,)]
        await change(registry, named("web", TWO), operation, machine=True, multiple=multiple)


async def test_limit(registry: RegistryProvider, host: Host) -> None:
    """Past his limit a user gets no new name, and may replace the old ones. Case 110."""
    async with registry.running(host):
        await change(registry, named("a", ONE), limit=2)
        await change(registry, named("b", ONE), machine=True, limit=2)
        for machine in (False, True):
            with pytest.raises(NotEnoughMemory):
                await change(registry, named("c", ONE), machine=machine, limit=2)
        await change(registry, named("a", TWO), limit=2)
        assert addresses(registry, "*") == [(TWO,), (ONE,)]
        await change(registry, named("c", ONE), uid=BOB, limit=2)
        await change(registry, named("a"), DEREGISTER, limit=2)
        with pytest.raises(NotEnoughMemory):
            await change(registry, named("c", ONE), limit=2)
        await change(registry, named("a"), DELETE, limit=2)
        await change(registry, named("c", ONE), limit=2)
        await change(registry, named("d", ONE), limit=None)


async def test_limit_in_one_transaction(registry: RegistryProvider, host: Host) -> None:
    """Changes that are stored together are counted one after the other."""
    refused: list[str] = []

    async def register(name: str) -> None:
        try:
            await change(registry, named(name, ONE), limit=3)
        except NotEnoughMemory:
            refused.append(name)

    async with registry.running(host):
        async with anyio.create_task_group() as tasks:
            for index in range(10):
                tasks.start_soon(register, f"name-{index}")
        assert len(found(registry, named("*"))) == 3
        assert len(refused) == 7


# Sessions and leases


async def test_session_registrations(registry: RegistryProvider, host: Host) -> None:
    """What is bound to a session goes with it, and nothing else does. Case 98."""
    async with registry.running(host):
        await change(registry, named("permanent", ONE))
        for session in (1, 2):
            await change(registry, named(f"bound-{session}", ONE), session=session)
        registry.session_ended(1)
        assert names(found(registry, named("*"))) == ["permanent", "bound-2"]
        assert ending(ask(registry, named("bound-1"))) == 10108
        with pytest.raises(ServiceNotFound):
            await change(registry, named("bound-1"), DELETE)
        registry.session_ended(1)
        registry.session_ended(99)
        assert names(found(registry, named("bound-*"))) == ["bound-2"]


async def test_registering_sets_the_lifetime(registry: RegistryProvider, host: Host) -> None:
    """The last REGISTER says to what an object is bound, and to what no longer."""
    async with registry.running(host):
        await change(registry, named("a", ONE), session=1)
        await change(registry, named("a", ONE))
        await change(registry, named("b", ONE))
        await change(registry, named("b", ONE), session=1)
        await change(registry, named("c", ONE), session=1)
        await change(registry, named("c", ONE), session=2)
        registry.session_ended(1)
        assert names(found(registry, named("*"))) == ["a", "c"]


async def test_adding_to_a_permanent_object(registry: RegistryProvider, host: Host) -> None:
    """To add addresses to an object binds it to nothing that it was not bound to."""
    async with registry.running(host):
        await change(registry, named("a", ONE))
        await change(registry, named("a", TWO), multiple=True, session=1, ttl=1.0)
        await change(registry, named("b", ONE), session=1)
        await change(registry, named("b", TWO), multiple=True, session=2)
        registry.session_ended(1)
        assert addresses(registry, "a") == [(ONE, TWO)]
        assert addresses(registry, "b") == [(ONE, TWO)]


async def test_leases(registry: RegistryProvider, host: Host, wall_clock: WallClock) -> None:
    """A lease ends at its time, unless the name has been registered again."""
    async with registry.running(host):
        await change(registry, named("a", ONE), ttl=10.0)
        await change(registry, named("b", ONE), ttl=10.0)
        wall_clock.now += 9
        await change(registry, named("b", ONE), ttl=10.0)
        assert names(found(registry, named("*"))) == ["a", "b"]
        wall_clock.now += 1
        assert names(found(registry, named("*"))) == ["b"]
        assert ending(ask(registry, named("a"))) == 10108
        with pytest.raises(ServiceNotFound):
            await change(registry, named("a"), DEREGISTER)
        await change(registry, named("b", ONE))
        wall_clock.now += 1000
        assert names(found(registry, named("*"))) == ["b"]


async def test_a_lease_renewed_often(
    registry: RegistryProvider, host: Host, wall_clock: WallClock
) -> None:
    """However often a lease was renewed, it ends by the last renewal and counts once."""
    async with registry.running(host):
        for _ in range(80):
            wall_clock.now += 1
            await change(registry, named("a", ONE), ttl=100.0, limit=1)
        wall_clock.now += 99
        assert names(found(registry, named("*"))) == ["a"]
        with pytest.raises(NotEnoughMemory):
            await change(registry, named("b", ONE), limit=1)
        wall_clock.now += 1
        await change(registry, named("b", ONE), limit=1)
        assert names(found(registry, named("*"))) == ["b"]


async def test_the_limit_counts_what_exists(
    registry: RegistryProvider, host: Host, wall_clock: WallClock
) -> None:
    """Registrations that are over count no more, however many they were."""
    async with registry.running(host):
        leased = [f"leased-{index}" for index in range(150)]
        bound = [f"bound-{index}" for index in range(150)]
        await register_all(registry, leased, ttl=1.0, limit=300)
        await register_all(registry, bound, session=1, limit=300)
        wall_clock.now += 1
        registry.session_ended(1)
        await register_all(registry, [f"new-{index}" for index in range(300)], limit=300)
        with pytest.raises(NotEnoughMemory):
            await change(registry, named("one more", ONE), limit=300)


async def test_the_limit_does_not_wait_for_the_sweep(
    registry: RegistryProvider, host: Host, wall_clock: WallClock
) -> None:
    """A lapsed lease counts no more, even behind many others that are still to be freed."""
    async with registry.running(host):
        await change(registry, named("leased", ONE), ttl=1.0, limit=1)
        bound = [f"bound-{index}" for index in range(300)]
        await register_all(registry, bound, uid=BOB, session=1)
        wall_clock.now += 1
        registry.session_ended(1)
        await change(registry, named("new", ONE), limit=1)
        assert names(found(registry, named("*"))) == ["new"]


async def test_no_preferred_names(registry: RegistryProvider, host: Host) -> None:
    """The registry has no preferred names: asked for them alone, it lists nothing."""
    async with registry.running(host):
        await change(registry, named("printer", ONE))
        flags = ALL | int(LookupFlags.RETURN_PREFERRED_NAMES)
        assert ending(ask(registry, named(None), flags=flags)) == 10108
        assert names(found(registry, named("printer"), flags=flags)) == ["printer"]
