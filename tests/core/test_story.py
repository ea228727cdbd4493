"""The events of one lookup."""

from __future__ import annotations

import json

import msgspec
import pytest

from nspd.core.story import MOST_BYTES, MOST_EVENTS, Story


class Hand:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_events_have_times_since_the_start() -> None:
    """What the clock said at the start is the story's zero."""
    hand = Hand()
    story = Story(hand)
    story.note("asked")
    hand.time += 0.25
    story.note("attempt", server="192.0.2.1:53", elapsed=0.2, outcome="timed out")
    assert [(event.at, event.event) for event in story.events] == [(0, "asked"), (0.25, "attempt")]
    assert story.events[1].facts == {
        "server": "192.0.2.1:53",
        "elapsed": 0.2,
        "outcome": "timed out",
    }
    assert (story.started, story.elapsed, story.left_out) == (100, 0.25, 0)


def test_a_start_in_the_past() -> None:
    """A story may count from an earlier moment."""
    story = Story(Hand(), 98.0)
    story.note("late")
    assert story.events[0].at == 2


def test_a_story_is_bounded_in_events() -> None:
    """What comes after the last place is counted, not kept."""
    story = Story(Hand())
    for _ in range(MOST_EVENTS + 5):
        story.note("e")
    assert (len(story.events), story.left_out) == (MOST_EVENTS, 5)


def test_a_story_is_bounded_in_bytes() -> None:
    """Long texts are cut, and together they stay within the bound."""
    story = Story(Hand())
    for _ in range(MOST_EVENTS):
        story.note("e", text="x" * 5000)
    kept = [str(event.facts["text"]) for event in story.events]
    assert {(len(text), text[-1]) for text in kept} == {(1024, "…")}
    assert MOST_BYTES // 2 < sum(map(len, kept)) <= MOST_BYTES
    assert story.left_out == MOST_EVENTS - len(kept)


@pytest.mark.parametrize(
    ("fact", "kept"),
    [
        (None, None),
        (True, True),
        (2**62, 2**62),
        (2**70, str(2**70)),
        (-(2**63), str(-(2**63))),
        ("\udcff", "\\udcff"),
        (b"x", "b'x'"),
        (("a", 1), "('a', 1)"),
    ],
)
def test_whatever_is_noted_can_be_written(fact: object, kept: object) -> None:
    """A provider whose facts are not JSON breaks no reply."""
    story = Story(Hand())
    story.note("e", fact=fact)  # type: ignore[arg-type]  # what an author may do all the same
    written = json.loads(msgspec.json.encode(story.events[0].facts))
    assert written == {"fact": kept}
