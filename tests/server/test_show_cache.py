"""`nspd.ShowCache`: what providers have cached, for those who may see it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from nspd.core.provider import CacheEntry
from nspd.model.namespaces import fixed_guid
from tests.core.world import Scripted
from tests.server.house import open_house

pytestmark = pytest.mark.anyio

DNS, OTHER = 70012, 70013


class Caching(Scripted):
    """A provider with something in its cache."""

    def cache_entries(self, name: str | None = None) -> Iterable[CacheEntry]:
        for number in range(3):
            if name in (None, f"n{number}"):
                yield CacheEntry(
                    name=f"n{number}", type="A", kind="answer", ttl=9.5, records=("r",)
                )


async def test_show_cache() -> None:
    """An administrator sees what is cached, all of it or one name, up to the limit."""
    async with open_house(Caching(namespace=DNS), Scripted(namespace=OTHER)) as house:
        client = await house.client()
        whole = await client.result("nspd.ShowCache")
        assert [each["name"] for each in whole["entries"]] == ["n0", "n1", "n2"]
        assert whole["complete"] is True
        assert whole["entries"][0] == {
            "provider_id": fixed_guid(DNS),
            "identifier": "scripted",
            "name": "n0",
            "type": "A",
            "kind": "answer",
            "ttl": 9.5,
            "records": ["r"],
        }
        one = await client.result("nspd.ShowCache", name="n1")
        assert ([each["name"] for each in one["entries"]], one["complete"]) == (["n1"], True)
        few = await client.result("nspd.ShowCache", limit=2)
        assert ([each["name"] for each in few["entries"]], few["complete"]) == (["n0", "n1"], False)
        exact = await client.result("nspd.ShowCache", limit=3)
        assert (len(exact["entries"]), exact["complete"]) == (3, True)


async def test_only_administrators_see_the_cache() -> None:
    """A cache tells what others look up: for anybody else it is 10013."""
    async with open_house(Caching(namespace=DNS)) as house:
        user = await house.user()
        assert await user.code(user.send("nspd.ShowCache")) == 10013


async def test_a_cache_that_cannot_be_read() -> None:
    """A provider that fails here is logged, and the others are shown."""

    class Broken(Scripted):
        def cache_entries(self, name: str | None = None) -> Iterable[CacheEntry]:
            yield CacheEntry(name="lost", type="A", kind="answer", ttl=1)
            raise RuntimeError("broken")

    async with open_house(Broken(namespace=OTHER), Caching(namespace=DNS)) as house:
        house.log.announced.add("provider failed")
        client = await house.client()
        shown = await client.result("nspd.ShowCache")
    assert [each["name"] for each in shown["entries"]] == ["n0", "n1", "n2"]


async def test_a_large_cache_is_cut_to_one_reply() -> None:
    """However large the records are, the reply stays near a mebibyte, and says that it is cut."""

    class Large(Scripted):
        def cache_entries(self, name: str | None = None) -> Iterable[CacheEntry]:
            for number in range(100):
                text = "x" * 60_000
                yield CacheEntry(
                    name=f"n{number}", type="TXT", kind="answer", ttl=1, records=(text,)
                )

    async with open_house(Large(namespace=DNS)) as house:
        client = await house.client()
        shown = await client.result("nspd.ShowCache")
    assert shown["complete"] is False
    assert len(shown["entries"]) == 17
