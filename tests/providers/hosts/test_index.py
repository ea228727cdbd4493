"""The hash index of the hosts table."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.providers.hosts import index as module
from nspd.providers.hosts.index import Index, IndexBuilder


def no_pause() -> None:
    """Nobody else wants to run."""


def index_of(texts: list[str]) -> Index:
    """An index of texts, each at the position that it has in the list."""
    builder = IndexBuilder(no_pause)
    builder.add(texts, range(len(texts)))
    return builder.build()


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([f"name-{i}" for i in range(200)]), st.integers(0, 99)))
    )
)
def test_positions_come_back_in_ascending_order(parts: list[list[tuple[str, int]]]) -> None:
    """Under each text are exactly its positions, in whatever portions they were added."""
    builder = IndexBuilder(no_pause)
    expected: dict[str, list[int]] = {}
    for part in parts:
        builder.add([text for text, _ in part], [position for _, position in part])
        for text, position in part:
            expected.setdefault(text, []).append(position)
    index = builder.build()
    assert {text: list(index.find(text)) for text in expected} == {
        text: sorted(positions) for text, positions in expected.items()
    }
    assert len(index) == sum(map(len, parts))


def test_an_empty_index_finds_nothing() -> None:
    """Whether it was built of nothing or not at all."""
    for index in (Index(), index_of([])):
        assert len(index) == 0
        assert list(index.find("a")) == []


def test_many_texts_are_all_found() -> None:
    """Merging loses nothing; a text that was not added gives next to nothing."""
    index = index_of([f"host-{number}" for number in range(50_000)])
    assert all(number in index.find(f"host-{number}") for number in range(50_000))
    # Another text of the same 29-bit hash may be there: one in 10,000.
    assert sum(len(list(index.find(f"none-{number}"))) for number in range(1000)) < 10


def test_the_largest_position_comes_back() -> None:
    """No bit of 32 is lost."""
    builder = IndexBuilder(no_pause)
    builder.add(["a", "a"], [2**32 - 1, 0])
    assert list(builder.build().find("a")) == [0, 2**32 - 1]


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param(["0.0.0.0"] * 100_000, id="one"),
        pytest.param(["0.0.0.0", "::"] * 50_000, id="two in turn"),
        pytest.param([f"host-{number}" for number in range(100_000)], id="all distinct"),
    ],
)
def test_no_step_of_building_is_long(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Little is sorted between two pauses, also of a block list, which has one address."""
    steps = [0]
    sort = module._sorted

    def counted(entries: array[int]) -> array[int]:
        steps[-1] += len(entries)
        return sort(entries)

    monkeypatch.setattr(module, "_sorted", counted)
    builder = IndexBuilder(lambda: steps.append(0))
    builder.add(texts, range(len(texts)))
    index = builder.build()
    assert list(index.find(texts[0]))[: len(texts)] == [
        number for number, text in enumerate(texts) if text == texts[0]
    ]
    assert sum(steps) == 2 * len(texts)
    assert max(steps) <= 2 * module._RUN
