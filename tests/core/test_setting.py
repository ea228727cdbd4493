"""SetServiceEx: one at a time, in order, to its end."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from nspd.core.outcome import Failure
from nspd.core.provider import Change
from nspd.core.session import Session
from nspd.core.users import Peer
from nspd.model import errors
from nspd.model.queryset import QuerySet, weight
from tests.core.world import ALICE, SCRIPTED, Scripted, World, named, open_world, until

pytestmark = pytest.mark.anyio


class Store(Scripted):
    """Takes registrations; each waits for its turn at the gate, and fails if told to."""

    kind = "store"
    registers = True

    def __init__(self, namespace: int = SCRIPTED, error: Exception | None = None) -> None:
        super().__init__(namespace=namespace)
        self.gate: anyio.Event | None = None
        self._error = error

    async def set_service(self, change: Change) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self._error is not None:
            raise self._error
        await super().set_service(change)


class Done:
    """Takes the outcomes of changes."""

    def __init__(self) -> None:
        self.outcomes: list[Failure | None] = []

    def __call__(self, failure: Failure | None) -> None:
        self.outcomes.append(failure)


def change(world: World, session: Session, name: str = "n", **options: Any) -> Done:
    """Ask for a registration."""
    done = Done()
    operation = options.pop("operation", 0)
    registration = options.pop("registration", named(name))
    world.router.set_service(session, registration, operation, done=done, **options)
    return done


async def test_changes_of_one_client_come_in_order() -> None:
    """The next change begins when the one before is through."""
    store = Store()
    async with open_world(store) as world:
        session = world.session()
        store.gate = anyio.Event()
        done = [change(world, session, f"n{number}") for number in range(3)]
        await until(lambda: world.router.work.running == 1)
        assert [d.outcomes for d in done] == [[], [], []]
        store.gate.set()
        await until(lambda: done[2].outcomes)
        assert [d.outcomes for d in done] == [[None]] * 3
        names = [c.registration.service_instance_name for c in store.changes]
        assert names == ["n0", "n1", "n2"]


async def test_changes_are_counted_until_they_are_done() -> None:
    """What waits to be changed is charged to its user, and given back change by change."""
    store = Store()
    async with open_world(store) as world:
        session = world.session()
        store.gate = anyio.Event()
        done = [change(world, session, f"n{number}") for number in range(3)]
        each = weight(named("n0"))
        assert (session.changes_held, session.user.bytes) == (3 * each, 3 * each)
        store.gate.set()
        await until(lambda: done[2].outcomes)
        assert (session.changes_held, session.user.bytes) == (0, 0)


async def test_a_client_that_leaves_does_not_stop_its_change() -> None:
    """A change under way runs to its end; what was bound to the session is forgotten after it."""
    store = Store()
    async with open_world(store) as world:
        session = world.session()
        number = session.id
        store.gate = anyio.Event()
        done = change(world, session, lifetime="session")
        await until(lambda: world.router.work.running == 1)
        session.close()
        assert store.ended_sessions == [number]
        store.gate.set()
        await until(lambda: done.outcomes)
        assert (len(store.changes), store.changes[0].session) == (1, number)
        assert store.ended_sessions == [number, number]


async def test_rundown_lets_a_change_complete() -> None:
    """A Rundown ends lookups; a SetServiceEx under way completes."""
    store = Store()
    async with open_world(store) as world:
        session = world.session()
        store.gate = anyio.Event()
        done = change(world, session)
        session.rundown(lambda: None)
        store.gate.set()
        await until(lambda: done.outcomes)
        assert done.outcomes == [None]


@pytest.mark.parametrize(
    ("error", "code"), [(errors.NotEnoughMemory("full"), 8), (ZeroDivisionError(), 10107)]
)
async def test_a_provider_that_fails(error: Exception, code: int) -> None:
    """A failure is the answer: the provider's code, or 10107 for what nobody planned."""
    async with open_world(Store(error=error)) as world:
        world.log.announced.add("registration failed")
        done = change(world, world.session())
        await until(lambda: done.outcomes)
        (failure,) = done.outcomes
        assert failure is not None
        assert failure.code == code


async def test_success_if_one_of_several_succeeded() -> None:
    """NS_ALL asks every provider that registers; one success is success."""
    refusing, taking = Store(error=errors.AccessDenied("no")), Store(namespace=70002)
    async with open_world(refusing, taking, Scripted(namespace=70003)) as world:
        session = world.session()
        everywhere, nowhere = (
            change(world, session),
            change(world, session, registration=named("n", namespace=SCRIPTED)),
        )
        await until(lambda: nowhere.outcomes)
        assert everywhere.outcomes == [None]
        assert nowhere.outcomes == [Failure(10013, "no")]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"operation": 3}, 10045),
        ({"operation": -1}, 10045),
        ({"control_flags": 2}, 10022),
        ({"registration": QuerySet()}, 10022),
        ({"registration": named("")}, 10022),
        ({"registration": named("n", blob=b"x" * 65537)}, 10022),
        ({"registration": named("n", namespace=70003)}, 10045),
        ({"registration": named("n", namespace=9)}, 10108),
        ({"visibility": "machine"}, 10013),
    ],
    ids=str,
)
async def test_refused_at_once(options: dict[str, Any], code: int) -> None:
    """A faulty change is refused before anything is asked (Case 107, 113)."""
    store = Store()
    async with open_world(store, Scripted(namespace=70003)) as world:
        session = world.session()
        with pytest.raises(errors.WSAError) as refused:
            change(world, session, **options)
        assert refused.value.code == code
        assert store.changes == []


async def test_the_change_says_who_and_how() -> None:
    """A provider learns the user, his rights and limit, and to what the entry is bound."""
    store = Store()
    async with open_world(store) as world:
        plain, root = world.session(), world.session(0, administrator=True)
        first = change(world, plain, control_flags=1, ttl=5.0, lifetime="session")
        await until(lambda: first.outcomes)
        second = change(world, root, visibility="machine", operation=2)
        await until(lambda: second.outcomes)
        assert store.changes == [
            Change(
                registration=named("n"),
                operation=0,
                multiple=True,
                uid=ALICE,
                session=plain.id,
                ttl=5.0,
                limit=100_000,
            ),
            Change(registration=named("n"), operation=2, machine=True, uid=0, administrator=True),
        ]


@pytest.mark.parametrize("lifetime", ["session", "permanent"])
async def test_a_change_that_is_done_ends_no_session(lifetime: str) -> None:
    """What was bound to a session that lives is kept, and so is what is bound to none."""
    store = Store()
    async with open_world(store) as world:
        done = change(world, world.session(), lifetime=lifetime)
        await until(lambda: done.outcomes)
        assert store.ended_sessions == []


async def test_who_may_not_register() -> None:
    """Without `access.register` every change is 10013."""
    async with open_world(Store()) as world:
        session = world.router.open_session(Peer(ALICE, may_register=False))
        session.startup(1, "", False)
        with pytest.raises(errors.AccessDenied):
            change(world, session)


async def test_success_although_a_later_one_crashes() -> None:
    """One that made the change is success, whatever becomes of the others; the crash is logged."""
    taking, crashing = Store(), Store(namespace=70002, error=ZeroDivisionError())
    last = Store(namespace=70003)
    async with open_world(taking, crashing, last) as world:
        world.log.announced.add("registration failed")
        done = change(world, world.session())
        await until(lambda: done.outcomes)
        assert done.outcomes == [None]
        assert (len(taking.changes), len(last.changes)) == (1, 1)
        assert ("error", "registration failed") in world.log.entries


class Strayed(Store):
    """Awaits something that somebody else cancels (C15)."""

    async def set_service(self, change: Change) -> None:
        stray: BaseException | None = None
        with anyio.CancelScope() as scope:
            scope.cancel()
            try:
                await anyio.lowlevel.checkpoint()
            except anyio.get_cancelled_exc_class() as cancelled:
                stray = cancelled
        assert stray is not None
        raise stray


async def test_success_although_one_is_struck_by_a_stray_cancellation() -> None:
    """A cancellation that is nobody's is that provider's failure, and of no other."""
    last = Store(namespace=70003)
    async with open_world(Store(), Strayed(namespace=70002), last) as world:
        world.log.announced.add("registration failed")
        session = world.session()
        everywhere = change(world, session)
        there = change(world, session, registration=named("n", namespace=70002))
        await until(lambda: there.outcomes)
        assert everywhere.outcomes == [None]
        assert len(last.changes) == 1
        (failure,) = there.outcomes
        assert failure is not None
        assert failure.code == 10107
