"""How one provider is asked for a lookup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nspd.model import errors
from nspd.model.verdict import provider_code

if TYPE_CHECKING:
    from nspd.core.part import Part


def ask(part: Part) -> errors.WSAError | None:
    """Ask one provider for a lookup: take its answer, join shared work, or start some.

    Returns the error with which the provider refused, if it did.
    """
    entry = part.entry
    router = part.lookup.router
    query = part.lookup.query
    if query.story is not None:
        query = part.told(query)
    answer, failure = router.call_provider(entry, entry.provider.answer, query)
    if failure is None and answer is not None:
        part.answer(answer)
        return None
    if failure is None:
        failure = router.shared.read(part)
        if failure is None:
            return None
    part.fail(failure)
    code = provider_code(failure.code)
    return None if code is None else errors.error_for(code, failure.detail, failure.data)
