"""Events of a story in words."""

from __future__ import annotations

from typing import Any

import pytest

from nspd.cli._story import choice_rows, sentence, steps


@pytest.mark.parametrize(
    ("kind", "facts", "words"),
    [
        ("at_hand", {"records": 0}, "had the answer at hand: nothing"),
        ("at_hand", {"records": 2}, "had the answer at hand: 2 records"),
        ("at_hand", {"records": None}, "has the answer at hand, to be read name by name"),
        ("started", {}, "has to look"),
        (
            "shared",
            {"others": 1, "since": 0.3, "records": 0, "told": True},
            "joined work under way for 300 ms, shared with 1 other lookup",
        ),
        (
            "shared",
            {"others": 2, "since": 1.5, "records": 0, "told": False},
            "joined work under way for 1.5 s, shared with 2 other lookups;"
            " its steps are not told here",
        ),
        (
            "cache",
            {"state": "hit", "name": "a.example", "type": "A", "ttl": 12.0},
            "a.example A is in the cache, for 12 s more",
        ),
        (
            "cache",
            {"state": "negative", "name": "a.example", "type": "A"},
            "the cache knows that there is no a.example A",
        ),
        (
            "cache",
            {"state": "miss", "name": "a.example.", "type": "A"},
            "a.example A is not in the cache",
        ),
        (
            "cache",
            {"state": "melted", "name": "a.example", "type": "A"},
            "cache: state melted, name a.example, type A",
        ),
        ("attempt", {"server": "s", "outcome": "answered"}, "s: answered"),
        ("attempt", {"outcome": "answered"}, "attempt: outcome answered"),
        ("joined", {"name": "a", "type": "A"}, "joined the same question, under way already: a A"),
        ("search", {"name": "a.corp.example"}, "tries a.corp.example"),
        (
            "special",
            {"name": "localhost", "type": "A"},
            "localhost A is settled by the standards, no server is asked",
        ),
        (
            "late",
            {"name": "a.example", "type": "AAAA", "after": 0.25},
            "goes on without a.example AAAA after 250 ms",
        ),
        ("alias", {"from": "a", "to": "b"}, "a is an alias of b"),
        (
            "stale",
            {"name": "a", "type": "A", "reason": "no server answered"},
            "used an answer for a A whose time is over: no server answered",
        ),
        ("file", {"path": "/etc/hosts", "lines": 3}, "looked into /etc/hosts, 3 lines"),
        ("file", {"path": "h", "lines": 1, "problem": "gone"}, "looked into h, 1 line; gone"),
        ("registered", {"name": "a@b", "records": 1}, "1 record registered for a@b"),
        (
            "service",
            {"service": "imaps/tcp", "name": "n", "type": "SRV", "outcome": "ok", "targets": 2},
            "imaps/tcp (n SRV): ok, 2 hosts",
        ),
        ("first_record", {}, "first record"),
        (
            "ended",
            {"outcome": "empty", "elapsed": 0.1, "records": 0},
            "done: nothing found after 100 ms",
        ),
        (
            "ended",
            {
                "outcome": "failed",
                "elapsed": 0.1,
                "records": 0,
                "error": 11002,
                "detail": "SERVFAIL",
                "shared_with": 3,
            },
            "failed after 100 ms: WSATRY_AGAIN (11002): SERVFAIL; shared with 3 other lookups",
        ),
        ("ended", {"outcome": "cancelled", "elapsed": 1, "records": 0}, "cancelled after 1 s"),
        ("new_kind", {"a": 1, "b": None}, "new kind: a 1"),
        ("new_kind", {}, "new kind"),
    ],
)
def test_each_kind_has_its_sentence(kind: str, facts: dict[str, Any], words: str) -> None:
    """What is known is said in words, what is not is shown as it stands."""
    assert sentence(kind, facts) == words


def happened(kind: str, who: str = "dns", **facts: Any) -> dict[str, Any]:
    """One event."""
    return {"at": 0.5, "event": kind, "provider_id": who, "identifier": who, "facts": facts}


def test_what_is_told_elsewhere_is_no_step() -> None:
    """The choice stands in its own table, and the end of an answer at hand in the verdicts."""
    story = [
        happened("chosen", rule="all"),
        happened("asked"),
        happened("at_hand", records=1),
        happened("ended", outcome="answered", records=1, elapsed=0.0),
        happened("ended", "other", outcome="answered", records=1, elapsed=0.25),
        happened("finished", records=2),
    ]
    assert list(steps(story)) == [
        ("500.00 ms", "dns", "had the answer at hand: 1 record"),
        ("500.00 ms", "other", "done: 1 record after 250 ms"),
    ]


def test_what_was_asked_and_not_answered_is_a_step() -> None:
    """A query whose attempt is told is no step of its own; one still under way is."""
    asked = {"server": "s", "transport": "udp", "name": "a", "type": "A"}
    story = [
        happened("sent", **asked),
        happened("attempt", **asked, outcome="timed out"),
        happened("sent", **asked),
        happened("sent", **(asked | {"type": "AAAA"})),
    ]
    assert [text for _, _, text in steps(story)] == [
        "s over udp, a A: timed out",
        "s over udp, a A: asked, and had not answered by the end",
        "s over udp, a AAAA: asked, and had not answered by the end",
    ]


@pytest.mark.parametrize(
    ("kind", "rule", "row"),
    [
        ("chosen", "provider_id", ("dns", "yes", "it was named")),
        ("chosen", "domains", ("dns", "yes", 'it claims names under "x"')),
        ("not_chosen", "inactive", ("dns", "no", "it is switched off")),
        ("not_chosen", "brand_new", ("dns", "no", "brand_new")),
    ],
)
def test_the_reason_of_a_choice(kind: str, rule: str, row: tuple[str, str, str]) -> None:
    """Each rule has its words; one that is not known stands for itself."""
    assert list(choice_rows([happened(kind, rule=rule, domain="x")])) == [row]
