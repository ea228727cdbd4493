"""The contract of a namespace provider, as tests that its author runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count

from nspd.core.provider import Change, Provider, Query
from nspd.model.queryset import CsAddr, QuerySet
from nspd.testing.bench import Bench, asked, running
from nspd.testing.checks import answering, cancelling, registering, sharing, watching
from nspd.testing.running import run

_numbers = count(1)


class ProviderContract:
    """What `nspd.core.provider` asks of a provider, as a class of tests.

    Subclass it under a name that your test runner takes for a class of tests,
    and say in `make_provider` and `lookups` what is to be tested::

        class TestPhonebook(ProviderContract):
            def make_provider(self):
                return PhonebookProvider(path="phonebook.json")

            def lookups(self):
                return [asked("reception"), asked("*")]

    Each ``test_`` method needs no argument, and no test runner: it raises
    `ContractViolation` with one sentence. All of them run on each of `backends`.
    """

    backends: Sequence[str] = ("asyncio", "trio")
    """The event loops: ``asyncio``, ``uvloop``, ``trio``."""
    stops_within = 1.0
    """Seconds within which a cancelled lookup is over, threads that it waits for included."""
    ends_within = 2.0
    """Seconds after which a lookup that has not ended is taken to wait for something."""
    most_steps = 300
    """Awaits of one lookup at which it is cancelled, one by one."""
    most_sending = 16
    """Records that may wait at once in ``results.send`` (tasks of one lookup that send)."""

    def make_provider(self) -> Provider:
        """A new provider, not yet running. It must not share state with those made before."""
        raise NotImplementedError

    async def prepare(self, provider: Provider) -> None:
        """Called when the provider runs, before it is asked anything."""

    def lookups(self) -> Sequence[Query]:
        """Lookups that find at least one record each; see `nspd.testing.asked`."""
        raise NotImplementedError

    def slow_lookups(self) -> Sequence[Query]:
        """Lookups that wait for long or for ever; only cancelled."""
        return ()

    def without_data(self) -> Sequence[Query]:
        """Lookups of names that exist, but have nothing of the kind asked for."""
        return ()

    def unknown(self) -> Sequence[Query]:
        """Lookups of names that do not exist."""
        return ()

    def watches(self) -> Sequence[Query]:
        """Watches, of a provider that reports changes."""
        return ()

    async def change(self, provider: Provider) -> None:
        """Have something happen of which each of `watches` tells."""

    def new_name(self) -> str:
        """A name that nobody has registered, for a provider that takes registrations."""
        return f"contract-{next(_numbers)}"

    def registration(self, name: str, addresses: tuple[CsAddr, ...] | None) -> QuerySet:
        """What is registered under a name, with these addresses."""
        return QuerySet(service_instance_name=name, addresses=addresses)

    def registered(self, name: str, uid: int) -> Query:
        """The lookup by which a user finds what is registered under a name, and no more."""
        return asked(name, uid=uid)

    def refused_changes(self) -> Sequence[Change]:
        """Registrations that the provider refuses."""
        return ()

    def same(self, one: Sequence[QuerySet], other: Sequence[QuerySet]) -> bool:
        """Whether two lookups of the same found the same; override it where order may differ."""
        return list(one) == list(other)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Bench]:
        """A provider that runs and is prepared."""
        async with running(self.make_provider()) as bench:
            await self.prepare(bench.provider)
            yield bench

    def test_declares_itself(self) -> None:
        """Its members have the types that the catalog shows."""
        self._on_each(answering.declares_itself)

    def test_starts_and_stops(self) -> None:
        """It can be opened and closed again and again, and leaves nothing behind."""
        self._on_each(answering.starts_and_stops)

    def test_answers_at_once(self) -> None:
        """Its plain functions do not block, and its lookup never blocks the event loop."""
        self._on_each(answering.answers_at_once)

    def test_finds(self) -> None:
        """It finds what there is, in records that can be written, and knows what it should."""
        self._on_each(answering.finds)

    def test_bears_odd_queries(self) -> None:
        """Whatever is asked, it ends with records, with none, or with a `WSAError`."""
        self._on_each(answering.bears_odd_queries)

    def test_explains_the_same(self) -> None:
        """A lookup that is to be explained has the same answer and the same sharing key."""
        self._on_each(answering.explains_the_same)

    def test_stops_at_each_step(self) -> None:
        """Cancelled at each of its awaits it stops, leaves nothing, and can be asked again."""
        self._on_each(cancelling.stops_at_each_step)

    def test_stops_at_any_moment(self) -> None:
        """Cancelled from outside, after more and more turns of the event loop, too."""
        self._on_each(cancelling.stops_at_any_moment)

    def test_waits_for_its_reader(self) -> None:
        """A reader that takes nothing holds it up, and can be left at any time."""
        self._on_each(cancelling.waits_for_its_reader)

    def test_outlives_its_neighbour(self) -> None:
        """Of two equal lookups one is cancelled; the other finds everything."""
        self._on_each(cancelling.outlives_its_neighbour)

    def test_sharing_keys_are_sound(self) -> None:
        """Equal lookups have equal keys, and lookups with equal keys find the same (C11)."""
        self._on_each(sharing.keys_are_sound)

    def test_fields_do_not_matter(self) -> None:
        """Which fields a lookup wants is no part of its sharing key."""
        self._on_each(sharing.fields_do_not_matter)

    def test_users_are_equal(self) -> None:
        """What is shared across users does not depend on who asks."""
        self._on_each(sharing.users_are_equal)

    def test_side_by_side(self) -> None:
        """Many lookups at once find what each finds alone."""
        self._on_each(sharing.side_by_side)

    def test_tells_set_and_changes(self) -> None:
        """A watch tells its set, the end of it once, and then changes."""
        self._on_each(watching.tells_set_and_changes)

    def test_keeps_the_table(self) -> None:
        """A register does what the table of SetServiceEx says, row by row."""
        self._on_each(registering.keeps_the_table)

    def test_all_or_nothing(self) -> None:
        """A change that fails has changed nothing; one that is past the limit fails."""
        self._on_each(registering.all_or_nothing)

    def test_keeps_users_apart(self) -> None:
        """What one user registers for himself, another neither finds nor changes."""
        self._on_each(registering.keeps_users_apart)

    def test_lets_go_with_the_session(self) -> None:
        """What is bound to a session goes with it."""
        self._on_each(registering.lets_go_with_the_session)

    def _on_each(self, check: Callable[[ProviderContract], Awaitable[None]]) -> None:
        for backend in self.backends:
            run(backend, check, self)
