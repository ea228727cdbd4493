"""The table of what is kept: bounded by bytes, least recently used first to go."""

from __future__ import annotations

from nspd.providers.dns.cache import PLACE_BYTES, Cache


def cache_for(places: int, size: int = 100) -> Cache[str]:
    """A cache with room for so many values of that size."""
    return Cache(places * (PLACE_BYTES + size))


def test_what_was_put_is_found_with_its_bytes() -> None:
    """Each value counts for its own size and its place."""
    cache = cache_for(3)
    cache.put("a", "one", 100)
    cache.put("b", "two", 50)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("one", "two", None)
    assert cache.bytes == 150 + 2 * PLACE_BYTES
    assert [(key, value) for key, value, _ in cache] == [("a", "one"), ("b", "two")]


def test_the_least_recently_used_gives_way() -> None:
    """Being read is a use; the bytes never pass the limit."""
    cache = cache_for(3)
    for key in "abc":
        cache.put(key, key, 100)
    assert cache.get("a") == "a"
    cache.put("d", "d", 100)
    assert [key for key, _, _ in cache] == ["c", "a", "d"]
    assert cache.bytes == cache.limit
    cache.put("e", "e", 101)
    assert [key for key, _, _ in cache] == ["d", "e"]


def test_a_new_value_takes_the_place_of_the_old() -> None:
    """Its size counts instead."""
    cache = cache_for(2)
    cache.put("a", "small", 10)
    cache.put("a", "large", 100)
    assert (cache.get("a"), cache.bytes, len(cache)) == ("large", 100 + PLACE_BYTES, 1)


def test_what_is_larger_than_the_whole_is_not_kept() -> None:
    """Nothing else has to give way for it, but the old value is gone."""
    cache = cache_for(2)
    cache.put("a", "old", 10)
    cache.put("b", "b", 10)
    cache.put("a", "huge", 10_000)
    assert [key for key, _, _ in cache] == ["b"]
    nothing: Cache[str] = Cache(0)
    nothing.put("a", "a", 0)
    assert (len(nothing), nothing.bytes) == (0, 0)


def test_values_are_forgotten() -> None:
    """One by one, or all."""
    cache = cache_for(3)
    for key in "abc":
        cache.put(key, key, 100)
    cache.discard("b")
    cache.discard("b")
    assert (len(cache), cache.bytes) == (2, 2 * (100 + PLACE_BYTES))
    cache.clear()
    assert (len(cache), cache.bytes) == (0, 0)
