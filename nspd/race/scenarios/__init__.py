"""The kinds of races that `nspctl race` runs, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nspd.race.scenario import Scenario
from nspd.race.scenarios.begin_storm import BeginStorm
from nspd.race.scenarios.cancel_request import CancelRequest
from nspd.race.scenarios.disconnect import Disconnect
from nspd.race.scenarios.double_end import DoubleEnd
from nspd.race.scenarios.drain import Drain
from nspd.race.scenarios.end_before_next import EndBeforeNext
from nspd.race.scenarios.end_vs_next import EndVersusNext
from nspd.race.scenarios.end_vs_record import EndVersusRecord
from nspd.race.scenarios.flood import Flood
from nspd.race.scenarios.foreign import Foreign
from nspd.race.scenarios.rundown import Rundown
from nspd.race.scenarios.shared import Shared
from nspd.race.scenarios.slow_reader import SlowReader
from nspd.race.scenarios.stubborn import Stubborn
from nspd.race.scenarios.thread import Thread
from nspd.race.scenarios.timeout_vs_record import TimeoutVersusRecord

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        scenario.name: scenario
        for scenario in (
            EndVersusNext(),
            EndVersusRecord(),
            DoubleEnd(),
            EndBeforeNext(),
            CancelRequest(),
            TimeoutVersusRecord(),
            Rundown(),
            Disconnect(),
            Shared(),
            Stubborn(),
            Thread(),
            Flood(),
            Foreign(),
            SlowReader(),
            BeginStorm(),
            Drain(),
        )
    }
)
"""The scenarios that are built in. ``mixed`` draws from them."""
