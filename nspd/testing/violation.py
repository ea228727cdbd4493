"""What a contract check raises."""

from __future__ import annotations


class ContractViolation(AssertionError):
    """A provider or a client does not do what nspd relies on; the text says what, in one sentence.

    It is an `AssertionError`, so test runners report it as a failed test.
    """


def require(holds: object, sentence: str) -> None:
    """Raise `ContractViolation` with this sentence unless something holds."""
    if not holds:
        raise ContractViolation(sentence)
