"""How a test tells how much it has tried."""

from __future__ import annotations

from collections.abc import Callable

from tests.exhaustive.explore import Report

Tell = Callable[[Report], Report]
