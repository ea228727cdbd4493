"""Lookups that tell their story, without a socket."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from nspd.core.collect import Collector
from nspd.core.explain import Explanation, Told
from nspd.core.lookup import Lookup
from nspd.core.outcome import Failure
from nspd.core.part import Part
from nspd.core.provider import Answer, Query, Results
from nspd.core.run import Run
from nspd.core.session import Session
from nspd.core.story import MOST_BYTES, Story
from nspd.model import errors
from nspd.model.namespaces import fixed_guid
from nspd.model.queryset import QuerySet
from nspd.model.verdict import Verdict
from tests.backends import VIRTUAL_TIME
from tests.core.world import TEST, Scripted, World, hang, named, open_world, until

pytestmark = pytest.mark.anyio


class Whole(Collector):
    """A whole lookup that keeps its outcome."""

    def __init__(self, lookup: Lookup, limit: int | None = None) -> None:
        super().__init__(lookup, limit)
        self.over: tuple[list[Verdict], Failure | None] | None = None

    def prepare(self, record: QuerySet) -> bytes:
        return (record.service_instance_name or "").encode()

    def done(self, verdicts: list[Verdict], failure: Failure | None) -> None:
        self.over = verdicts, failure


def start(
    world: World,
    session: Session,
    restrictions: QuerySet,
    *,
    policy: str = "all",
    timeout: float | None = None,
    limit: int | None = None,
) -> tuple[Explanation, Whole]:
    """Begin an explained lookup as the server does."""
    router = world.router
    explanation = Explanation(router, restrictions, None, policy, timeout)
    lookup = router.begin(
        session,
        restrictions,
        policy=policy,
        timeout=timeout,
        oneshot=True,
        explanation=explanation,
    )
    explanation.charge(lookup)
    whole = Whole(lookup, limit)
    whole.run()
    return explanation, whole


def ends(events: list[Told]) -> dict[str | None, list[dict[str, object]]]:
    """The facts of the ends, by provider."""
    found: dict[str | None, list[dict[str, object]]] = {}
    for event in events:
        if event.event == "ended":
            found.setdefault(event.provider_id, []).append(dict(event.facts))
    return found


SCRIPTS = [
    *("records=0", "records=3", "records=0&fail=11002", "records=2&fail=10060"),
    *("crash=1", "records=1&hang=1", "records=0&hang=1", "records=2&fail=10110", "foreign=1"),
]


@VIRTUAL_TIME
@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize("script", SCRIPTS)
async def test_the_story_ends_as_the_verdicts_do(script: str, limit: int | None) -> None:
    """Each provider chosen has one end in the story, and it is what its verdict says."""
    async with open_world() as world:
        world.log.announced.add("provider failed")
        session = world.session()
        query = QuerySet(namespace=TEST, query_string=script)
        explanation, whole = start(world, session, query, timeout=2, limit=limit)
        await anyio.sleep(3)
        assert whole.over is not None
        verdicts, failure = whole.over
        explanation.finished(None if failure is None else failure.code, len(whole.prepared))
        events, left_out = explanation.told()
        (verdict,) = verdicts
        (facts,) = ends(events)[verdict.provider_id]
        assert facts["outcome"] == verdict.outcome
        assert facts["records"] == verdict.records
        assert facts.get("error") == verdict.error
        assert facts.get("setting") == verdict.setting
        assert left_out == 0
        assert [event.event for event in events][-1] == "finished"


@VIRTUAL_TIME
async def test_work_that_ran_before_has_times_below_zero() -> None:
    """Who joins his own work half a second later is told its first steps with their time."""

    async def body(query: Query, results: Results) -> None:
        if query.story is not None:
            query.story.note("attempt", number=1)
            await anyio.sleep(1)
            query.story.note("attempt", number=2)
        await results.send(named("a"))

    async with open_world(Scripted(body, key=lambda query: "k")) as world:
        session = world.session()
        first = start(world, session, QuerySet())
        await anyio.sleep(0.5)
        second = start(world, session, QuerySet())
        await anyio.sleep(1)
        for explanation, whole in (first, second):
            assert whole.over is not None
            assert whole.over[1] is None
            explanation.finished(None, 1)
        events, _ = second[0].told()
        attempts = [event.at for event in events if event.event == "attempt"]
        assert attempts == pytest.approx([-0.5, 0.5], abs=0.01)
        assert events[0].event == "attempt"
        (shared,) = [event.facts for event in events if event.event == "shared"]
        assert shared["since"] == pytest.approx(0.5, abs=0.01)


async def test_wrong_arguments_cost_nothing() -> None:
    """A name past its limit is refused before anybody works on it, and is no story."""
    async with open_world(Scripted(hang)) as world:
        restrictions = QuerySet(service_instance_name="ü" * 100_000)
        explanation = Explanation(world.router, restrictions, None, "all", None)
        with pytest.raises(errors.InvalidArgument) as raised:
            world.router.begin(world.session(), restrictions, explanation=explanation)
        assert not explanation.covers(raised.value)
        assert [event.event for event in explanation.told()[0]] == ["begun"]


async def test_a_refusal_covers_its_story() -> None:
    """The error of the last provider that refused belongs to the story, whatever its code."""

    def refuse(query: Query) -> None:
        raise errors.InvalidArgument("not here", setting="workers")

    async with open_world(Scripted(at_once=refuse)) as world:
        session = world.session()
        explanation = Explanation(world.router, QuerySet(), None, "all", None)
        with pytest.raises(errors.InvalidArgument) as raised:
            world.router.begin(session, oneshot=True, explanation=explanation)
        assert explanation.covers(raised.value)
        assert session.user.bytes == 0
        (verdict,) = explanation.verdicts()
        assert (verdict.outcome, verdict.error, verdict.setting) == ("failed", 10022, "workers")


async def test_what_is_charged_is_given_back() -> None:
    """C3, counter-drift: however the lookup ends, the bytes of its story go with it."""
    async with open_world(Scripted(hang)) as world:
        session = world.session()
        _, whole = start(world, session, QuerySet())
        assert session.user.bytes >= 3 * MOST_BYTES
        whole.collects.end()
        assert whole.over is not None
        failure = whole.over[1]
        assert failure is not None
        assert failure.code == 10111
        await until(lambda: world.idle)
        assert session.user.bytes == 0


async def test_explained_lookups_are_freed_by_reference_counts() -> None:
    """The collector need not run for a story and its lookup to go."""
    query = QuerySet(namespace=TEST, query_string="records=2")

    async def once(world: World, session: Session) -> None:
        explanation, whole = start(world, session, query)
        await until(lambda: whole.over is not None and world.idle)
        explanation.finished(None, 2)
        assert explanation.told()[0]

    def alive() -> int:
        kinds = Explanation | Lookup | Part | Run | Story
        return sum(isinstance(found, kinds) for found in gc.get_objects())

    async with open_world() as world:
        session = world.session()
        gc.collect()
        gc.disable()
        try:
            before = alive()
            for _ in range(10):
                await once(world, session)
            await checkpoint()  # the last task's own end
            assert alive() == before
        finally:
            gc.enable()


async def test_many_explained_lookups_tell_their_own_story() -> None:
    """Stories of lookups that run at the same time do not mix."""

    async def body(query: Query, results: Results) -> None:
        name = query.restrictions.service_instance_name
        for _ in range(3):
            assert query.story is not None
            query.story.note("attempt", name=name)
            await checkpoint()
        await results.send(named(name or ""))

    async with open_world(Scripted(body)) as world:
        session = world.session()
        begun = [start(world, session, named(f"n{number}")) for number in range(50)]
        await until(lambda: all(whole.over is not None for _, whole in begun))
        for number, (explanation, _) in enumerate(begun):
            explanation.finished(None, 1)
            events, _ = explanation.told()
            names = [event.facts["name"] for event in events if event.event == "attempt"]
            assert names == [f"n{number}"] * 3
            for one, following in itertools.pairwise(events):
                assert one.at <= following.at


def finds(count: int) -> Scripted:
    """Gives records at once."""
    return Scripted(at_once=lambda query: Answer(tuple(named(f"r{n}") for n in range(count))))


def works(count: int, error: errors.WSAError | None = None) -> Scripted:
    """Gives records from a task, and ends well or with an error."""

    async def body(query: Query, results: Results) -> None:
        for number in range(count):
            await results.send(named(f"r{number}"))
        if error is not None:
            raise error

    return Scripted(body)


def refuses() -> Scripted:
    """Refuses at Begin."""

    def at_once(query: Query) -> None:
        raise errors.NotSupported("not here")

    return Scripted(at_once=at_once)


WAYS: dict[str, Callable[[], Scripted]] = {
    "finds": lambda: finds(2),
    "has nothing": lambda: finds(0),
    "works": lambda: works(2),
    "fails": lambda: works(0, errors.TryAgain("SERVFAIL")),
    "fails late": lambda: works(1, errors.TimedOut("silent", setting="attempts")),
    "hangs": lambda: Scripted(hang),
    "refuses": refuses,
}


@VIRTUAL_TIME
@pytest.mark.parametrize("policy", ["all", "first"])
@pytest.mark.parametrize("ways", list(itertools.product(WAYS, repeat=2)), ids=" and ".join)
async def test_any_two_providers_are_told_of_truly(ways: tuple[str, str], policy: str) -> None:
    """Whatever two providers do, under either policy the story and the verdicts agree."""
    providers = [WAYS[way]() for way in ways]
    for number, provider in enumerate(providers):
        provider.namespace = number + 1
        provider.provider_id = fixed_guid(number + 1)
    async with open_world(*providers) as world:
        session = world.session()
        try:
            explanation, whole = start(world, session, QuerySet(), policy=policy, timeout=1)
        except errors.WSAError:
            assert set(ways) == {"refuses"}
            return
        await anyio.sleep(2)
        assert whole.over is not None
        verdicts, failure = whole.over
        explanation.finished(None if failure is None else failure.code, len(whole.prepared))
        events, _ = explanation.told()
        assert [event.event for event in events[:3]] == ["begun", "chosen", "chosen"]
        told = ends(events)
        assert [verdict.provider_id for verdict in verdicts] == [p.provider_id for p in providers]
        for verdict in verdicts:
            (facts,) = told[verdict.provider_id]
            assert facts["outcome"] == verdict.outcome
            assert facts["records"] == verdict.records
            assert (facts.get("error"), facts.get("setting")) == (verdict.error, verdict.setting)
            asked = [
                e for e in events if (e.event, e.provider_id) == ("asked", verdict.provider_id)
            ]
            assert len(asked) == (verdict.outcome != "skipped")
        assert sum(verdict.records for verdict in verdicts) >= len(whole.prepared)
        if failure is None:
            assert sum(verdict.records for verdict in verdicts) == len(whole.prepared)
