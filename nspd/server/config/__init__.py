"""Where the settings come from: files, environment and command line, in layers.

Reading order: `report` (what is said about a mistake), `values` (one setting),
`providers` (the list of them), `layers` (all put together; no I/O), `files`
(the edge).
"""

from __future__ import annotations

from nspd.server.config.files import load
from nspd.server.config.layers import Configuration
from nspd.server.config.report import ConfigError, Origin, Problem

__all__ = ["ConfigError", "Configuration", "Origin", "Problem", "load"]
