"""How one provider is asked, and what its refusals and faults do to the lookup."""

from __future__ import annotations

import pytest

from nspd.core.provider import Answer, Query
from nspd.model import errors
from tests.core.world import SCRIPTED, Scripted, ask, named, next_ex, open_world

pytestmark = pytest.mark.anyio


async def test_a_refusing_provider_refuses_the_lookup_only_if_all_do() -> None:
    """Begin fails with the refusal of its only provider; with another it goes on."""

    def refuse(query: Query) -> None:
        raise errors.TryAgain("not now")

    def answer(query: Query) -> Answer:
        return Answer([named("a")])

    both = Scripted(at_once=refuse), Scripted(at_once=answer, namespace=70002)
    async with open_world(*both) as world:
        session = world.session()
        with pytest.raises(errors.TryAgain, match="not now"):
            ask(session)
        lookup = session.begin()
        assert next_ex(lookup).name == "a"
        end = next_ex(lookup)
        assert end.code == 10110
        verdicts = end.data["verdicts"]
        assert [(v.outcome, v.error) for v in verdicts] == [("failed", 11002), ("answered", None)]


async def test_a_provider_that_breaks_in_answer_is_its_failure() -> None:
    """An unplanned exception in a plain function of a provider is 10107 and is logged."""

    def breaks(query: Query) -> None:
        raise ZeroDivisionError

    async with open_world(Scripted(at_once=breaks), Scripted(key=breaks, namespace=70002)) as world:
        world.log.announced.add("provider failed")
        session = world.session()
        for namespace in (SCRIPTED, 70002):
            with pytest.raises(errors.ProviderFailed):
                ask(session, namespace)
        assert world.log.entries == [("exception", "provider failed")] * 2
