"""Provider levels: who is asked for a name, and in which order (section 8 of the contract)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nspd.model.levels import AuthLevel, Claim, by_level

PRIMARY = Claim(AuthLevel.PRIMARY, wildcard=False)
SECONDARY = Claim(AuthLevel.SECONDARY, wildcard=False)
WILDCARD = Claim()
NOTHING = Claim(AuthLevel.NONE, wildcard=False)
PRIMARY_TOO = Claim(AuthLevel.PRIMARY, wildcard=True)


@pytest.mark.parametrize(
    ("claims", "asked"),
    [
        ([], []),
        ([NOTHING], []),
        ([WILDCARD], [0]),
        ([WILDCARD, SECONDARY, PRIMARY], [2, 1, 0]),
        ([SECONDARY, WILDCARD, SECONDARY, WILDCARD], [0, 2, 1, 3]),
        ([PRIMARY, PRIMARY], [0]),
        ([PRIMARY, PRIMARY_TOO], [0, 1]),
        ([PRIMARY_TOO, PRIMARY, SECONDARY], [0, 2]),
        ([NOTHING, WILDCARD, NOTHING], [1]),
    ],
)
def test_order(claims: list[Claim], asked: list[int]) -> None:
    """The primary, the secondaries, the wildcards; of two primaries the first counts."""
    assert by_level(claims) == asked


@given(st.lists(st.builds(Claim, st.sampled_from(AuthLevel), st.booleans()), max_size=8))
def test_any_claims(claims: list[Claim]) -> None:
    """Nobody is asked twice, and all who may be asked for any name are asked."""
    asked = by_level(claims)
    assert len(set(asked)) == len(asked)
    assert {at for at, claim in enumerate(claims) if claim.wildcard} <= set(asked)
    primaries = [at for at in asked if claims[at].level is AuthLevel.PRIMARY]
    assert not primaries or asked[0] == primaries[0] == min(
        at for at, claim in enumerate(claims) if claim.level is AuthLevel.PRIMARY
    )
