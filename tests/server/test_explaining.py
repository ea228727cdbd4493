"""`nspd.Explain`: whole lookups that tell their story."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from nspd.core.catalog import Entry
from nspd.core.limits import Limits
from nspd.core.provider import Answer, Query, Results
from nspd.model import errors
from nspd.model.namespaces import Namespace, fixed_guid
from nspd.providers.hosts import HostsProvider
from nspd.providers.registry import RegistryProvider
from nspd.providers.test import TestProvider
from tests.backends import VIRTUAL_TIME
from tests.core.world import Scripted, hang, named
from tests.server.house import TEST, open_house, until
from tests.server.stories import explain, told, words

pytestmark = pytest.mark.anyio

DNS, OTHER = 70012, 70013
HOSTS, REGISTRY = int(Namespace.TCPIP_HOSTS), int(Namespace.REGISTRY)


async def attempts(query: Query, results: Results) -> None:
    """A resolver that fails at its first server and succeeds at its second."""
    if query.story is not None:
        query.story.note("attempt", server="192.0.2.1:53", outcome="timed out", elapsed=0.8)
        query.story.note("attempt", server="192.0.2.2:53", outcome="answered", elapsed=0.01)
    await results.send(named("host.example"))


async def times_out(query: Query, results: Results) -> None:
    """A resolver whose servers are silent."""
    raise errors.TimedOut("no server answered", setting="attempts")


@pytest.fixture
def hosts(tmp_path: Path) -> HostsProvider:
    """A hosts provider with one name."""
    path = tmp_path / "hosts"
    path.write_text("192.0.2.10 printer.example lp\n")
    return HostsProvider(path=str(path))


async def test_the_story_of_a_name_that_everybody_is_asked_for(hosts: HostsProvider) -> None:
    """Who was chosen and why, who answered at once, and each attempt of who had to wait."""
    resolver = Scripted(attempts, namespace=DNS)
    off = Entry(Scripted(namespace=OTHER), active=False)
    async with open_house(hosts, RegistryProvider(), resolver, off, TestProvider()) as house:
        client = await house.client()
        result = await explain(client, "printer.example")
    story = result["story"]
    assert [each["service_instance_name"] for each in result["results"]] == [
        "printer.example",
        "lp",
        "host.example",
    ]
    assert result["error"] is None
    assert (story[0]["event"], story[0]["provider_id"]) == ("begun", None)
    assert story[0]["facts"] == {"policy": "all", "timeout": None}
    assert words(story, HOSTS) == ["chosen", "asked", "file", "at_hand", "ended"]
    (file,) = told(story, "file", HOSTS)
    assert (Path(file["path"]).name, file["lines"], file["problem"]) == ("hosts", 1, None)
    assert words(story, REGISTRY) == ["chosen", "asked", "at_hand", "ended"]
    assert words(story, DNS) == [
        *["chosen", "asked", "started", "attempt", "attempt", "first_record", "ended"]
    ]
    assert told(story, "chosen", DNS) == [{"rule": "all"}]
    assert told(story, "not_chosen", OTHER) == [{"rule": "inactive"}]
    assert told(story, "not_chosen", TEST) == [{"rule": "not_in_all"}]
    assert [each["server"] for each in told(story, "attempt", DNS)] == [
        "192.0.2.1:53",
        "192.0.2.2:53",
    ]
    (ended,) = told(story, "ended", DNS)
    assert (ended["outcome"], ended["records"]) == ("answered", 1)
    assert story[-1]["event"] == "finished"
    assert story[-1]["facts"] == {"records": 3}
    times = [each["at"] for each in story]
    assert times == sorted(times)
    assert 0 <= times[-1] <= result["elapsed"]
    assert [verdict["identifier"] for verdict in result["verdicts"]] == [
        "hosts",
        "registry",
        "scripted",
    ]


async def test_it_gives_what_lookup_gives(hosts: HostsProvider) -> None:
    """Results and verdicts are those of nspd.Lookup, and so is the error of one that fails."""
    async with open_house(hosts, RegistryProvider()) as house:
        client = await house.client()
        for params in ({}, {"limit": 1}, {"policy": "first"}, {"control_flags": 0x10}):
            for name in ("printer.example", "lp", "*", "nobody", "::1"):
                restrictions = {"service_instance_name": name}
                plain = await client.reply(
                    client.send("nspd.Lookup", restrictions=restrictions, **params)
                )
                explained = await explain(client, name, **params)
                if "error" in plain:
                    assert explained["error"]["code"] == plain["error"]["code"]
                    assert explained["error"]["message"] == plain["error"]["message"]
                    verdicts = plain["error"]["data"]["verdicts"]
                else:
                    assert explained["error"] is None
                    assert explained["results"] == plain["result"]["results"]
                    verdicts = plain["result"]["verdicts"]
                for verdict in (*verdicts, *explained["verdicts"]):
                    verdict["elapsed"] = 0
                assert explained["verdicts"] == verdicts


async def test_a_failure_is_explained() -> None:
    """A lookup without a record tells its story with the error, and the setting that fired."""
    async with open_house(Scripted(times_out, namespace=DNS)) as house:
        client = await house.client()
        result = await explain(client, "nobody.example")
    assert result["results"] == []
    assert result["error"]["code"] == 10060
    assert result["error"]["message"] == "WSAETIMEDOUT"
    (verdict,) = result["verdicts"]
    assert (verdict["outcome"], verdict["error"], verdict["setting"]) == (
        *("timed_out", 10060, "attempts"),
    )
    (ended,) = told(result["story"], "ended", DNS)
    assert ended["setting"] == "attempts"
    assert ended["detail"] == "no server answered"
    assert result["story"][-1]["facts"] == {"records": 0, "error": 10060}


async def test_a_refusal_at_begin_is_explained() -> None:
    """If every provider refuses at once there is no lookup, and still a story."""
    async with open_house() as house:
        client = await house.client()
        query = {"namespace": TEST, "query_string": "refuse=10013"}
        result = await explain(client, restrictions=query)
        assert house.router.lookups == 0
    assert result["error"]["code"] == 10013
    assert words(result["story"], TEST) == ["chosen", "asked", "ended"]
    (verdict,) = result["verdicts"]
    assert (verdict["outcome"], verdict["error"]) == ("failed", 10013)


async def test_a_name_with_nobody_to_ask_is_explained() -> None:
    """If the name is claimed by a provider that is off, the story says so."""
    corp = Entry(Scripted(namespace=OTHER), active=False, domains=["corp.example"])
    async with open_house(corp, Scripted(attempts, namespace=DNS)) as house:
        client = await house.client()
        result = await explain(client, "db.corp.example")
    assert result["error"]["code"] == 10108
    assert "corp.example" in result["error"]["data"]["detail"]
    assert told(result["story"], "not_chosen", OTHER) == [{"rule": "inactive"}]
    assert told(result["story"], "not_chosen", DNS) == [
        {"rule": "claimed", "domain": "corp.example"}
    ]
    assert result["verdicts"] == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"restrictions": {}, "control_flags": 6}, 10022),
        ({"restrictions": {"provider_id": fixed_guid(1)}, "provider_id": fixed_guid(2)}, 10022),
        ({"restrictions": {"comment": "x" * 5000}}, 10022),
        ({"restrictions": {}, "watch": True}, -32602),
    ],
)
async def test_wrong_arguments_are_no_story(params: dict[str, Any], code: int) -> None:
    """What is wrong with the call itself is an error of the call."""
    async with open_house() as house:
        client = await house.client()
        assert await client.code(client.send("nspd.Explain", **params)) == code


async def test_a_limit_that_is_reached_is_no_story() -> None:
    """Past the limit of lookups it is 8, as for nspd.Lookup."""
    async with open_house(TestProvider(), limits=Limits(lookups_per_user=1)) as house:
        user = await house.user()
        await user.startup()
        await user.begin("gate=never")
        query = {"namespace": TEST}
        assert await user.code(user.send("nspd.Explain", restrictions=query)) == 8


async def test_who_may_not_look_up_is_told_nothing() -> None:
    """Without access.lookup it is 10013."""
    async with open_house() as house:
        client = await house.client()
        house.connection().peer.may_lookup = False
        assert await client.code(client.send("nspd.Explain", restrictions={})) == 10013


async def test_too_many_waiting_calls() -> None:
    """Past the limit of waiting calls it is 8, and its lookup is gone."""
    async with open_house(limits=Limits(waiting_calls=1)) as house:
        client = await house.client()
        query = {"namespace": TEST, "query_string": "hang=1&records=0"}
        first = client.send("nspd.Explain", restrictions=query)
        assert await client.code(client.send("nspd.Explain", restrictions=query)) == 8
        assert house.router.lookups == 1
        await client.result("$/cancelRequest", id=first)
        assert await client.code(first) == 10111


async def test_c13_cancel_request_withdraws_it() -> None:
    """C1, C6, C13: cancelled, it is answered 10111 once, without results or story."""
    async with open_house() as house:
        client = await house.client()
        query = {"namespace": TEST, "query_string": "records=1&hang=1"}
        call = client.send("nspd.Explain", restrictions=query)
        await until(lambda: house.router.lookups == 1)
        for _ in range(2):
            assert await client.result("$/cancelRequest", id=call) is None
        (reply,) = client.replies(call)
        assert reply["error"]["code"] == 10111
        assert "story" not in reply["error"]["data"]
        await until(lambda: house.router.work.running == 0)


async def test_c10_rundown_ends_it() -> None:
    """C10: Rundown answers it 10111 before its own reply."""
    async with open_house() as house:
        client = await house.client()
        await client.startup()
        query = {"namespace": TEST, "query_string": "records=0&hang=1"}
        call = client.send("nspd.Explain", restrictions=query)
        await client.result("NSPv2ClientSessionRundown")
        order = [message["id"] for message in client.messages[1:]]
        assert order[0] == call
        assert await client.code(call) == 10111


async def test_a_notification_does_nothing() -> None:
    """Without an id nobody would hear the story."""
    async with open_house() as house:
        client = await house.client()
        client.write(
            {
                "jsonrpc": "2.0",
                "method": "nspd.Explain",
                "params": {"restrictions": {"namespace": TEST}},
            }
        )
        await client.result("nspd.Status")
        assert house.router.begun == 0


@VIRTUAL_TIME
async def test_a_budget_that_runs_out_is_named() -> None:
    """The verdict and the story name the limit: the lookup's timeout, or the provider's budget."""
    slow = Entry(Scripted(hang, namespace=DNS), budget=0.5)
    async with open_house(slow, Scripted(hang, namespace=OTHER)) as house:
        client = await house.client()
        call = client.send("nspd.Explain", restrictions={}, timeout=2)
        await anyio.sleep(5)
        result = (await client.reply(call))["result"]
    assert result["error"]["code"] == 10060
    ends = [told(result["story"], "ended", namespace)[0] for namespace in (DNS, OTHER)]
    assert [end["setting"] for end in ends] == ["budget", "timeout"]
    assert [end["elapsed"] for end in ends] == pytest.approx([0.5, 2], abs=0.1)
    assert result["elapsed"] == pytest.approx(2, abs=0.1)


async def test_policy_first_says_who_was_not_needed(hosts: HostsProvider) -> None:
    """With "first" the providers behind the one that answered are skipped: the story says so."""
    async with open_house(hosts, Scripted(attempts, namespace=DNS)) as house:
        client = await house.client()
        result = await explain(client, "printer.example", policy="first")
    assert words(result["story"], HOSTS) == ["chosen", "asked", "file", "at_hand", "ended"]
    assert words(result["story"], DNS) == ["chosen", "ended"]
    assert told(result["story"], "ended", DNS) == [{"outcome": "skipped", "records": 0}]


# What a hostile or careless provider does


async def test_a_provider_that_notes_too_much_is_cut() -> None:
    """A flood of events is cut and counted, and what the router noted is still there."""

    async def body(query: Query, results: Results) -> None:
        assert query.story is not None
        for _ in range(10_000):
            query.story.note("attempt", server="x" * 100)
        raise errors.TryAgain

    async with open_house(Scripted(body, namespace=DNS)) as house:
        client = await house.client()
        result = await explain(client)
    assert 0 < len(told(result["story"], "attempt")) <= 256
    assert result["left_out"] == 10_000 - len(told(result["story"], "attempt"))
    assert result["story"][-1]["event"] == "finished"
    assert result["error"]["code"] == 11002


async def test_what_cannot_be_written_breaks_nothing() -> None:
    """A fact that is no Unicode is told escaped; a record that is none is that error."""

    async def body(query: Query, results: Results) -> None:
        assert query.story is not None
        query.story.note("attempt", name="\udcff")
        await results.send(named("\udcff"))

    async with open_house(Scripted(body, namespace=DNS)) as house:
        client = await house.client()
        result = await explain(client)
    assert told(result["story"], "attempt") == [{"name": "\\udcff"}]
    assert result["error"]["code"] == 10107


async def test_stories_are_charged_to_their_user() -> None:
    """What stories may hold counts in limits.bytes_per_user, and is given back."""
    async with open_house(limits=Limits(bytes_per_user=200_000)) as house:
        user = await house.user()
        query = {"namespace": TEST, "query_string": "records=0&hang=1"}
        calls = [user.send("nspd.Explain", restrictions=query) for _ in range(4)]
        assert await user.code(calls[3]) == 8
        for call in calls[:3]:
            await user.result("$/cancelRequest", id=call)
        (account,) = house.router.users.values()
        assert account.bytes == 0


@pytest.mark.parametrize("method", ["nspd.Explain", "nspd.Lookup", "NSPv2LookupServiceBegin"])
@pytest.mark.parametrize("late", [False, True])
async def test_an_error_that_cannot_be_written_is_told_all_the_same(
    method: str, late: bool
) -> None:
    """C1: a provider's error whose texts or data are no JSON is answered, with its number."""
    error = errors.AccessDenied("\udcff", setting="\udcfe", data={"x": object()})

    def at_once(query: Query) -> Answer | None:
        if late:
            return None
        raise error

    async def body(query: Query, results: Results) -> None:
        raise error

    async with open_house(Scripted(body, at_once=at_once, namespace=DNS)) as house:
        client = await house.client()
        await client.startup()
        reply = await client.reply(client.send(method, restrictions={}))
        if method == "nspd.Explain":
            assert reply["result"]["error"]["code"] == 10013
            assert reply["result"]["verdicts"][0]["setting"] == "\\udcfe"
            assert told(reply["result"]["story"], "ended")[0]["detail"] == "\\udcff"
        elif method == "nspd.Lookup" or not late:
            assert reply["error"]["code"] == 10013
        else:
            end = await client.reply(client.next(reply["result"]["lookup"]))
            assert end["error"]["code"] == 10013
            assert end["error"]["data"]["verdicts"][0]["setting"] == "\\udcfe"
