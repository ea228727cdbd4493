"""`nspd.Explain` of work that lookups share (C11): what is told of it, and to whom."""

from __future__ import annotations

import anyio
import pytest

from nspd.core.provider import Answer, Query, Results
from tests.core.world import Scripted, named
from tests.server.house import House, open_house, until
from tests.server.stories import explain, told, words

pytestmark = pytest.mark.anyio

DNS = 70012


def sharing(gate: anyio.Event) -> Scripted:
    """A provider whose lookups share one run, which notes an attempt and waits."""

    async def body(query: Query, results: Results) -> None:
        if query.story is not None:
            query.story.note("attempt", server="192.0.2.1:53")
        await gate.wait()
        await results.send(named("host.example"))

    return Scripted(body, namespace=DNS, key=lambda query: "same")


async def begun(house: House, number: int) -> None:
    """Wait until so many lookups are under way."""
    await until(lambda: house.router.lookups == number)


async def test_joining_work_under_way_is_told() -> None:
    """C11: who joins learns how many others there are and for how long, and nothing else."""
    gate = anyio.Event()
    async with open_house(sharing(gate)) as house:
        first, other = await house.client(), await house.user()
        one = first.send("nspd.Lookup", restrictions={})
        await begun(house, 1)
        two = other.send("nspd.Explain", restrictions={})
        await begun(house, 2)
        gate.set()
        assert await first.code(one) == 0
        story = (await other.reply(two))["result"]["story"]
    assert words(story, DNS) == ["chosen", "asked", "shared", "first_record", "ended"]
    (shared,) = told(story, "shared")
    assert shared.pop("since") >= 0
    assert shared == {"others": 1, "records": 0, "told": False}
    assert told(story, "ended")[0]["shared_with"] == 1


async def test_the_story_of_shared_work_is_its_users_alone() -> None:
    """Another user's explained work is joined without its story; one's own is told with it."""
    gate = anyio.Event()
    async with open_house(sharing(gate)) as house:
        first, same, other = await house.client(), await house.client(), await house.user()
        calls = []
        for number, client in enumerate((first, same, other), 1):
            calls.append((client, client.send("nspd.Explain", restrictions={})))
            await begun(house, number)
        gate.set()
        stories = [(await client.reply(call))["result"]["story"] for client, call in calls]
    assert [len(told(story, "attempt")) for story in stories] == [1, 1, 0]
    assert [len(told(story, "started")) for story in stories] == [1, 0, 0]
    assert [each["told"] for story in stories for each in told(story, "shared")] == [True, False]
    assert [told(story, "ended")[0]["shared_with"] for story in stories] == [2, 2, 2]
    text = repr(stories[2])
    assert "uid" not in text
    assert "pid" not in text


async def test_the_leader_may_leave() -> None:
    """C11: an explained leader that is cancelled disturbs nobody who joined its work."""
    gate = anyio.Event()
    async with open_house(sharing(gate)) as house:
        leader, follower = await house.client(), await house.client()
        one = leader.send("nspd.Explain", restrictions={})
        await begun(house, 1)
        two = follower.send("nspd.Explain", restrictions={})
        await begun(house, 2)
        await leader.result("$/cancelRequest", id=one)
        assert await leader.code(one) == 10111
        gate.set()
        result = (await follower.reply(two))["result"]
    assert len(result["results"]) == 1
    assert len(told(result["story"], "attempt")) == 1
    assert told(result["story"], "ended")[0]["shared_with"] == 1


async def test_a_plain_lookup_carries_no_story() -> None:
    """Nothing is noted for a lookup that nobody explains, beside an explained one or not."""
    seen: list[bool] = []

    def at_once(query: Query) -> Answer:
        seen.append(query.story is not None)
        return Answer((named("a"),))

    async with open_house(Scripted(at_once=at_once, namespace=DNS)) as house:
        client = await house.client()
        await client.result("nspd.Lookup", restrictions={})
        await explain(client)
        await client.startup()
        await client.result("NSPv2LookupServiceBegin", restrictions={})
    assert seen == [False, True, False]
