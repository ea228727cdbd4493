"""A daemon of the laboratory's own that does not start is reported, not waited for."""

from __future__ import annotations

import sys

import pytest

from nspd.model.errors import NetworkDown
from nspd.race.daemon import own_daemon


@pytest.mark.anyio
async def test_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the daemon ends before it listens, its exit status and last words are told."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(NetworkDown, match="exit 1: it said nothing"):
        async with own_daemon():
            pass
