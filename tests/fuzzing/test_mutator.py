"""The mutator: what it makes comes from its seed, is various, and mostly still a message."""

from __future__ import annotations

import json
import random

import pytest

from tests.fuzzing.mutator import MUTATIONS, Mutation, damaged, pieces
from tests.fuzzing.sessions import SESSIONS


def messages(data: bytes) -> int:
    """Lines that are JSON."""
    good = 0
    for line in data.split(b"\n"):
        try:
            json.loads(line)
        except (ValueError, RecursionError):
            continue
        good += 1
    return good


@pytest.mark.parametrize("session", SESSIONS)
def test_the_recorded_sessions_are_sound(session: bytes) -> None:
    """Before anything is done to them each line is a message."""
    assert messages(session) == session.count(b"\n")


def test_a_seed_gives_its_bytes_again() -> None:
    """The same seed, the same damage; another seed, another."""
    made = [damaged(random.Random(seed), SESSIONS[0]) for seed in range(200)]
    assert [damaged(random.Random(seed), SESSIONS[0]) for seed in range(200)] == made
    assert len(set(made)) > 190


def test_damage_is_in_proportion() -> None:
    """Most lines survive, for what is all broken gets no further than the parser."""
    before = after = 0
    for seed in range(300):
        session = SESSIONS[seed % len(SESSIONS)]
        before += messages(session)
        after += messages(damaged(random.Random(seed), session))
    assert 0.3 < after / before < 0.98


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_each_mutation_changes_something(mutation: Mutation) -> None:
    """And none of them fails, not even on nothing."""
    changed = 0
    for seed in range(50):
        data = bytearray(SESSIONS[seed % len(SESSIONS)])
        mutation(random.Random(seed), data)
        changed += bytes(data) != SESSIONS[seed % len(SESSIONS)]
        mutation(random.Random(seed), bytearray())
    assert changed >= 25


def test_pieces_are_the_whole() -> None:
    """However it is cut, it is the same."""
    for seed in range(100):
        assert b"".join(pieces(random.Random(seed), SESSIONS[1])) == SESSIONS[1]
