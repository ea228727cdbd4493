"""The events of stories: each that the code notes is documented, and has its words in nspctl."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from nspd.cli._story import sentence, steps

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text("utf-8")
TOLD_ELSEWHERE = {"begun", "asked", "finished"}
"""Events that nspctl tells in other parts of its output."""


def noted() -> Iterator[str]:
    """The event that each call of a `note` or `_note` in the source names."""
    for room in ("core", "providers"):
        for path in sorted((ROOT / "nspd" / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in ("note", "_note")
                    and node.args
                    and isinstance(node.args[0], ast.Constant)
                    and isinstance(node.args[0].value, str)
                ):
                    yield node.args[0].value


EVENTS = sorted({*noted(), "chosen", "not_chosen"})


def test_the_events_are_found() -> None:
    """The search sees those of the router and those of providers."""
    assert {"begun", "ended", "shared", "file", "attempt", "service"} <= set(EVENTS)


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_is_documented(event: str) -> None:
    """docs/protocol.md has a row for it."""
    assert f"| {event} |" in DOCUMENT


@pytest.mark.parametrize("event", sorted(set(EVENTS) - TOLD_ELSEWHERE - {"chosen", "not_chosen"}))
def test_each_event_is_a_step(event: str) -> None:
    """nspctl explain leaves none of them out, and makes do with whatever facts there are."""
    story = [{"at": 0.0, "event": event, "provider_id": "p", "identifier": "p", "facts": {}}]
    if event == "ended":
        story[0]["facts"] = {"outcome": "failed", "elapsed": 0.1}
    ((_, _, words),) = steps(story)
    assert words
    assert sentence(event, {}) != ""
