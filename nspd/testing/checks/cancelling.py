"""End at every await: whatever a lookup waits for, it stops and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from nspd.core.provider import Query
from nspd.model.errors import WSAError
from nspd.testing.bench import Bench, Recorder, cause_of, described, eventually
from nspd.testing.leaks import Holdings
from nspd.testing.stepping import stepped
from nspd.testing.violation import ContractViolation, require

if TYPE_CHECKING:
    from nspd.testing.provider_contract import ProviderContract

_WHILE = 0.1
"""Seconds for which a reader takes nothing."""


class _Cut:
    """One lookup that is cancelled at some moment."""

    def __init__(self, bench: Bench, query: Query, step: int | None = None) -> None:
        self._bench = bench
        self._query = query
        self._step = step
        self._scope = anyio.CancelScope()
        self.recorder = self.take(Recorder())
        self.cancelled = False
        self.done = anyio.Event()

    def take(self, recorder: Recorder) -> Recorder:
        """What takes its records, and can cancel it."""
        recorder.cancel_sender = self._scope.cancel
        return recorder

    def cancel(self) -> None:
        """End the lookup."""
        if not self.done.is_set():
            self.cancelled = True
            self.recorder.cancel()

    async def run(self) -> None:
        """Run it to its end, whichever that is."""
        try:
            with self._scope:
                work = self._bench.provider.lookup(self._query, self.recorder)
                await stepped(work, self._before)
        except Exception as error:
            if not isinstance(cause_of(error), WSAError):
                what = described(self._query)
                how = "turns its cancellation into" if self.cancelled else "fails with"
                raise ContractViolation(f"the lookup of {what} {how} {error!r}") from error
        finally:
            self.done.set()

    def begun_to_send(self) -> bool:
        """Whether it has handed a record over, or come to its end."""
        return bool(self.recorder.sending) or self.done.is_set()

    def _before(self, step: int) -> None:
        if step == self._step:
            self.cancel()


async def stops_at_each_step(contract: ProviderContract) -> None:
    """Cancelled in each of its own steps, and then asked again: it finds what it found before."""
    async with contract.running() as bench:
        for query in _in_tasks(contract, bench):
            ends = query in contract.lookups()
            before = (await bench.find(query)).records if ends else []
            holdings = Holdings()
            for step in range(contract.most_steps):
                cut = _Cut(bench, query, step)
                if not await _cut_short(contract, cut, query, holdings, turns=None):
                    break
            if ends:
                after = (await bench.find(query)).records
                same = contract.same(before, after)
                require(same, f"after cancellations {described(query)} finds other records")


async def stops_at_any_moment(contract: ProviderContract) -> None:
    """Cancelled from outside after more and more turns of the event loop."""
    async with contract.running() as bench:
        for query in _in_tasks(contract, bench):
            holdings = Holdings()
            for turns in _growing():
                cut = _Cut(bench, query)
                reached = await _cut_short(contract, cut, query, holdings, turns=turns)
                if not reached or turns > contract.most_steps:
                    break


async def waits_for_its_reader(contract: ProviderContract) -> None:
    """A reader that takes nothing holds the provider up, and can be left at any time."""
    async with contract.running() as bench:
        for query in _in_tasks(contract, bench):
            holdings = Holdings()
            cut = _Cut(bench, query)
            cut.recorder = cut.take(Recorder(anyio.sleep_forever))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cut.run)
                await eventually(cut.begun_to_send, contract.stops_within)
                await eventually(cut.done.is_set, _WHILE)
                most = cut.recorder.most_sending
                require(
                    most <= contract.most_sending,
                    f"{described(query)} hands {most} records over at once, and waits for none",
                )
                finished = cut.done.is_set() and most
                require(not finished, f"{described(query)} does not wait for results.send")
                cut.cancel()
                await _stopped(contract, cut, query)
            await holdings.must_be_back(f"after {described(query)}", contract.stops_within)


async def outlives_its_neighbour(contract: ProviderContract) -> None:
    """Of two equal lookups one is cancelled in its middle; the other finds everything."""
    async with contract.running() as bench:
        for query in _in_tasks(contract, bench, slow=False):
            alone = await bench.find(query)
            for turns in (0, 1, 2, 3, 5, 8, 20):
                cut, other = _Cut(bench, query), Recorder()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(cut.run)
                    tasks.start_soon(bench.perform, query, other)
                    for _ in range(turns):
                        await checkpoint()
                    cut.cancel()
                require(
                    contract.same(alone.records, other.records),
                    f"{described(query)} finds other records when a neighbour is cancelled",
                )


def _in_tasks(contract: ProviderContract, bench: Bench, *, slow: bool = True) -> Iterator[Query]:
    """The lookups that are not answered at once; without those that may never end, if asked."""
    for query in [*contract.lookups(), *(contract.slow_lookups() if slow else ())]:
        if bench.provider.answer(query) is None:
            yield query


def _growing() -> Iterator[int]:
    """0, 1, 2, ... and then in larger steps."""
    turns = 0
    while True:
        yield turns
        turns += 1 + turns // 16


async def _cut_short(
    contract: ProviderContract, cut: _Cut, query: Query, holdings: Holdings, turns: int | None
) -> bool:
    """Cancel a lookup at its moment; False: it came to its end, or to a long wait, before that."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cut.run)
        if turns is not None:
            for _ in range(turns):
                await checkpoint()
            cut.cancel()
        await eventually(lambda: cut.done.is_set() or cut.cancelled, contract.ends_within)
        reached = cut.cancelled
        cut.cancel()
        await _stopped(contract, cut, query)
    await holdings.must_be_back(f"after {described(query)}", contract.stops_within)
    return reached


async def _stopped(contract: ProviderContract, cut: _Cut, query: Query) -> None:
    if not await eventually(cut.done.is_set, contract.stops_within):
        within = contract.stops_within
        raise ContractViolation(
            f"{described(query)} goes on for more than {within} s after its cancellation"
        )
