"""Watches: first the set that exists, then its end, then changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from nspd.core.provider import Query
from nspd.testing.bench import Bench, Recorder, described, eventually
from nspd.testing.checks.answering import is_change, is_record
from nspd.testing.leaks import Holdings
from nspd.testing.violation import require

if TYPE_CHECKING:
    from nspd.testing.provider_contract import ProviderContract


_AT_LEAST = 2.0
"""Seconds for which what must come is waited for, on a machine that may be busy."""


def _within(contract: ProviderContract) -> float:
    return max(contract.ends_within, _AT_LEAST)


async def tells_set_and_changes(contract: ProviderContract) -> None:
    """Records of the set are no changes, ``synced`` ends it once, what follows is marked."""
    async with contract.running() as bench:
        if not bench.provider.watches:
            return
        require(contract.watches(), "the provider watches, and watches() names no lookup")
        for query in contract.watches():
            holdings = Holdings()
            require(query.watch, f"{described(query)} is no watch")
            await _watch(contract, bench, query)
            await holdings.must_be_back(f"after {described(query)}", contract.stops_within)


async def _watch(contract: ProviderContract, bench: Bench, query: Query) -> None:
    answered = await bench.answer(query)
    require(answered is None, f"{described(query)} is answered at once, so no change could follow")
    recorder = Recorder()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.perform, query, recorder)
        await eventually(lambda: recorder.synced_at is not None, _within(contract))
        require(recorder.synced_at is not None, f"{described(query)} never calls synced()")
        synced = recorder.synced_at or 0
        await contract.change(bench.provider)
        await eventually(lambda: len(recorder.records) > synced, _within(contract))
        tasks.cancel_scope.cancel()
    require(recorder.times_synced == 1, f"{described(query)} calls synced() more than once")
    for place, record in enumerate(recorder.records):
        is_record(record, bench, query)
        is_new = place >= synced
        require(
            is_change(record) == is_new,
            f"{described(query)}: record {place + 1} comes {'after' if is_new else 'before'} "
            f"synced() and has output_flags {record.output_flags}",
        )
    require(len(recorder.records) > synced, f"{described(query)} does not tell of a change")
