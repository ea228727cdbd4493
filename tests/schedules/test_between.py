"""What comes just in between: the places where a record is on its way, or an End.

A hook at such a place carries out an operation there and then, in the middle of
the daemon's own step: provider woke, Next has not taken the record (before and
after the record is in the lookup); record taken, reply not sent; End accepted,
Next not told. Every combination of place and operation has its own outcome.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from typing import Any

import anyio
import pytest

from nspd.core.lookup import Lookup
from nspd.core.provider import Change, Query, Results
from nspd.server.link import Link
from tests.cases.fakes import FakeProvider, Step, named
from tests.cases.harness import CANCELLED, INVALID_HANDLE, TEST, Client, House, open_house, ticks
from tests.schedules.laboratory import told
from tests.seeded import BACKENDS, check_outcomes, outcomes

SEEDS = range(40)


class Shop(FakeProvider):
    """Serves the one object that it has, as it stands when the provider wakes up."""

    def __init__(self) -> None:
        super().__init__(self._serve, set_service=self._put)
        self.stands = "old"
        self.step = Step()
        self.woke: Callable[[], None] = lambda: None

    async def _serve(self, query: Query, results: Results) -> None:
        await self.step.wait()
        self.woke()
        await results.send(named(self.stands))

    async def _put(self, change: Change) -> None:
        await anyio.lowlevel.checkpoint()
        self.stands = change.registration.service_instance_name or ""


class Scene:
    """One client, one lookup with a Next that waits, and a hook that goes off once."""

    def __init__(self, house: House, shop: Shop, action: str) -> None:
        self.house = house
        self.shop = shop
        self.client: Client = house.connect()
        self.handle = self.client.begin()
        self.next = self.client.next(self.handle)
        self.went_off = False
        self.asked: int | None = None
        self._action = getattr(self, action)

    def hook(self) -> None:
        """Carry out the action, the first time."""
        if not self.went_off:
            self.went_off = True
            self.asked = self._action()

    def end(self) -> int:
        return self.client.end(self.handle)

    def disconnect(self) -> None:
        self.client.vanish()

    def rundown(self) -> int:
        return self.client.send("NSPv2ClientSessionRundown")

    def cleanup(self) -> int:
        return self.client.send("NSPv2Cleanup")

    def set(self) -> int:
        registration = {"namespace": TEST, "service_instance_name": "new"}
        return self.client.send("NSPv2SetServiceEx", registration=registration, operation=0)

    def cancel(self) -> int:
        return self.client.send("$/cancelRequest", {"id": self.next})


def woke(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """The provider has its turn again, and has not yet given its record."""
    scene.shop.woke = scene.hook


def given(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """The record is in the lookup, and the waiting Next has not taken it."""
    pump = Lookup.pump

    def hooked(lookup: Lookup) -> None:
        if lookup.ready:
            scene.hook()
        pump(lookup)

    patch.setattr(Lookup, "pump", hooked)


def taken(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """The Next has taken the record, and its reply is not sent."""
    output_ready = Link.output_ready

    def hooked(link: Link) -> None:
        scene.hook()
        output_ready(link)

    patch.setattr(Link, "output_ready", hooked)


def accepted(scene: Scene, patch: pytest.MonkeyPatch) -> None:
    """An End has taken effect, and the Next has not been told."""
    close = Lookup.close

    def hooked(lookup: Lookup, *args: Any) -> None:
        scene.hook()
        close(lookup, *args)

    patch.setattr(Lookup, "close", hooked)


RECORD, UNHEARD = "old", "nobody hears"

Place = Callable[[Scene, pytest.MonkeyPatch], None]

EXPECTED: dict[tuple[Place, str], tuple[Hashable, Hashable]] = {
    (woke, "end"): (CANCELLED, 0),
    (woke, "disconnect"): (UNHEARD, None),
    (woke, "rundown"): (CANCELLED, 0),
    (woke, "cleanup"): (CANCELLED, 0),
    (woke, "set"): (RECORD, 0),
    (woke, "cancel"): (CANCELLED, 0),
    (given, "end"): (CANCELLED, 0),
    (given, "disconnect"): (UNHEARD, None),
    (given, "rundown"): (CANCELLED, 0),
    (given, "cleanup"): (CANCELLED, 0),
    (given, "set"): (RECORD, 0),
    (given, "cancel"): (CANCELLED, 0),
    (taken, "end"): (RECORD, 0),
    (taken, "disconnect"): (UNHEARD, None),
    (taken, "rundown"): (RECORD, 0),
    (taken, "cleanup"): (RECORD, 0),
    (taken, "set"): (RECORD, 0),
    (taken, "cancel"): (RECORD, 0),
    (accepted, "end"): (CANCELLED, INVALID_HANDLE),
    (accepted, "disconnect"): (UNHEARD, None),
    (accepted, "rundown"): (CANCELLED, 0),
    (accepted, "cleanup"): (CANCELLED, 0),
    (accepted, "set"): (CANCELLED, 0),
    (accepted, "cancel"): (CANCELLED, 0),
}
"""What the Next is told, and what the operation at that place is."""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("place", "action"), EXPECTED, ids=[f"{place.__name__}-{action}" for place, action in EXPECTED]
)
def test_in_between(backend: str, place: Place, action: str) -> None:
    """Cases 66 and 67: one of the two is first, the other leaves no trace, and each is answered."""

    async def scenario(chance: random.Random) -> Hashable:
        shop = Shop()
        with pytest.MonkeyPatch.context() as patch:
            async with open_house(shop) as house:
                scene = Scene(house, shop, action)
                await shop.step.reached.wait()
                place(scene, patch)
                await ticks(chance.randint(0, 3))
                if place is accepted:
                    lookup = house.router.find(scene.handle)
                    assert lookup is not None
                    lookup.end()
                else:
                    shop.step.go()
                await ticks(20)
                assert scene.went_off
                return await what_came_of_it(scene, action)

    check_outcomes(outcomes(backend, scenario, SEEDS), {EXPECTED[place, action]})


async def what_came_of_it(scene: Scene, action: str) -> Hashable:
    """The two outcomes; a record that the Next did not get is the next call's, or nobody's."""
    client = scene.client
    if scene.asked is None:
        assert client.told(scene.next) is None
        return UNHEARD, None
    outcome, code = await told(client, scene.next), await client.code(scene.asked)
    lives_on = action in ("set", "cancel") and scene.handle in {
        handle for session in scene.house.router.sessions for handle in session.lookups
    }
    following = await told(client, client.next(scene.handle))
    if lives_on:
        assert following == (RECORD if outcome == CANCELLED else 10110)
    elif action == "cleanup":
        assert following == 10093
    else:
        assert following == INVALID_HANDLE
    if action == "set":
        scene.shop.step.go()
        again = client.begin()
        assert await client.name(again) == "new"
    return outcome, code
