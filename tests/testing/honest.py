"""A provider that keeps the contract: a directory of names in memory, with all that there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from nspd.core.provider import Answer, Host, Provider, Query, Results
from nspd.model.errors import InvalidArgument
from nspd.model.flags import ResultFlags
from nspd.model.queryset import QuerySet
from nspd.testing import ProviderContract, asked

FRUIT = ("apple", "banana", "cherry")


class Directory(Provider):
    """Fruit by name; ``*`` lists them, one at a time, with something to wait for in between."""

    kind = "directory"
    namespace = 70_007
    watches = True
    workers = 2

    def __init__(self) -> None:
        super().__init__()
        self.names = list(FRUIT)
        self.changed = anyio.Event()
        self.lock: anyio.Lock
        self.host: Host

    @asynccontextmanager
    async def running(self, host: Host) -> AsyncIterator[None]:
        self.host = host
        self.lock = anyio.Lock()
        yield

    def add(self, name: str) -> None:
        """One fruit more."""
        self.names.append(name)
        self.changed.set()
        self.changed = anyio.Event()

    def answer(self, query: Query) -> Answer | None:
        asked_for = query.restrictions
        if asked_for.query_string is not None:
            raise InvalidArgument("there is no query_string here")
        if asked_for.service_instance_name == "*":
            return None
        name = (asked_for.service_instance_name or "").casefold()
        if name == "tomato":
            return Answer((), known=True)
        return Answer((self.record(name),) if name in self.names else ())

    async def lookup(self, query: Query, results: Results) -> None:
        for name in list(self.names):
            async with self.lock:
                await self.host.run_blocking(len, name)
                await results.send(self.record(name))
        if query.watch:
            await self.report(results)

    async def report(self, results: Results) -> None:
        """The end of the set, and then what is added."""
        results.synced()
        told = len(self.names)
        while True:
            await self.changed.wait()
            for name in self.names[told:]:
                await results.send(self.change(name))
            told = len(self.names)

    def change(self, name: str) -> QuerySet:
        """What a watch is told of a new name."""
        flags = int(ResultFlags.ADDED)
        return msgspec.structs.replace(self.record(name), output_flags=flags)

    def record(self, name: str) -> QuerySet:
        """One fruit."""
        return QuerySet(service_instance_name=name, comment=f"a {name}")

    def sharing_key(self, query: Query) -> Hashable | None:
        return query.restrictions.service_instance_name


class Contract(ProviderContract):
    """What the directory has to show."""

    stops_within = 0.5
    ends_within = 0.2
    most_steps = 12
    made: type[Directory] = Directory

    def make_provider(self) -> Provider:
        return self.made()

    def lookups(self) -> Sequence[Query]:
        return [asked("apple"), asked("Banana"), asked("*")]

    def without_data(self) -> Sequence[Query]:
        return [asked("tomato")]

    def unknown(self) -> Sequence[Query]:
        return [asked("stone")]

    def watches(self) -> Sequence[Query]:
        return [asked("*", watch=True)]

    async def change(self, provider: Provider) -> None:
        await checkpoint()
        assert isinstance(provider, Directory)
        provider.add("damson")
