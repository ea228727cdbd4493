"""Task groups wrap what fails inside them; whoever runs a race wants the failure itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bare_failures() -> Iterator[None]:
    """Raise the first failure of a task group instead of a group with it.

    Raises:
        BaseException: that failure; the others, which it has caused, are left out.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        raise _first(group) from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
