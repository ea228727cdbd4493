"""What the judge has found: violations, and what it could not tell."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

Finding = tuple[str, str]
"""What a promise's function returns: the promise broken, and what was seen, in one sentence."""


class Violation(Struct, frozen=True):
    """One promise broken once."""

    promise: str
    """``C1`` to ``C15``, or one that cancellation.md does not number: ``isolation`` (a
    foreign handle worked), ``order`` (a reply before that to Begin), ``shape``
    (protocol.md knows no such reply), and, found by `nspd.race.drive`, ``outcome`` (not
    legal in this scenario)."""
    time: float
    """When it was seen, on the clock of the observations."""
    client: int
    """The connection on which it was seen."""
    detail: str
    """What was seen, in one sentence."""


class Findings:
    """Where findings go, with the moment and the connection on which they were made."""

    def __init__(self) -> None:
        self.now = 0.0
        self.client = 0
        self.not_judged: Counter[str] = Counter()
        self._found: list[Violation] = []

    def report(self, finding: Finding | None) -> None:
        """Note a finding, if there is one."""
        if finding is not None:
            promise, detail = finding
            self._found.append(Violation(promise, self.now, self.client, detail))

    def take(self) -> list[Violation]:
        """What was noted since the last time."""
        if not self._found:
            return []
        found, self._found = self._found, []
        return found
