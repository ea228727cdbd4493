"""What the tests of providers share is shared with their contracts."""

from __future__ import annotations

from tests.providers.dns.servers import knot

__all__ = ["knot"]
