"""What ends a lookup, from what became of it at each provider."""

from __future__ import annotations

import pytest

from nspd.model.verdict import Outcome, Verdict, conclude, provider_code


def verdict(outcome: Outcome, error: int | None = None, records: int = 0) -> Verdict:
    """A verdict of some provider."""
    return Verdict(
        provider_id="5e1d0000-0000-4000-8000-00000000000b",
        namespace=11,
        identifier="hosts",
        outcome=outcome,
        error=error,
        setting=None,
        records=records,
        elapsed=0.0,
    )


ANSWERED = verdict("answered", records=1)
EMPTY = verdict("empty")
LATE = verdict("timed_out", 10060)
FAILED = verdict("failed", 11002)
FAILED_SILENTLY = verdict("failed")
SKIPPED = verdict("skipped")
CANCELLED = verdict("cancelled")


@pytest.mark.parametrize(
    ("verdicts", "known", "out_of_time", "code"),
    [
        ([EMPTY], False, False, 10108),
        ([], False, False, 10108),
        ([SKIPPED, CANCELLED], False, False, 10108),
        ([EMPTY], True, False, 11004),
        ([FAILED], True, True, 11004),
        ([FAILED], False, True, 10060),
        ([FAILED, EMPTY], False, False, 11002),
        ([FAILED, LATE, EMPTY], False, False, 10060),
        ([LATE, FAILED], False, False, 11002),
        ([LATE, FAILED_SILENTLY], False, False, 10107),
        ([ANSWERED, FAILED], False, True, 10110),
        ([verdict("failed", 11002, records=2)], True, False, 10110),
    ],
)
def test_the_first_reason_that_holds(
    verdicts: list[Verdict], known: bool, out_of_time: bool, code: int
) -> None:
    """Records, known, out of time, the last that failed in catalog order, not found."""
    assert conclude(verdicts, known=known, out_of_time=out_of_time) == code


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (10102, None),
        (10110, None),
        (6, 10107),
        (10014, 10107),
        (10103, 10107),
        (10111, 10107),
        (11001, 11001),
        (10060, 10060),
        (12345, 12345),
    ],
)
def test_codes_that_providers_end_with(code: int, meaning: int | None) -> None:
    """Case 36: the end is no error, and what is the router's to say is no provider's."""
    assert provider_code(code) == meaning
