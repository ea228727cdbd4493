"""One thing changed in a true history: the judge finds it, or says that it cannot tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nspd.race.judge import Judge
from tests.race.liar.model import Message
from tests.race.liar.traffic import QUIET, WEIGHTS, Traffic

Observation = tuple[float, int, Any, Any]
Mutation = Callable[[Message], list[Message]]

_CANCELLED = 10111


def history(seed: int, weights: Mapping[str, int]) -> list[Observation]:
    """A true history that has come to its end."""
    observations: list[Observation] = []
    traffic = Traffic(seed, lambda *each: observations.append(deepcopy(each)), weights=weights)
    traffic.run(120)
    traffic.settle()
    return observations


def judged(observations: list[Observation]) -> tuple[set[str], Counter[str]]:
    """The promises that a history breaks, and what the judge could not tell."""
    judge = Judge(end_grace=0.1)
    found = [each for observation in observations for each in judge.observe(*observation)]
    found += judge.finish(observations[-1][0])
    return {violation.promise for violation in found}, judge.not_judged


def replies(observations: list[Observation], which: Callable[[Message], bool]) -> list[int]:
    """The places of the replies of a kind."""
    return [
        place
        for place, (_, _, direction, message) in enumerate(observations)
        if direction == "received" and which(message)
    ]


def is_reply(message: Message) -> bool:
    """Any reply."""
    return True


def is_record(message: Message) -> bool:
    """A reply to NextEx with a record."""
    return isinstance(message.get("result"), dict) and "comment" in message["result"]


def is_error(code: int) -> Callable[[Message], bool]:
    """A reply with this error."""
    return lambda message: "error" in message and message["error"]["code"] == code


def is_ending(message: Message) -> bool:
    """A reply to End."""
    return isinstance(message.get("result"), dict) and "work" in message["result"]


def is_handle(message: Message) -> bool:
    """A reply to Begin."""
    return isinstance(message.get("result"), dict) and "lookup" in message["result"]


def dropped(message: Message) -> list[Message]:
    """It is lost."""
    return []


def doubled(message: Message) -> list[Message]:
    """It comes twice."""
    return [message, message]


def misdirected(message: Message) -> list[Message]:
    """It has another's id."""
    return [{**message, "id": message["id"] + 1_000_000}]


def result(**members: Any) -> Mutation:
    """Members of the result are others; None takes one away."""

    def mutate(message: Message) -> list[Message]:
        changed = {**message["result"], **members}
        kept = {name: value for name, value in changed.items() if value is not None}
        return [{**message, "result": kept}]

    return mutate


def code(number: int) -> Mutation:
    """The error is another."""
    return lambda message: [{**message, "error": {**message["error"], "code": number}}]


def counted(message: Message) -> list[Message]:
    """One more call was cancelled, it says."""
    return result(cancelled=message["result"]["cancelled"] + 1)(message)


CERTAIN: dict[str, tuple[Callable[[Message], bool], Mutation, set[str]]] = {
    "a reply is lost": (is_reply, dropped, {"C1"}),
    "a reply comes twice": (is_reply, doubled, {"C1"}),
    "a reply has another id": (is_reply, misdirected, {"C1"}),
    "a name is another": (is_record, result(service_instance_name="test-77"), {"C6"}),
    "a comment is another": (is_record, result(comment="record 77 of 99"), {"C6"}),
    "an address is missing": (is_record, result(addresses=None), {"C6"}),
    "an address is another": (is_record, result(addresses=[]), {"C6"}),
    "a blob is there": (is_record, result(blob="AAAA"), {"C6"}),
    "a mark is there": (is_record, result(output_flags=0x10), {"C6"}),
    "a context is missing": (is_record, result(context=None), {"C6"}),
    "a record of another namespace": (is_record, result(namespace=11), {"C6"}),
    "10103 for 10111": (is_error(_CANCELLED), code(10103), {"C14"}),
    "10102 for 10110": (is_error(10110), code(10102), {"C14"}),
    "6 for 10111": (is_error(_CANCELLED), code(6), {"C2"}),
    "10111 for 6": (is_error(6), code(_CANCELLED), {"C4"}),
    "an End counts wrongly": (is_ending, counted, {"C8"}),
    "an End says nothing of the work": (is_ending, result(work=None), {"C8"}),
    "an End fails": (
        is_ending,
        lambda message: [{"id": message["id"], "error": {"code": 8, "data": {}}}],
        {"C3"},
    ),
    "a handle is given twice": (is_handle, doubled, {"C4"}),
}
"""What is changed, how, and promises of which one at least must be found."""


@pytest.mark.parametrize("change", CERTAIN)
@given(seed=st.integers(0, 10_000), data=st.data())
@settings(deadline=None, max_examples=8)
def test_found(change: str, seed: int, data: st.DataObject) -> None:
    """Where every reply is certain, each change of one of them is found."""
    which, mutate, promises = CERTAIN[change]
    observations = history(seed, QUIET)
    places = replies(observations, which)
    if which is is_handle:
        first, *places = places
        mutate = result(lookup=observations[first][3]["result"]["lookup"])
    assume(places)
    place = data.draw(st.sampled_from(places))
    time, client, direction, message = observations[place]
    changed = [(time, client, direction, each) for each in mutate(message)]
    found, _ = judged([*observations[:place], *changed, *observations[place + 1 :]])
    assert found & promises


@pytest.mark.parametrize("mutate", [dropped, doubled, misdirected], ids=lambda each: each.__name__)
@given(seed=st.integers(0, 10_000), data=st.data())
@settings(deadline=None, max_examples=40)
def test_found_or_not_judged(mutate: Mutation, seed: int, data: st.DataObject) -> None:
    """In any traffic a change is found, or is counted among what could not be told."""
    observations = history(seed, WEIGHTS)
    place = data.draw(st.sampled_from(replies(observations, is_reply)))
    time, client, direction, message = observations[place]
    changed = [(time, client, direction, each) for each in mutate(message)]
    found, not_judged = judged([*observations[:place], *changed, *observations[place + 1 :]])
    _, before = judged(observations)
    assert found or not_judged - before


@given(seed=st.integers(0, 10_000), data=st.data())
@settings(deadline=None, max_examples=40)
def test_end_overtakes(seed: int, data: st.DataObject) -> None:
    """End's reply moved before a 10111 of its lookup is C2."""
    observations = history(seed, QUIET)
    handle_of = {
        message["id"]: message["params"].get("lookup")
        for _, _, direction, message in observations
        if direction == "sent"
    }
    pairs = [
        (cancelled, ending)
        for ending in replies(observations, is_ending)
        for cancelled in replies(observations[:ending], is_error(_CANCELLED))
        if handle_of[observations[ending][3]["id"]] == handle_of[observations[cancelled][3]["id"]]
    ]
    assume(pairs)
    cancelled, ending = data.draw(st.sampled_from(pairs))
    moved = observations.pop(ending)
    observations.insert(cancelled, moved)
    found, _ = judged(observations)
    assert "C2" in found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(seed=st.integers(0, 10_000), data=st.data())
@settings(deadline=None, max_examples=80)
def test_anything_may_be_sent(seed: int, data: st.DataObject) -> None:
    """Whatever stands in a message, from a client or from a server, the judge goes on."""
    observations = history(seed, WEIGHTS)
    place = data.draw(st.integers(0, len(observations) - 1))
    message = observations[place][3]
    assume(isinstance(message, dict))
    parent, members = message, [*message]
    while True:
        name = data.draw(st.sampled_from(members))
        child = parent[name]
        if isinstance(child, dict) and child and data.draw(st.booleans()):
            parent, members = child, [*child]
        else:
            break
    parent[name] = data.draw(JSON)
    promises, _ = judged(observations)
    assert promises <= {f"C{number}" for number in range(1, 16)} | {"isolation", "order", "shape"}
