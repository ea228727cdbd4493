"""End before the first, second, ... step that any task takes, until the lookup completes.

For every provider that we ship, in the whole server. Wherever End strikes, the
calls are answered at once, what the client has is the beginning of what there
was, and nothing is left: no task, no timer, no byte charged, no shared run (the
house checks these), no descriptor, no thread.
"""

from __future__ import annotations

import os
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import anyio
import pytest

from nspd.core.provider import Provider, Query, Results
from nspd.providers.registry import RegistryProvider
from tests.backends import REAL_TIME, backend
from tests.cases.harness import (
    ALICE,
    CANCELLED,
    INVALID_HANDLE,
    NO_MORE,
    NOT_FOUND,
    REGISTRY,
    TEST,
    Client,
    Reply,
    code_of,
    open_house,
    until,
)
from tests.schedules.subjects import SUBJECTS, Subject
from tests.stepping import Strike, every_step

pytestmark = [pytest.mark.anyio, REAL_TIME]

MOST_STEPS = 400
"""More than any lookup here takes; reaching it is a failure of the sweep."""

LONG = 15.0
"""An ``end_grace`` that a busy machine does not use up."""

SPARE_THREADS = 2
"""Threads that an event loop keeps for further work."""


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The event loop, in real time: there are sockets and threads."""
    return backend(request.param)


def descriptors() -> int:
    """Descriptors that are open."""
    return len(os.listdir("/proc/self/fd"))


def threads() -> tuple[int, int]:
    """Threads that providers had for their blocking calls, and other ones.

    The former stay for some seconds, one for each daemon that ran one call at a time.
    """
    names = [thread.name for thread in threading.enumerate()]
    workers = names.count("nspd-worker")
    return workers, len(names) - workers


class Reader:
    """Reads a lookup to its end; it may be ended meanwhile."""

    def __init__(self, client: Client, handle: int, subject: Subject) -> None:
        self._client = client
        self._handle = handle
        self._subject = subject
        self.names: list[str] = []
        self.code: int | None = None
        self._synced = not subject.watch
        self._call = client.next(handle)
        client.on_reply = self._told
        if (reply := client.told(self._call)) is not None:
            self._told(reply)

    def _told(self, reply: Reply) -> None:
        if reply["id"] != self._call:
            return
        code = code_of(reply)
        if code == 0:
            self.names.append(reply["result"]["service_instance_name"])
        elif code == NO_MORE and not self._synced:
            self._synced = True
        else:
            self.code = code
            return
        self._call = self._client.next(self._handle)
        if (following := self._client.told(self._call)) is not None:
            self._told(following)

    @property
    def through(self) -> bool:
        """Whether it has all that there is to read, or of a watch as much as matters here."""
        return self.code is not None or (
            self._subject.watch and len(self.names) >= len(self._subject.names)
        )


async def end_at(step: int, subject: Subject, provider: Any) -> bool:
    """End a lookup before one step; whether so many were taken at all."""
    strike = Strike(step)
    with every_step(strike):
        async with open_house(provider, end_grace=LONG) as house:
            client = house.connect(ALICE)
            asked = client.begin_query(subject.query, watch=subject.watch)
            handle: int = client.now(asked)["result"]["lookup"]
            ends: list[int] = []
            strike.begin(lambda: ends.append(client.end(handle)))
            reader = Reader(client, handle, subject)
            subject.meanwhile(house)
            await until(lambda: reader.through)
            if not strike.struck:
                strike.struck = True
                ends.append(client.end(handle))
                await until(lambda: reader.code is not None)
                completed = True
            else:
                completed = False
            end = await client.result(ends[0])
            assert end["work"] in ("none", "stopped")
            # A watch goes on until its End, which a busy machine may delay.
            names = reader.names[: len(subject.names)] if subject.watch else reader.names
            assert names == subject.names[: len(names)]
            if completed:
                assert names == subject.names
            else:
                assert reader.code in (CANCELLED, INVALID_HANDLE, subject.code)
            await until(lambda: house.router.work.running == 0)
    return not completed


@pytest.mark.parametrize("name", SUBJECTS)
async def test_end_at_every_await(name: str, tmp_path: Path) -> None:
    """Wherever End strikes a provider, nothing is left behind, and nobody is told too much."""
    subject = SUBJECTS[name]
    step = 0
    before, (workers, others) = descriptors(), threads()
    taken = True
    while taken:
        with subject.make(tmp_path) as provider:
            taken = await end_at(step, subject, provider)
        step += 1
        assert step < MOST_STEPS
        # A file that a thread reads is closed by the thread, which may come a little later.
        await until(lambda: descriptors() <= before)
    assert step >= 2
    workers_now, others_now = threads()
    assert workers_now <= workers + step
    assert others_now <= others + SPARE_THREADS


class Leaking(Provider):
    """Forgets to close what it has opened, if it is cancelled at its second await."""

    kind = "leaking"
    namespace = TEST

    def __init__(self) -> None:
        super().__init__()
        self.opened: tuple[int, ...] = ()

    async def lookup(self, query: Query, results: Results) -> None:
        await anyio.lowlevel.checkpoint()
        self.opened = os.pipe()
        await anyio.lowlevel.checkpoint()
        self.close()

    def close(self) -> None:
        """Close it after all."""
        opened, self.opened = self.opened, ()
        for descriptor in opened:
            os.close(descriptor)


async def test_a_leak_is_found() -> None:
    """A provider that leaks at one await only has its leak seen, at some step of the sweep."""
    subject = Subject(
        lambda directory: nullcontext(Leaking()), {"namespace": TEST}, [], code=NOT_FOUND
    )
    before = descriptors()
    leaks = []
    for step in range(12):
        leaking = Leaking()
        await end_at(step, subject, leaking)
        leaks.append(descriptors() - before)
        leaking.close()
    assert 2 in leaks
    assert 0 in leaks


@pytest.mark.parametrize("how", ["vanish", "rundown", "cleanup"])
@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_a_change_at_every_await(store: str, how: str, tmp_path: Path) -> None:
    """Case 114: wherever its client leaves, a SetServiceEx is carried out to its end."""
    step = 0
    before, (workers, others) = descriptors(), threads()
    taken = True
    while taken:
        path = "memory" if store == "memory" else f"sqlite:{tmp_path / f'{step}.db'}"
        taken = await leave_at(step, RegistryProvider(store=path), how)
        step += 1
        assert step < MOST_STEPS
        # A file that a thread reads is closed by the thread, which may come a little later.
        await until(lambda: descriptors() <= before)
    assert step >= 2
    workers_now, others_now = threads()
    assert workers_now <= workers + step
    assert others_now <= others + SPARE_THREADS


async def leave_at(step: int, registry: RegistryProvider, how: str) -> bool:
    """Leave before one step of a change; whether so many were taken at all."""
    strike = Strike(step)
    with every_step(strike):
        async with open_house(registry) as house:
            client, other = house.connect(ALICE), house.connect(ALICE)
            asked = client.register("n", "192.0.2.1")
            strike.begin(
                client.vanish
                if how == "vanish"
                else lambda: client.send(
                    "NSPv2Cleanup" if how == "cleanup" else "NSPv2ClientSessionRundown"
                )
            )
            await until(lambda: house.router.work.running == 0)
            completed = not strike.struck
            strike.struck = True
            if how != "vanish" or completed:
                assert await client.code(asked) == 0
            query = {"namespace": REGISTRY, "service_instance_name": "n"}
            found = await other.result(other.begin_query(query))
            assert await other.name(found["lookup"]) == "n"
            await anyio.lowlevel.checkpoint()
    return not completed
