"""Providers that are asked by level, through a router."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from nspd.core.at_hand import answer_at_hand
from nspd.core.catalog import Entry
from nspd.core.choice import decide
from nspd.core.lookup import Lookup
from nspd.core.outcome import Failure
from nspd.core.provider import Answer, Change, Provider, Query, Results
from nspd.core.session import Session
from nspd.model import errors
from nspd.model.flags import LookupFlags
from nspd.model.levels import AuthLevel
from nspd.model.namespaces import fixed_guid
from nspd.model.queryset import QuerySet
from tests.core.world import World, named, open_world, until

pytestmark = pytest.mark.anyio

EMAIL = 37
NON_AUTHORITATIVE = int(LookupFlags.NON_AUTHORITATIVE)


class Leveled(Provider):
    """Knows a level for each name; what it answers is the test's to say."""

    kind = "leveled"
    namespace = EMAIL
    registers = True
    leveled = True

    def __init__(
        self,
        identifier: str,
        level: AuthLevel = AuthLevel.NONE,
        *,
        wildcard: bool = True,
        records: int = 1,
        known: bool = False,
        error: errors.WSAError | None = None,
        waits: bool = False,
    ) -> None:
        super().__init__(
            provider_id=fixed_guid(0x1E000 + ord(identifier[0])), identifier=identifier
        )
        self.supports_wildcard = wildcard
        self._level = level
        self._known = known
        self.error = error
        self.gate = anyio.Event()
        if not waits:
            self.gate.set()
        self._records = [named(f"{identifier}-{n}") for n in range(records)]
        self.asked = 0
        self.changes: list[Change] = []

    def level(self, name: str) -> AuthLevel | None:
        return self._level if "@" in name else None

    def answer(self, query: Query) -> Answer | None:
        self.asked += 1
        if self.error is not None and self.gate.is_set():
            raise self.error
        if self.gate.is_set():
            return Answer(tuple(self._records), known=self._known)
        return None

    async def lookup(self, query: Query, results: Results) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        for record in self._records:
            await results.send(record)

    async def set_service(self, change: Change) -> None:
        if self.error is not None:
            raise self.error
        self.changes.append(change)


def primary(identifier: str = "p", **options: Any) -> Leveled:
    """A primary provider that is asked for nothing else."""
    return Leveled(identifier, AuthLevel.PRIMARY, **{"wildcard": False, **options})


def secondary(identifier: str = "s", **options: Any) -> Leveled:
    """A secondary one."""
    return Leveled(identifier, AuthLevel.SECONDARY, **{"wildcard": False, **options})


@asynccontextmanager
async def levels(*providers: Leveled) -> AsyncIterator[tuple[World, Session]]:
    """A router over these providers, and a client."""
    async with open_world(*providers) as world:
        yield world, world.session()


def ask(
    session: Session, name: str | None = "user@example.org", flags: int = 0xFF0, **options: Any
) -> Lookup:
    """Begin a lookup in the namespace with levels."""
    query = QuerySet(service_instance_name=name, namespace=options.pop("namespace", EMAIL))
    return session.begin(query, control_flags=flags, **options)


async def all_of(lookup: Lookup) -> tuple[list[str | None], errors.WSAError]:
    """The names of all records, and the error at the end."""
    names = []
    while True:
        try:
            names.append((await lookup.next()).service_instance_name)
        except errors.WSAError as error:
            return names, error


def outcomes(error: errors.WSAError) -> list[tuple[str, str]]:
    """Who was chosen, in order, and what became of him."""
    return [(verdict.identifier, verdict.outcome) for verdict in error.verdicts]


async def test_the_primary_alone() -> None:
    """A primary with an answer is the only one asked, wherever it stands in the catalog."""
    others = Leveled("w"), secondary()
    async with levels(*others, primary()) as (_, session):
        names, error = await all_of(ask(session))
    assert names == ["p-0"]
    assert outcomes(error) == [("p", "answered"), ("s", "skipped"), ("w", "skipped")]
    assert [other.asked for other in others] == [0, 0]


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("error", [errors.TryAgain("no"), errors.AccessDenied("no"), None])
async def test_moving_on(error: errors.WSAError | None, waits: bool) -> None:
    """A primary that is unavailable or does not know the name gives way to the secondaries."""
    first = primary(error=error, records=0, waits=waits)
    async with levels(Leveled("w"), secondary(), first) as (_, session):
        lookup = ask(session)
        first.gate.set()
        names, end = await all_of(lookup)
    assert names == ["s-0"]
    outcome = "empty" if error is None else "failed"
    assert outcomes(end) == [("p", outcome), ("s", "answered"), ("w", "skipped")]


async def test_known_without_data_is_an_answer() -> None:
    """A primary that knows the name, but has nothing of the kind, is not overruled."""
    async with levels(primary(records=0, known=True), Leveled("w")) as (_, session):
        names, end = await all_of(ask(session))
    assert (names, end.code) == ([], errors.WSANO_DATA)
    assert outcomes(end) == [("p", "empty"), ("w", "skipped")]


async def test_nobody_knows() -> None:
    """When all have been asked in vain, the last failure counts, as it does elsewhere."""
    refusing = secondary(error=errors.TryAgain("no"))
    async with levels(primary(records=0), refusing, Leveled("w", records=0)) as (_, session):
        _, end = await all_of(ask(session))
    assert end.code == errors.WSATRY_AGAIN
    assert outcomes(end) == [("p", "empty"), ("s", "failed"), ("w", "empty")]


async def test_all_are_asked() -> None:
    """LUP_NON_AUTHORITATIVE asks all of them at once; verdicts keep the order of the levels."""
    slow = primary(waits=True)
    async with levels(Leveled("w"), secondary(), slow) as (_, session):
        lookup = ask(session, flags=0xFF0 | NON_AUTHORITATIVE)
        assert [(await lookup.next()).service_instance_name for _ in range(2)] == ["s-0", "w-0"]
        slow.gate.set()
        names, end = await all_of(lookup)
    assert names == ["p-0"]
    assert [identifier for identifier, _ in outcomes(end)] == ["p", "s", "w"]


async def test_two_primaries() -> None:
    """The first in the catalog counts; the other's claim is ignored."""
    async with levels(primary("p", records=0), primary("q")) as (_, session):
        names, end = await all_of(ask(session))
    assert names == []
    assert outcomes(end) == [("p", "empty")]


async def test_neither_level_nor_wildcard() -> None:
    """Without a provider for the domain, the namespace has none to ask (10108)."""
    async with levels(Leveled("n", wildcard=False)) as (_, session):
        with pytest.raises(errors.ServiceNotFound):
            ask(session)


async def test_other_namespaces_do_not_wait() -> None:
    """Under NS_ALL the levels hold among their own; others are asked beside them."""
    hosts = Leveled("h", records=1)
    hosts.leveled, hosts.namespace = False, 11
    slow = primary(waits=True)
    async with levels(slow, hosts, Leveled("w")) as (_, session):
        lookup = ask(session, namespace=0)
        assert (await lookup.next()).service_instance_name == "h-0"
        slow.gate.set()
        names, end = await all_of(lookup)
    assert names == ["p-0"]
    assert outcomes(end) == [("p", "answered"), ("h", "answered"), ("w", "skipped")]


async def test_a_name_of_no_level() -> None:
    """Under NS_ALL a name that is none of the namespace's asks none of its providers."""
    other = Leveled("h")
    other.leveled, other.namespace = False, 11
    mail = Leveled("w"), Leveled("x")
    async with levels(*mail, other) as (_, session):
        names, end = await all_of(ask(session, "printer", namespace=0))
        assert (names, outcomes(end)) == (["h-0"], [("h", "answered")])
        names, _ = await all_of(ask(session, "printer"))
        assert names == ["w-0"]


async def test_no_name_asks_in_catalog_order() -> None:
    """Without a name there is no domain to have a level for."""
    async with levels(Leveled("w"), primary()) as (_, session):
        names, end = await all_of(ask(session, None))
    assert names == ["w-0"]
    assert outcomes(end) == [("w", "answered"), ("p", "skipped")]


async def test_policy_first() -> None:
    """Policy "first" goes by level too, and asks no second one even for NON_AUTHORITATIVE."""
    async with levels(Leveled("w"), primary()) as (_, session):
        lookup = ask(session, flags=0xFF0 | NON_AUTHORITATIVE, policy="first")
        names, end = await all_of(lookup)
    assert names == ["p-0"]
    assert outcomes(end) == [("p", "answered"), ("w", "skipped")]


async def test_a_provider_by_its_guid() -> None:
    """Asked for by GUID, a provider is asked whatever its level."""
    async with levels(primary(), only := Leveled("n", wildcard=False)) as (_, session):
        names, _ = await all_of(ask(session, provider_id=only.provider_id))
    assert names == ["n-0"]


async def test_end_while_the_primary_waits() -> None:
    """End stops the one that is being asked; the next is never asked (Case 51)."""
    following = Leveled("w")
    async with levels(primary(waits=True), following) as (_, session):
        lookup = ask(session)
        await until(lambda: lookup.parts[0].run is not None and lookup.parts[0].run.working)
        ending = lookup.end()
        await until(lambda: ending.work is not None)
        assert ending.work == "stopped"
    assert following.asked == 0


async def test_disabling_moves_on() -> None:
    """A primary that is switched off while it is asked gives way to the next (C10)."""
    first = primary(waits=True)
    async with levels(first, Leveled("w")) as (world, session):
        lookup = ask(session)
        world.router.enable_provider(first.provider_id, False)
        names, end = await all_of(lookup)
    assert names == ["w-0"]
    assert outcomes(end) == [("p", "cancelled"), ("w", "answered")]


async def test_at_hand_in_one_step() -> None:
    """A whole lookup in one step does not pass over the levels."""
    async with levels(Leveled("w"), primary()) as (world, session):
        query = QuerySet(service_instance_name="user@example.org", namespace=EMAIL)
        assert answer_at_hand(world.router, session, query, 0xFF0, None, "all") is None


async def register(world: World, session: Session, **options: Any) -> Failure | None:
    """Register an address; how that ended."""
    ended: list[Failure | None] = []
    entry = QuerySet(
        service_instance_name="user@example.org", namespace=options.pop("namespace", EMAIL)
    )
    world.router.set_service(session, entry, 0, done=ended.append, **options)
    await until(lambda: ended)
    return ended[0]


async def test_registering() -> None:
    """The primary takes the registration, and nobody else."""
    others = Leveled("w"), secondary()
    async with levels(*others, first := primary()) as (world, session):
        assert await register(world, session) is None
    assert len(first.changes) == 1
    assert [other.changes for other in others] == [[], []]


async def test_registering_moves_on() -> None:
    """What the primary cannot register, the next one does; others under NS_ALL do as well."""
    elsewhere = Leveled("r")
    elsewhere.leveled, elsewhere.namespace = False, 65536
    first = primary(error=errors.TryAgain("no"))
    second, last = secondary(), Leveled("w")
    async with levels(last, elsewhere, second, first) as (world, session):
        assert await register(world, session, namespace=0) is None
    assert len(second.changes) == len(elsewhere.changes) == 1
    assert last.changes == []


async def test_turns_are_told() -> None:
    """An explanation says whose turn came when, and who has no level for the name."""
    providers = [Leveled("w"), Leveled("n", wildcard=False), primary(), primary("q")]
    entries = [Entry(provider) for provider in providers]
    choices = decide(entries, None, EMAIL, "user@example.org")
    told = [(choice.entry.identifier, choice.asked, choice.rule, choice.turn) for choice in choices]
    assert told == [
        ("w", True, "namespace", 2),
        ("n", False, "no_level", None),
        ("p", True, "namespace", 1),
        ("q", False, "no_level", None),
    ]


async def test_a_refusal_that_counts() -> None:
    """Under NS_ALL, a provider whose names are others is not heard on why a name was refused."""
    full = Leveled("r", error=errors.NotEnoughMemory("full"))
    full.leveled, full.namespace = False, 65536
    mail = Leveled("m", error=errors.InvalidArgument("no address"))
    async with levels(full, mail) as (world, session):
        printer = QuerySet(service_instance_name="printer")
        ended: list[Failure | None] = []
        world.router.set_service(session, printer, 0, done=ended.append)
        await until(lambda: ended)
        assert ended[0] is not None
        assert ended[0].code == errors.WSA_NOT_ENOUGH_MEMORY
