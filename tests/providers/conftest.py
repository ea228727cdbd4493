"""What the tests of several providers share."""

from __future__ import annotations

from tests.providers.dns.servers import knot, unbound

__all__ = ["knot", "unbound"]
