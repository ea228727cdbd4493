"""The kinds of races that `nspctl race` runs, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nspd.race.scenarios.base import Scenario
from nspd.race.scenarios.cancel_request import CancelRequest
from nspd.race.scenarios.double_end import DoubleEnd
from nspd.race.scenarios.end_vs_next import EndVersusNext
from nspd.race.scenarios.end_vs_record import EndVersusRecord

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        scenario.name: scenario
        for scenario in (EndVersusNext(), EndVersusRecord(), DoubleEnd(), CancelRequest())
    }
)
