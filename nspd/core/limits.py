"""The bounds on what one user, one connection and the whole daemon may hold.

Each is a setting of the ``[limits]`` section (docs/configuration.md). Where a
limit counts for a user, it counts over all his connections. Administrators are
bound by the totals alone.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

_Count = Annotated[int, Meta(ge=1)]
_Seconds = Annotated[float, Meta(gt=0)]

READY_BYTES = 256 * 1024
"""Bytes of records held ready for one lookup before its provider waits."""

UNSENT_BYTES = 256 * 1024
"""Unsent bytes past which a connection is not read and gets no further record."""


CHANGES_BYTES = 8 * 1024 * 1024
"""Bytes of changes (SetServiceEx) not done yet, past which a connection is not read."""


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[limits]`` settings. Sizes in bytes, times in seconds."""

    max_message: _Count = 1024 * 1024
    connections: _Count = 4096
    connections_per_user: _Count = 256
    lookups: _Count = 1_000_000
    lookups_per_user: _Count = 10_000
    waiting_calls: _Count = 100_000
    ready_records: _Count = 16
    bytes_per_user: _Count = 64 * 1024 * 1024
    registrations_per_user: _Count = 100_000
    detached_per_provider: _Count = 64
    half_close_grace: _Seconds = 30.0
    send_timeout: _Seconds = 30.0
