"""Looking again before going to sleep."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import anyio
import pytest
from anyio.lowlevel import checkpoint

from nspd.core.sweeper import SLICE
from nspd.server.lingering import Lingering
from nspd.server.poller import READ, Poller
from tests.server.house import open_house, until


def nothing() -> list[int]:
    """Nobody asks."""
    return []


def looks(lingering: Lingering, chances: int) -> list[bool]:
    """At which of so many chances it looks, in vain."""
    taken = []
    for _ in range(chances):
        taken.append(lingering.is_due)
        if taken[-1]:
            assert lingering.look(nothing) == []
    return taken


def test_looks_in_vain_become_rare() -> None:
    """One chance is passed over after the first, then 3, 7, 15, 31, and 63 from then on."""
    taken = looks(Lingering(), 350)
    at = [number for number, looked in enumerate(taken) if looked]
    passed = [later - earlier - 1 for earlier, later in pairwise(at)]
    assert passed == [1, 3, 7, 15, 31, 63, 63, 63, 63]


def test_what_came_makes_it_look_again() -> None:
    """Each chance is taken, and one look in vain costs one chance."""
    lingering = Lingering()
    looks(lingering, 200)
    while not lingering.is_due:
        pass
    assert lingering.look(lambda: [1, 2]) == [1, 2]
    assert looks(lingering, 4) == [True, False, True, False]


def test_it_waits_for_what_comes_a_little_later() -> None:
    """It asks more than once."""
    answers = iter([[], [], [7]])
    assert Lingering().look(lambda: next(answers)) == [7]


class Client:
    """A client that asks again in the very step in which it is answered, so many times."""

    def __init__(
        self, poller: Poller, requests: int, watch: Watch, *, answered: bool = True
    ) -> None:
        self._poller = poller
        self._watch = watch
        self._left = requests
        self._answered = answered
        self._ours, self._theirs = socket.socketpair()
        self.served: list[int] = []
        """The event loop's turn in which each request was served."""
        self.turn = 0
        """The event loop's turn."""
        self.soon = False
        """Whether each request leaves something to be done soon."""
        self.works = False
        """Whether each request starts work, whose first step is the event loop's."""
        self.tasks = Tasks(self)
        poller.tasks = self.tasks

    def ask(self) -> None:
        """Send the next request, if there is one."""
        if self._left:
            self._left -= 1
            self._theirs.send(b"x")

    def read(self, events: int) -> None:
        """Take a request."""
        self._ours.recv(1)
        self._poller.after_reading(self)

    def carry_out(self) -> None:
        """Carry it out."""
        self.served.append(self.turn)
        self._watch.passes()
        if self.soon:
            self._poller.call_soon(lambda: None)
        self._poller.before_waiting(self)

    def send(self) -> bool:
        """Answer it."""
        self.ask()
        return self._answered

    def failed(self) -> None:
        """Never happens."""
        raise AssertionError

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve it, and count the loop's turns."""

        async def count() -> None:
            while True:
                self.turn += 1
                await checkpoint()

        async with anyio.create_task_group() as tasks:
            self._poller.register(self._ours.fileno(), READ, self.read)
            tasks.start_soon(self._poller.run)
            tasks.start_soon(count)
            yield
            tasks.cancel_scope.cancel()
        self._poller.unregister(self._ours.fileno())

    def close(self) -> None:
        """Hang up."""
        self._ours.close()
        self._theirs.close()


class Tasks:
    """The tasks that a client's requests have started."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.running = 0
        """Those of earlier requests."""

    @property
    def started(self) -> int:
        """One for each request, if they start work."""
        return len(self._client.served) if self._client.works else 0


class Watch:
    """The poller's clock, by which each request takes so long."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, each: float) -> None:
        self._each = each
        self._now = 0.0
        monkeypatch.setattr("nspd.server.poller.perf_counter", lambda: self._now)

    def passes(self) -> None:
        """A request is carried out."""
        self._now += self._each


Serve = Callable[..., Awaitable[list[int]]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Serves so many requests, of which each takes so many seconds; the loop's turn for each."""

    async def served(
        requests: int,
        each: float,
        *,
        answered: bool = True,
        soon: bool = False,
        works: bool = False,
        running: int = 0,
    ) -> list[int]:
        poller = Poller()
        client = Client(poller, requests, Watch(monkeypatch, each), answered=answered)
        client.soon = soon
        client.works = works
        client.tasks.running = running
        try:
            async with client.running():
                client.ask()
                await until(lambda: len(client.served) == requests)
        finally:
            client.close()
            poller.close()
        return client.served

    return served


@pytest.mark.anyio
async def test_who_asks_again_at_once_is_served_in_the_same_turn(serve: Serve) -> None:
    """The event loop is not asked in between."""
    assert len(set(await serve(10, 10e-6))) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(("running", "fewest"), [(1, 5), (0, 20)])
async def test_who_never_stops_asking_leaves_the_loop_its_turns(
    running: int, fewest: int, serve: Serve
) -> None:
    """After half a millisecond, whatever is there by then; or two, if no task needs the loop."""
    turns = await serve(200, 100e-6, running=running)
    most = max(turns.count(turn) for turn in turns)
    longest = 2 * (fewest + 1)  # trio may count twice, or not at all, between two turns
    assert fewest <= most <= longest


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("each", "options"),
    [
        pytest.param(5e-3, {}, id="a turn that took long by itself, as that of a large batch"),
        pytest.param(0, {"answered": False}, id="who has no reply yet waits for a task"),
        pytest.param(0, {"soon": True}, id="something is to be done soon"),
        pytest.param(0, {"works": True}, id="work that was begun has not taken its first step"),
    ],
)
async def test_the_loop_comes_first(serve: Serve, each: float, options: dict[str, bool]) -> None:
    """Nobody is lingered for then: each request is served in a turn of its own."""
    assert len(set(await serve(10, each, **options))) >= 5  # see above


@pytest.mark.anyio
async def test_the_daemon_counts_work_and_sweeps_as_tasks() -> None:
    """While either is under way, the event loop gets its turn sooner."""
    async with open_house() as house:
        tasks, router = house.server.poller.tasks, house.router
        client = await house.client()
        await client.startup()
        assert (tasks.running, tasks.started) == (0, 0)
        for count in range(1, 4):
            await client.begin("records=0&hang=1")
            assert (tasks.running, tasks.started) == (count, count)
        finite = [await client.begin("records=1") for _ in range(SLICE + 1)]
        await until(lambda: tasks.running == 3)
        (session,) = router.sessions
        assert session.lookups.keys() >= {*finite}
        session.rundown(lambda: None)
        assert not router.sweeper.idle
        assert tasks.running == router.work.running + 1
        await until(lambda: tasks.running == 0)
