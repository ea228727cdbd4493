"""The hash index of the hosts table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nspd.providers.hosts.index import Index


@given(st.lists(st.tuples(st.sampled_from([f"name-{i}" for i in range(200)]), st.integers(0, 99))))
def test_positions_come_back_in_the_order_of_adding(added: list[tuple[str, int]]) -> None:
    """Under each text are exactly its positions, however often the index grew."""
    index = Index()
    expected: dict[str, list[int]] = {}
    for text, position in added:
        index.add(text, position)
        expected.setdefault(text, []).append(position)
    assert {text: list(index.find(text)) for text in expected} == expected
    assert len(index) == len(added)


def test_many_texts_are_all_found() -> None:
    """Growing loses nothing; a text that was not added gives next to nothing."""
    index = Index()
    for number in range(20_000):
        index.add(f"host-{number}", number)
    assert all(number in index.find(f"host-{number}") for number in range(20_000))
    # Another text of the same 32-bit hash may be there: one in 200,000.
    assert sum(len(list(index.find(f"none-{number}"))) for number in range(1000)) < 10


def test_one_text_with_many_positions_stays_cheap() -> None:
    """A block list gives one address a hundred thousand times; adding does not walk them."""
    index = Index()
    for number in range(100_000):
        index.add("0.0.0.0", number)
    assert list(index.find("0.0.0.0")) == list(range(100_000))
