"""Each check of the client contract fails for a client that errs, and for no good one."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from nspd.testing import ClientContract, ContractViolation
from tests.testing.plain_client import LOST, Call, Connection, Lookup, Plain, PlainClient


class TestPlainClient(Plain):
    """A good client keeps all of it."""


class CannotGiveUp(Plain):
    """One whose callers cannot give up is not asked to."""

    def give_up_next(self, client: Any, lookup: Any, when: Callable[[], object]) -> None:
        raise NotImplementedError


def test_giving_up_is_optional() -> None:
    """The two checks about it pass without it."""
    CannotGiveUp().test_keeps_a_late_record()
    CannotGiveUp().test_withdraws_what_is_given_up()


class NoStartup(PlainClient):
    """It begins without a session."""

    def perform(self, connection: Connection, method: str, params: Any) -> Any:
        return None if method == "NSPv2Startup" else super().perform(connection, method, params)


class IllFormed(PlainClient):
    """It sends members that no daemon knows."""

    def perform(self, connection: Connection, method: str, params: Any) -> Any:
        return super().perform(connection, method, {**params, "hurry": True})


class ReusesIds(PlainClient):
    """It takes the lowest id that is free."""

    def new_id(self, connection: Connection) -> int:
        return max(connection.calls, default=0) + 1


class AnswersInOrder(PlainClient):
    """It takes every record for that of its oldest call."""

    def take(self, connection: Connection, line: bytes) -> None:
        message = json.loads(line)
        if "service_instance_name" in (message.get("result") or {}):
            message["id"] = min(each for each, call in connection.calls.items() if call.lookup)
        super().take(connection, json.dumps(message).encode())


class ReadsChunks(PlainClient):
    """It takes what one read gives for one message."""

    def lines(self, sock: socket.socket) -> Iterator[bytes]:
        while chunk := sock.recv(65_536):
            yield chunk


class ShortLines(PlainClient):
    """It reads lines of up to 64 KiB."""

    def take(self, connection: Connection, line: bytes) -> None:
        super().take(connection, line[:65_536])


class StrictReader(PlainClient):
    """It bears nothing that it does not know."""

    def take(self, connection: Connection, line: bytes) -> None:
        if json.loads(line).keys() - {"jsonrpc", "id", "result", "error"}:
            raise ValueError("unknown member")
        super().take(connection, line)


class TakesStrays(PlainClient):
    """It takes a stray reply for that to its oldest call."""

    def stray(self, connection: Connection, message: Any) -> None:
        calls, connection.calls = connection.calls, {}
        for call in calls.values():
            call.result = message.get("result")
            call.done.set()


class KeepsStrays(PlainClient):
    """It keeps a stray record for the next call that comes."""

    kept: Any = None

    def stray(self, connection: Connection, message: Any) -> None:
        self.kept = message.get("result")

    def next(self, lookup: Lookup) -> str:
        pause = threading.Event()
        for _ in range(100):
            if self.kept is not None:
                return self.name(self.kept)
            pause.wait(0.001)
        return super().next(lookup)


class OldCodes(PlainClient):
    """It passes the old codes on."""

    def meaning(self, code: int) -> int:
        return code


class OneCode(PlainClient):
    """It knows one error."""

    def meaning(self, code: int) -> int:
        return 10107


class OneAtATime(PlainClient):
    """It sends nothing while a call waits."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.turn = threading.Lock()

    def next(self, lookup: Lookup) -> str:
        with self.turn:
            return super().next(lookup)

    def end(self, lookup: Lookup) -> None:
        with self.turn:
            super().end(lookup)


class DropsLateRecords(PlainClient):
    """It drops the record of a call that was given up."""

    def late(self, connection: Connection, call: Call, message: Any) -> None:
        """Forget it."""


class KeepsSecrets(PlainClient):
    """It does not tell the daemon what was given up."""

    def withdraw(self, connection: Connection, number: int) -> None:
        """Say nothing."""


class TakesLossForTheEnd(PlainClient):
    """It takes a lost connection for the end of the records."""

    def meaning(self, code: int) -> int:
        return 10110 if code == LOST else super().meaning(code)


class WaitsForEver(PlainClient):
    """It leaves calls waiting when the connection is lost."""

    def lost(self, connection: Connection) -> None:
        connection.lost = True
        connection.calls = {}


class BelievesHalf(PlainClient):
    """It mends a reply that has broken off."""

    def take(self, connection: Connection, line: bytes) -> None:
        if not line.endswith(b"\n"):
            [call] = connection.calls.values()
            connection.calls.clear()
            call.result = {"service_instance_name": "half"}
            call.done.set()
        else:
            super().take(connection, line)


class SkipsRubbish(PlainClient):
    """It goes on reading behind what is no message."""

    def take(self, connection: Connection, line: bytes) -> None:
        with suppress(ValueError):
            super().take(connection, line)


class NeverBack(PlainClient):
    """It does not connect a second time."""

    def begin(self) -> Lookup:
        if self.connection is not None:
            return Lookup(self.connection, 1)
        return super().begin()


class TakesHandlesAlong(PlainClient):
    """It uses old handles on a new connection."""

    def connection_of(self, lookup: Lookup) -> Connection:
        assert self.connection is not None
        return self.connection


class StaysConnected(PlainClient):
    """It keeps its connection when it is closed."""

    def close(self) -> None:
        if self.connection is not None:
            self.lost(self.connection)


LIES: list[tuple[type[PlainClient], Callable[[ClientContract], None], str]] = [
    (NoStartup, Plain.test_speaks_the_protocol, "sends no NSPv2Startup"),
    (IllFormed, Plain.test_speaks_the_protocol, "what no daemon takes"),
    (ReusesIds, Plain.test_ids_are_not_reused, "an id is used twice"),
    (AnswersInOrder, Plain.test_takes_replies_in_any_order, "the answer to another"),
    (ReadsChunks, Plain.test_takes_pieces, "NextEx fails"),
    (ShortLines, Plain.test_takes_long_records, "NextEx fails"),
    (StrictReader, Plain.test_ignores_what_it_does_not_know, "disturbs the client|fails"),
    (TakesStrays, Plain.test_trusts_no_stray_reply, "which is not its own"),
    (KeepsStrays, Plain.test_trusts_no_second_reply, "which is not its own"),
    (OldCodes, Plain.test_knows_the_old_codes, "is 10102 to callers, not 10110"),
    (OneCode, Plain.test_tells_codes, "11004 from the daemon is 10107"),
    (OneAtATime, Plain.test_end_overtakes_next, "does not send NSPv2LookupServiceEnd"),
    (DropsLateRecords, Plain.test_keeps_a_late_record, "lost, or out of turn"),
    (KeepsSecrets, Plain.test_withdraws_what_is_given_up, "does not send"),
    (
        TakesLossForTheEnd,
        Plain.test_fails_what_waits_when_the_daemon_is_lost,
        "a lost connection is 10110",
    ),
    (WaitsForEver, Plain.test_fails_what_waits_when_the_daemon_is_lost, "does not end"),
    (BelievesHalf, Plain.test_fails_on_half_a_message, "succeeds that should have failed"),
    (SkipsRubbish, Plain.test_fails_on_what_is_no_message, "does not end"),
    (NeverBack, Plain.test_connects_anew, "does not connect anew"),
    (TakesHandlesAlong, Plain.test_connects_anew, "over the new one"),
    (StaysConnected, Plain.test_closing_ends_what_waits, "keeps its connection"),
]


@pytest.mark.parametrize(
    ("liar", "check", "sentence"), LIES, ids=lambda each: getattr(each, "__name__", "")
)
def test_liar(
    liar: type[PlainClient], check: Callable[[ClientContract], None], sentence: str
) -> None:
    """What it does wrong is found, and said."""
    contract = Plain()
    contract.made = liar
    contract.within = 0.5
    with pytest.raises(ContractViolation, match=sentence):
        check(contract)


def test_every_check_can_fail() -> None:
    """Each check of the contract has a liar here that it finds."""
    checks = {name for name in dir(ClientContract) if name.startswith("test_")}
    assert {check.__name__ for _, check, _ in LIES} == checks
