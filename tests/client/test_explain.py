"""`explain` and `show_cache` of both clients."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio import to_thread

import nspd
from nspd.model import errors
from tests.client.fake import FakeDaemon, record, verdict

EXPLAINED: dict[str, Any] = {
    "results": [record("a")],
    "verdicts": [verdict()],
    "error": None,
    "elapsed": 0.5,
    "story": [
        {
            "at": 0.25,
            "event": "attempt",
            "provider_id": "5e1d0000-0000-4000-8000-00000000000c",
            "identifier": "dns",
            "facts": {"server": "192.0.2.1:53", "elapsed": 0.2, "dropped": 0, "told": True},
        }
    ],
    "left_out": 3,
}
FAILED = EXPLAINED | {
    "results": [],
    "error": {"code": 10108, "message": "WSASERVICE_NOT_FOUND", "data": {"detail": "nobody knows"}},
}
CACHED: dict[str, Any] = {
    "entries": [
        {
            "provider_id": "5e1d0000-0000-4000-8000-00000000000c",
            "identifier": "dns",
            "name": "a",
            "type": "A",
            "kind": "answer",
            "ttl": 1.5,
            "records": ["192.0.2.1"],
        }
    ],
    "complete": False,
}


def test_a_story_is_read_as_it_was_told(daemon: FakeDaemon, client: nspd.Client) -> None:
    """Results, verdicts and events come typed, and the arguments are those of resolve."""
    daemon.answer("nspd.Explain", EXPLAINED)
    told = client.explain("a", namespace=12, query_string="MX", policy="first", timeout=2, limit=5)
    assert [found.service_instance_name for found in told.results] == ["a"]
    assert told.verdicts[0].outcome == "answered"
    assert (told.error, told.elapsed, told.left_out) == (None, 0.5, 3)
    (event,) = told.story
    assert (event.at, event.event, event.identifier) == (0.25, "attempt", "dns")
    assert event.facts == EXPLAINED["story"][0]["facts"]
    (request,) = [each for each in daemon.seen if each.method == "nspd.Explain"]
    assert request.params == {
        "restrictions": {"service_instance_name": "a", "namespace": 12, "query_string": "MX"},
        "control_flags": 0xFF0,
        "provider_id": None,
        "policy": "first",
        "timeout": 2.0,
        "limit": 5,
    }


def test_a_lookup_that_found_nothing_raises_nothing(
    daemon: FakeDaemon, client: nspd.Client
) -> None:
    """What resolve would raise is told in the result."""
    daemon.answer("nspd.Explain", FAILED)
    told = client.explain("a")
    assert told.error is not None
    assert (told.error.code, told.error.message) == (10108, "WSASERVICE_NOT_FOUND")
    assert told.error.data.detail == "nobody knows"


def test_a_call_that_was_refused_raises(daemon: FakeDaemon, client: nspd.Client) -> None:
    """There was no lookup, so there is no story."""
    daemon.refuse("nspd.Explain", 10013)
    with pytest.raises(errors.AccessDenied):
        client.explain("a")
    with pytest.raises(errors.InvalidArgument):
        client.explain("a", timeout=-1)


def test_the_cache(daemon: FakeDaemon, client: nspd.Client) -> None:
    """What is cached comes typed, for all names or for one."""
    daemon.answer("nspd.ShowCache", CACHED)
    shown = client.show_cache("a", 1)
    assert (shown.complete, shown.entries[0].records) == (False, ("192.0.2.1",))
    client.show_cache()
    asked = [each.params for each in daemon.seen if each.method == "nspd.ShowCache"]
    assert asked == [{"name": "a", "limit": 1}, {"name": None, "limit": 1000}]


@pytest.mark.anyio
async def test_the_asynchronous_client_reads_the_same(daemon: FakeDaemon) -> None:
    """Stories and caches are those of the blocking client."""
    daemon.answer("nspd.Explain", EXPLAINED)
    daemon.answer("nspd.ShowCache", CACHED)
    async with nspd.AsyncClient(daemon.path) as client:
        told = await client.explain("a")
        assert told.story[0].facts["server"] == "192.0.2.1:53"
        assert (await client.show_cache("a")).entries[0].ttl == 1.5


@pytest.mark.anyio
async def test_a_cancelled_explain_is_withdrawn(daemon: FakeDaemon) -> None:
    """C13: the daemon is told that nobody waits for the story any more."""
    async with nspd.AsyncClient(daemon.path) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.explain, "a")
            held = await to_thread.run_sync(daemon.expect, "nspd.Explain")
            tasks.cancel_scope.cancel()
        cancelled = await to_thread.run_sync(daemon.expect, "$/cancelRequest")
        assert cancelled.params == {"id": held.id}
