"""Each check of the provider contract fails for a provider that lies, and for no honest one."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
import pytest
import sniffio
import trio

from nspd.core.provider import Answer, Change, Host, Provider, Query, Results
from nspd.model.errors import LookupCancelled, WSAError
from nspd.model.flags import ServiceOperation
from nspd.model.queryset import QuerySet
from nspd.providers.registry import RegistryProvider
from nspd.testing import ContractViolation, ProviderContract, asked
from tests.testing.honest import Contract, Directory


class TestDirectory(Contract):
    """The honest directory keeps all of it."""

    backends = ("asyncio", "uvloop", "trio")


class NoGuid(Directory):
    """Its GUID is none."""

    def __init__(self) -> None:
        super().__init__()
        self.provider_id = "directory"


class NoKind(Directory):
    """It has no kind."""

    kind = ""


class LeavesThread(Directory):
    """A thread of its own goes on when it is closed."""

    @asynccontextmanager
    async def running(self, host: Host) -> AsyncIterator[None]:
        self.stop = threading.Event()
        threading.Thread(target=self.stop.wait, args=(3,), daemon=True).start()
        async with super().running(host):
            yield


class LeavesTask(Directory):
    """A task of its own goes on when it is closed."""

    @asynccontextmanager
    async def running(self, host: Host) -> AsyncIterator[None]:
        start_in_the_background()
        async with super().running(host):
            yield


def start_in_the_background() -> None:
    """Have something run that nobody waits for."""
    if sniffio.current_async_library() == "trio":
        trio.lowlevel.spawn_system_task(trio.sleep, 1)
    else:
        KEPT.append(asyncio.get_running_loop().create_task(asyncio.sleep(1)))


KEPT: list[Any] = []

AT_MOST = 0.25
"""Seconds within which lookups are to stop here; what lies about it takes much longer."""


def block() -> None:
    """Wait for the disk, as it were."""
    time.sleep(0.1)


class BlocksInAnswer(Directory):
    """It waits for the disk, as it were, within Begin."""

    def answer(self, query: Query) -> Answer | None:
        block()
        return super().answer(query)


class BlocksInRecords(Directory):
    """It waits while its records are taken."""

    def answer(self, query: Query) -> Answer | None:
        answer = super().answer(query)
        return answer and Answer(self._slowly(answer.records), answer.known)

    def _slowly(self, records: Any) -> Iterator[QuerySet]:
        block()
        yield from records


class BlocksInLookup(Directory):
    """It blocks the event loop."""

    async def lookup(self, query: Query, results: Results) -> None:
        block()
        await super().lookup(query, results)


class BlocksInFlush(Directory):
    """It waits while it forgets."""

    def flush(self) -> None:
        block()


class GivesNoText(Directory):
    """A lone surrogate cannot be written."""

    def record(self, name: str) -> QuerySet:
        return QuerySet(service_instance_name="\ud800")


class GivesDicts(Directory):
    """Its records are none."""

    def record(self, name: str) -> Any:
        return {"service_instance_name": name}


class GivesForeignRecords(Directory):
    """Its records are of another namespace."""

    def record(self, name: str) -> QuerySet:
        return msgspec.structs.replace(super().record(name), namespace=12)


class MarksRecords(Directory):
    """Its records say that they are changes, outside of any watch."""

    def record(self, name: str) -> QuerySet:
        return msgspec.structs.replace(super().record(name), output_flags=0x10)


class KnowsNothing(Directory):
    """It does not say that it knows a name without data."""

    def answer(self, query: Query) -> Answer | None:
        answer = super().answer(query)
        return answer and Answer(answer.records)


class KnowsAll(Directory):
    """It says that it knows every name."""

    def answer(self, query: Query) -> Answer | None:
        answer = super().answer(query)
        return answer and Answer(answer.records, known=True)


class FindsNothing(Directory):
    """It has lost a name."""

    def __init__(self) -> None:
        super().__init__()
        self.names.remove("apple")


class RaisesReservedCodes(Directory):
    """It ends with a code that is the router's."""

    async def lookup(self, query: Query, results: Results) -> None:
        await super().lookup(query, results)
        raise LookupCancelled("enough")


class RaisesAnything(Directory):
    """It fails where it should refuse."""

    def answer(self, query: Query) -> Answer | None:
        if query.restrictions.query_string is not None:
            raise KeyError(query.restrictions.query_string)
        return super().answer(query)


class ExplainsOtherwise(Directory):
    """It shares no work with lookups that are explained."""

    def sharing_key(self, query: Query) -> Hashable | None:
        return (super().sharing_key(query), query.story is not None)


class LeavesDescriptors(Directory):
    """It leaves a pipe open when it is cancelled."""

    async def lookup(self, query: Query, results: Results) -> None:
        ends = os.pipe()
        await super().lookup(query, results)
        for end in ends:
            os.close(end)


class LeavesTasks(Directory):
    """It leaves a task running when it is cancelled."""

    async def lookup(self, query: Query, results: Results) -> None:
        start_in_the_background()
        await super().lookup(query, results)


class LeavesLocked(Directory):
    """It leaves its lock locked when it is cancelled."""

    async def lookup(self, query: Query, results: Results) -> None:
        if self.lock.locked():
            raise WSAError("busy", code=11002)
        await self.lock.acquire()
        await results.send(self.record("apple"))
        self.lock.release()


class SwallowsCancellation(Directory):
    """It goes on when it is cancelled."""

    async def lookup(self, query: Query, results: Results) -> None:
        try:
            await super().lookup(query, results)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await anyio.sleep(3 * AT_MOST)
            raise


class PromisesToReturn(Directory):
    """It says that it returns when it is told to, and does not."""

    async def lookup(self, query: Query, results: Results) -> None:
        results.on_cancel(lambda: None, returns=True)
        await anyio.sleep(3 * AT_MOST)


class MistakesCancellation(Directory):
    """It takes its cancellation for a failure."""

    async def lookup(self, query: Query, results: Results) -> None:
        try:
            await super().lookup(query, results)
        except anyio.get_cancelled_exc_class():
            raise RuntimeError("lookup interrupted") from None


class HurriesOn(Directory):
    """It does not wait for its reader."""

    async def lookup(self, query: Query, results: Results) -> None:
        for name in self.names:
            with anyio.move_on_after(0.001):
                await results.send(self.record(name))


class SendsAllAtOnce(Directory):
    """It hands everything over in as many tasks."""

    async def lookup(self, query: Query, results: Results) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(results.send, self.record("apple"))


class DependsOnItsNeighbours(Directory):
    """It keeps where it is in itself, and not in the lookup."""

    place = 0

    async def lookup(self, query: Query, results: Results) -> None:
        self.place = 0
        while self.place < len(self.names):
            await results.send(self.record(self.names[self.place]))
            self.place += 1


class KeysDiffer(Directory):
    """Its sharing keys are never the same."""

    def sharing_key(self, query: Query) -> Hashable | None:
        return object()


class KeysAreTooFew(Directory):
    """It shares work of lookups for different names."""

    def sharing_key(self, query: Query) -> Hashable | None:
        return "fruit"


class KeysCannotBeHashed(Directory):
    """Its sharing keys are lists."""

    def sharing_key(self, query: Query) -> Any:
        return [query.restrictions.service_instance_name]


class KeysHaveFlags(Directory):
    """Its sharing keys depend on the fields that are wanted."""

    def sharing_key(self, query: Query) -> Hashable | None:
        return (super().sharing_key(query), query.control_flags)


class TellsUsersApart(Directory):
    """It gives every user something else, and shares it with all."""

    def answer(self, query: Query) -> Answer | None:
        answer = super().answer(query)
        if answer is None or query.uid == 60_001:
            return answer
        return Answer(())


class NeverSynced(Directory):
    """It does not tell where the set of a watch ends."""

    async def report(self, results: Results) -> None:
        await anyio.sleep_forever()


class SyncedTwice(Directory):
    """It tells it twice."""

    async def report(self, results: Results) -> None:
        results.synced()
        await super().report(results)


class TellsNoChange(Directory):
    """It tells the set, and nothing more."""

    async def report(self, results: Results) -> None:
        results.synced()
        await anyio.sleep_forever()


class ChangesAreUnmarked(Directory):
    """It does not mark what has changed."""

    def change(self, name: str) -> QuerySet:
        return self.record(name)


class AnswersWatches(Directory):
    """It answers a watch at once."""

    def answer(self, query: Query) -> Answer | None:
        return super().answer(query) or Answer((self.record("apple"),))


LIES: list[tuple[type[Directory], Callable[[Contract], None], str]] = [
    (NoGuid, Contract.test_declares_itself, "no GUID"),
    (NoKind, Contract.test_declares_itself, "kind is empty"),
    (LeavesThread, Contract.test_starts_and_stops, "leaves the thread"),
    (LeavesTask, Contract.test_starts_and_stops, "leaves the task"),
    (BlocksInAnswer, Contract.test_answers_at_once, "answer blocked"),
    (BlocksInRecords, Contract.test_answers_at_once, "taking the records of an answer blocked"),
    (BlocksInLookup, Contract.test_answers_at_once, "lookup blocked the event loop"),
    (BlocksInFlush, Contract.test_answers_at_once, "flush blocked"),
    (GivesNoText, Contract.test_finds, "cannot be written as JSON"),
    (GivesDicts, Contract.test_finds, "is dict, not QuerySet"),
    (GivesForeignRecords, Contract.test_finds, "is of namespace 12"),
    (MarksRecords, Contract.test_finds, "output_flags 0x10"),
    (KnowsNothing, Contract.test_finds, "neither known"),
    (KnowsAll, Contract.test_finds, "which is not"),
    (FindsNothing, Contract.test_finds, "finds nothing"),
    (RaisesReservedCodes, Contract.test_finds, "10111, which is the router's to give"),
    (RaisesAnything, Contract.test_bears_odd_queries, "KeyError"),
    (ExplainsOtherwise, Contract.test_explains_the_same, "has its story"),
    (LeavesDescriptors, Contract.test_stops_at_each_step, "leaves the file descriptor"),
    (LeavesDescriptors, Contract.test_stops_at_any_moment, "leaves the file descriptor"),
    (LeavesTasks, Contract.test_stops_at_each_step, "leaves the task"),
    (LeavesLocked, Contract.test_stops_at_each_step, "finds other records"),
    (SwallowsCancellation, Contract.test_stops_at_each_step, "goes on for more than"),
    (SwallowsCancellation, Contract.test_stops_at_any_moment, "goes on for more than"),
    (PromisesToReturn, Contract.test_stops_at_each_step, "goes on for more than"),
    (PromisesToReturn, Contract.test_stops_at_any_moment, "goes on for more than"),
    (MistakesCancellation, Contract.test_stops_at_each_step, "turns its cancellation into"),
    (HurriesOn, Contract.test_waits_for_its_reader, "does not wait for results.send"),
    (SendsAllAtOnce, Contract.test_waits_for_its_reader, "hands 40 records over at once"),
    (DependsOnItsNeighbours, Contract.test_side_by_side, "when many lookups run at once"),
    (DependsOnItsNeighbours, Contract.test_outlives_its_neighbour, "a neighbour is cancelled"),
    (KeysDiffer, Contract.test_sharing_keys_are_sound, "not always the same"),
    (KeysAreTooFew, Contract.test_sharing_keys_are_sound, "find other things"),
    (KeysCannotBeHashed, Contract.test_sharing_keys_are_sound, "unhashable"),
    (KeysHaveFlags, Contract.test_fields_do_not_matter, "has field flags"),
    (TellsUsersApart, Contract.test_users_are_equal, "for another user"),
    (NeverSynced, Contract.test_tells_set_and_changes, "never calls synced"),
    (SyncedTwice, Contract.test_tells_set_and_changes, "more than once"),
    (TellsNoChange, Contract.test_tells_set_and_changes, "does not tell of a change"),
    (ChangesAreUnmarked, Contract.test_tells_set_and_changes, "comes after synced"),
    (AnswersWatches, Contract.test_tells_set_and_changes, "is answered at once"),
]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("liar", "check", "sentence"), LIES, ids=lambda each: getattr(each, "__name__", "")
)
def test_liar(
    liar: type[Directory], check: Callable[[Contract], None], sentence: str, backend: str
) -> None:
    """What it does wrong is found, and said; a note names the event loop."""
    contract = Contract()
    contract.made = liar
    contract.backends = (backend,)
    contract.stops_within = AT_MOST
    with pytest.raises(ContractViolation, match=sentence) as caught:
        check(contract)
    assert caught.value.__notes__ == [f"on {backend}"]


class Register(ProviderContract):
    """A registry, or one that lies."""

    backends = ("asyncio",)
    made: type[RegistryProvider] = RegistryProvider

    def make_provider(self) -> Provider:
        return self.made(store="memory")

    def lookups(self) -> list[Query]:
        return [asked("*")]

    def refused_changes(self) -> list[Change]:
        nameless = QuerySet(service_instance_name="odd")
        return [Change(registration=nameless, operation=int(ServiceOperation.DELETE), uid=5)]


class AddsAlways(RegistryProvider):
    """REGISTER adds to what is there."""

    async def set_service(self, change: Change) -> None:
        await super().set_service(msgspec.structs.replace(change, multiple=True))


class DeletesSilently(RegistryProvider):
    """DELETE of what is not there succeeds."""

    async def set_service(self, change: Change) -> None:
        try:
            await super().set_service(change)
        except WSAError:
            if change.operation != ServiceOperation.DELETE:
                raise


class HalfDone(RegistryProvider):
    """It changes something before it fails."""

    async def set_service(self, change: Change) -> None:
        limit, free = change.limit, msgspec.structs.replace(change, limit=None)
        if limit is not None and limit < 2 and change.registration.comment is None:
            await super().set_service(free)
            raise WSAError("too many", code=8)
        await super().set_service(change)


class NoLimit(RegistryProvider):
    """It knows no limit."""

    async def set_service(self, change: Change) -> None:
        await super().set_service(msgspec.structs.replace(change, limit=None))


class OneUser(RegistryProvider):
    """It registers everything for everybody."""

    async def set_service(self, change: Change) -> None:
        await super().set_service(msgspec.structs.replace(change, machine=True, uid=0))


class KeepsForEver(RegistryProvider):
    """It keeps what was bound to a session."""

    def session_ended(self, session: int) -> None:
        """Forget nothing."""


class TrustsAnybody(RegistryProvider):
    """It takes everybody for an administrator."""

    async def set_service(self, change: Change) -> None:
        await super().set_service(msgspec.structs.replace(change, administrator=True))


@pytest.mark.parametrize(
    ("liar", "check", "sentence"),
    [
        (AddsAlways, Register.test_keeps_the_table, r"the ports are \[1, 2, 3\], not \[3\]"),
        (DeletesSilently, Register.test_keeps_the_table, "is 0, not 10108"),
        (HalfDone, Register.test_all_or_nothing, "refused with 8"),
        (NoLimit, Register.test_all_or_nothing, "past the limit is 0"),
        (OneUser, Register.test_keeps_users_apart, "another's REGISTER"),
        (TrustsAnybody, Register.test_keeps_users_apart, "is 0, not 10013"),
        (KeepsForEver, Register.test_lets_go_with_the_session, "the end of its session"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_liar_that_registers(
    liar: type[RegistryProvider], check: Callable[[Register], None], sentence: str
) -> None:
    """What it does wrong with registrations is found, and said."""
    contract = Register()
    check(contract)
    contract.made = liar
    with pytest.raises(ContractViolation, match=sentence):
        check(contract)


def test_every_check_can_fail() -> None:
    """Each check of the contract has a liar here that it finds."""
    source = globals()
    checked = {check.__name__ for _, check, _ in LIES}
    [mark] = [m for m in source["test_liar_that_registers"].pytestmark if m.name == "parametrize"]
    checked |= {check.__name__ for _, check, _ in mark.args[1]}
    assert checked == {name for name in dir(ProviderContract) if name.startswith("test_")}
