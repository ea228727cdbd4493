"""Any operations and mishaps, in any order: ledger, census and order hold after every step.

NSPD_EXAMPLES says how many plays there are; Hypothesis prints the one that fails.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from nspd.core.limits import Limits
from nspd.model.namespaces import Namespace, fixed_guid
from nspd.providers.registry import RegistryProvider
from nspd.providers.test import TestProvider
from tests.cases.harness import ADMIN, ALICE, BOB, House, another_test_provider, open_house
from tests.schedules.books import check_books
from tests.schedules.players import FLUSH_PREVIOUS, Player
from tests.schedules.stage import STAGES, Stage
from tests.seeded import BACKENDS

EXAMPLES = int(os.environ.get("NSPD_EXAMPLES", "30"))

LIMITS = Limits(lookups_per_user=6, ready_records=4, bytes_per_user=1_000_000)

SCRIPTS = (
    "records=3",
    "records=0",
    "records=0&hang=1",
    "records=3&gate=g",
    "records=4&gate=g&shared=k",
    "records=30&shared=k&size=1000",
    "records=50&flood=1",
    "records=20&size=100000",
    "records=2&delay=0.05&jitter=0.02",
    "records=1&gate=g&stubborn=0.3",
    "records=2&fail=11002",
    "records=1&crash=1",
    "records=1&foreign=1",
    "refuse=10013",
    "records=3&steps=4",
    "records=2&gate=g&hang=1",
)
PROVIDERS = (fixed_guid(0xF001), fixed_guid(int(Namespace.TEST)))

ORDER = [*PROVIDERS, fixed_guid(int(Namespace.REGISTRY))]

METHODS = (
    "WSAEnumNameSpaceProvidersEx",
    "WSAProviderConfigChange",
    "nspd.Monitor",
    "nspd.Status",
    "nspd.ListLookups",
    "nspd.ListSessions",
    "nspd.Statistics",
    "nspd.FlushCaches",
    "nspd.TestReset",
)
OTHERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("startup", {}),
    ("cleanup", {}),
    ("rundown", {}),
    *(("ask", {"method": method}) for method in METHODS),
    *(
        ("ask", {"method": "WSCEnableNSProvider", "provider_id": provider, "enable": on})
        for provider in PROVIDERS
        for on in (True, False)
    ),
    *(
        ("ask", {"method": "WSCWriteNameSpaceOrder", "provider_ids": order})
        for order in (ORDER, ORDER[::-1])
    ),
    (
        "ask",
        {
            "method": "nspd.Explain",
            "restrictions": {"namespace": int(Namespace.TEST), "query_string": "gate=g"},
            "timeout": 0.05,
        },
    ),
    *(
        ("set_service", {"operation": operation, "lifetime": lifetime})
        for operation in range(3)
        for lifetime in ("permanent", "session")
    ),
)
MISHAPS = (
    ("disconnect", None),
    ("stall", 0),
    ("stall", 100),
    ("stall", 300_000),
    ("read again", None),
    ("read again", None),
)

PLAYERS = st.integers(0, 3)
OLD = st.integers(0, 20)
TICKS = st.integers(0, 4)


class Play(RuleBasedStateMachine):
    """Three users with four clients, two providers of the test namespace, and a registry."""

    stage_type: type[Stage]

    def __init__(self) -> None:
        super().__init__()
        self.stage = self.stage_type(
            lambda: open_house(
                TestProvider(), another_test_provider(), RegistryProvider(), limits=LIMITS
            )
        )
        self.stage.house.log.announced.add("provider failed")
        self.players: list[Player] = []

    @initialize()
    def connect(self) -> None:
        for uid in (ADMIN, ALICE, ALICE, BOB):
            self.players.append(self.stage.perform(partial(Player, uid=uid)))

    def act(self, number: int, ticks: int, operation: str, /, *args: Any, **options: Any) -> None:
        """Have one client do something, and let others take some steps."""
        player = self.players[number]
        self.stage.perform(lambda house: getattr(player, operation)(*args, **options), ticks)

    # Lookups

    @rule(
        who=PLAYERS,
        ticks=TICKS,
        script=st.sampled_from(SCRIPTS),
        timeout=st.sampled_from([None, None, 0, 0.05]),
        policy=st.sampled_from(["all", "all", "first"]),
        watch=st.sampled_from([False, False, True]),
        nexts=st.integers(0, 4),
    )
    def begin(
        self,
        who: int,
        ticks: int,
        script: str,
        timeout: Any,
        policy: str,
        watch: bool,
        nexts: int,
    ) -> None:
        if watch:
            script, policy = "records=2&watch_every=0.05", "all"
        self.act(who, 0, "be_able")
        self.act(who, ticks, "begin", script, timeout=timeout, policy=policy, watch=watch)
        for _ in range(nexts):
            self.act(who, ticks, "next", 0, timeout=None, room=None, flags=0)

    @rule(
        who=PLAYERS,
        ticks=TICKS,
        which=OLD,
        timeout=st.sampled_from([None, None, 0, 0.02]),
        room=st.sampled_from([None, None, 0, 500]),
        flags=st.sampled_from([0, 0, FLUSH_PREVIOUS]),
    )
    def next(self, who: int, ticks: int, which: int, timeout: Any, room: Any, flags: int) -> None:
        self.act(who, ticks, "next", which, timeout=timeout, room=room, flags=flags)

    @rule(who=PLAYERS, ticks=TICKS, which=OLD, number=st.integers(1, 8))
    def read(self, who: int, ticks: int, which: int, number: int) -> None:
        for _ in range(number):
            self.act(who, ticks, "next", which, timeout=None, room=None, flags=0)

    @rule(who=PLAYERS, ticks=TICKS, script=st.sampled_from(SCRIPTS), nexts=st.integers(0, 5))
    def begin_and_read(self, who: int, ticks: int, script: str, nexts: int) -> None:
        self.begin(who, ticks, script, None, "all", False, nexts)

    @rule(who=PLAYERS, ticks=TICKS, which=OLD)
    def end(self, who: int, ticks: int, which: int) -> None:
        self.act(who, ticks, "end", which)

    @rule(who=PLAYERS, of=PLAYERS, ticks=TICKS, which=OLD)
    def end_anothers(self, who: int, of: int, ticks: int, which: int) -> None:
        self.act(who, ticks, "end_lookup_of", self.players[of], which)

    @rule(who=PLAYERS, ticks=TICKS, which=OLD)
    def cancel_request(self, who: int, ticks: int, which: int) -> None:
        self.act(who, ticks, "cancel_request", which)

    @rule(who=PLAYERS, ticks=TICKS, script=st.sampled_from(SCRIPTS))
    def lookup(self, who: int, ticks: int, script: str) -> None:
        self.act(who, ticks, "lookup", script)

    @rule(who=PLAYERS, ticks=TICKS, which=st.lists(OLD, min_size=1, max_size=5))
    def batch(self, who: int, ticks: int, which: list[int]) -> None:
        self.act(who, ticks, "batch", which)

    # The rest of the operations, and what happens to people

    @rule(who=PLAYERS, ticks=TICKS, what=st.sampled_from(OTHERS))
    def anything_else(self, who: int, ticks: int, what: tuple[str, dict[str, Any]]) -> None:
        self.act(who, ticks, what[0], **what[1])

    @rule(tokens=st.integers(1, 4), ticks=TICKS)
    def open_gate(self, tokens: int, ticks: int) -> None:
        self.stage.perform(lambda house: house.open("g", tokens), ticks)

    @rule(seconds=st.sampled_from([0.001, 0.02, 0.05, 0.1, 0.31, 5]))
    def time_passes(self, seconds: float) -> None:
        self.stage.sleep(seconds)

    @rule(ticks=st.integers(1, 30))
    def tasks_run(self, ticks: int) -> None:
        self.stage.perform(lambda house: None, ticks)

    @rule(who=PLAYERS, ticks=TICKS, what=st.sampled_from(MISHAPS))
    def mishap(self, who: int, ticks: int, what: tuple[str, int | None]) -> None:
        def befall(house: House) -> None:
            player = self.players[who]
            socket = player.client.socket
            if what[0] == "disconnect":
                player.client.vanish()
                self.players[who] = Player(house, player.client.uid)
            elif what[1] is None:
                socket.read_again()
            else:
                socket.stop_reading(what[1])

        self.stage.perform(befall, ticks)

    # What holds after every step

    @invariant()
    def the_books_are_right(self) -> None:
        if self.players:
            self.stage.perform(check_books)

    @invariant()
    def everybody_is_told_the_truth(self) -> None:
        for player in self.players:
            player.check()

    def teardown(self) -> None:
        for player in self.players:
            self.stage.perform(player.finish, 5)
        self.stage.close()
        for player in self.players:
            player.check()


@pytest.mark.parametrize("backend", BACKENDS)
def test_any_play(backend: str) -> None:
    """Case 149: whatever comes when, each request has one reply, and each count is right."""

    class On(Play):
        stage_type = STAGES[backend]

    run_state_machine_as_test(
        On,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
