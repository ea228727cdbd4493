"""Lookups that are answered in one step: the providers have the answer at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nspd.core.admission import admit
from nspd.model.flags import FIELD_BITS
from nspd.model.queryset import QuerySet, carries_all, narrow
from nspd.model.verdict import Verdict

if TYPE_CHECKING:
    from nspd.core.router import Router
    from nspd.core.session import Session

_FEW = 64
"""Records that `answer_at_hand` gives out in one step."""


def answer_at_hand(
    router: Router,
    session: Session,
    restrictions: QuerySet,
    control_flags: int,
    provider_id: str | None,
    policy: str,
) -> tuple[list[QuerySet], list[Verdict]] | None:
    """A whole lookup in one step, if all of the answer is at hand.

    That is what most lookups are, and they need neither a `Lookup` nor its
    parts. None: it has to be begun, with the same arguments.

    Raises:
        WSAError: as `Router.begin`.
    """
    entries, query, _ = admit(
        router, session, restrictions, control_flags, provider_id, policy, False
    )
    one_after_another = policy == "first" or router.catalog.leveled
    if router.observer is not None or (one_after_another and len(entries) > 1):
        return None
    fields = query.control_flags & FIELD_BITS
    whole = carries_all(fields)
    found: list[QuerySet] = []
    verdicts: list[Verdict] = []
    for entry in entries:
        asked = router.clock.now()
        answer, failure = router.call_provider(entry, entry.provider.answer, query)
        if failure is not None or answer is None or type(answer.records) is not tuple:
            return None
        records = answer.records
        for record in records:
            stamped = entry.stamped(record)
            found.append(stamped if whole else narrow(stamped, fields))
        verdicts.append(
            Verdict(
                provider_id=entry.provider_id,
                namespace=entry.namespace,
                identifier=entry.identifier,
                outcome="answered" if records else "empty",
                error=None,
                setting=None,
                records=len(records),
                elapsed=router.clock.now() - asked,
            )
        )
    if not 0 < len(found) <= _FEW:
        return None
    router.begun += 1
    for entry, verdict in zip(entries, verdicts, strict=True):
        entry.note(verdict.outcome, verdict.records, verdict.elapsed)
    return found, verdicts
