"""Providers whose every step is in the test's hands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from nspd.core.provider import Answer, Change, Provider, Query, Results
from nspd.model.namespaces import Namespace, fixed_guid
from nspd.model.queryset import QuerySet


def named(name: str) -> QuerySet:
    """A record that is just a name."""
    return QuerySet(service_instance_name=name)


class FakeProvider(Provider):
    """A provider of the test namespace made of functions; it counts and remembers its calls."""

    kind = "fake"
    namespace = Namespace.TEST

    def __init__(
        self,
        lookup: Callable[[Query, Results], Awaitable[None]] | None = None,
        *,
        answer: Callable[[Query], Answer | None] | None = None,
        set_service: Callable[[Change], Awaitable[None]] | None = None,
        number: int = 0,
        namespace: int | None = None,
    ) -> None:
        super().__init__(
            provider_id=fixed_guid(0xFA00 + number),
            identifier=f"fake{number}",
            namespace=namespace,
        )
        self._lookup = lookup
        self._answer = answer
        self._set_service = set_service
        self.registers = set_service is not None
        self.queries: list[Query] = []
        self.started = 0
        self.cancelled = 0
        self.stopped = 0

    def answer(self, query: Query) -> Answer | None:
        self.queries.append(query)
        return None if self._answer is None else self._answer(query)

    async def lookup(self, query: Query, results: Results) -> None:
        self.started += 1
        try:
            if self._lookup is not None:
                await self._lookup(query, results)
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        finally:
            self.stopped += 1

    async def set_service(self, change: Change) -> None:
        assert self._set_service is not None
        await self._set_service(change)


class Step:
    """A place where a provider waits until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = anyio.Event()
        self._go = anyio.Event()

    async def wait(self) -> None:
        """For the provider: say that the place is reached, and wait."""
        self.reached.set()
        await self._go.wait()

    def go(self) -> None:
        """For the test: let it go on; its next step comes later."""
        self._go.set()
