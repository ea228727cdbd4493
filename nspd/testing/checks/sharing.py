"""Sharing of work (C11), and lookups side by side."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import anyio
import msgspec

from nspd.core.provider import Query
from nspd.model.flags import FIELD_BITS, LookupFlags
from nspd.testing.bench import Bench, Recorder, described
from nspd.testing.violation import ContractViolation, require

if TYPE_CHECKING:
    from nspd.testing.provider_contract import ProviderContract

_OTHER_USER = 60_002


async def keys_are_sound(contract: ProviderContract) -> None:
    """Equal lookups have equal keys, and lookups with equal keys find the same."""
    async with contract.running() as bench:
        queries = [*contract.lookups(), *contract.unknown(), *contract.without_data()]
        keys = [(query, _key(bench, query)) for query in queries if not query.watch]
        for query, key in keys:
            again = _key(bench, msgspec.structs.replace(query))
            require(key == again, f"the sharing key of {described(query)} is not always the same")
        for (one, key), (other, other_key) in combinations(keys, 2):
            if key is None or key != other_key:
                continue
            found = [(await bench.find(query)).records for query in (one, other)]
            require(
                contract.same(*found),
                f"{described(one)} and {described(other)} share their work, and find other things",
            )


def _key(bench: Bench, query: Query) -> object:
    key = bench.provider.sharing_key(query)
    try:
        hash(key)
    except TypeError as error:
        raise ContractViolation(f"the sharing key of {described(query)}: {error}") from error
    return key


async def fields_do_not_matter(contract: ProviderContract) -> None:
    """Which fields a lookup wants changes neither its key nor how many records it finds."""
    async with contract.running() as bench:
        for query in contract.lookups():
            kept = query.control_flags & ~FIELD_BITS | LookupFlags.RETURN_ALIASES
            few = msgspec.structs.replace(query, control_flags=int(kept))
            keys = [bench.provider.sharing_key(each) for each in (query, few)]
            require(keys[0] == keys[1], f"the sharing key of {described(query)} has field flags")


async def users_are_equal(contract: ProviderContract) -> None:
    """What is shared across users does not depend on who asks."""
    async with contract.running() as bench:
        if not bench.provider.shares_across_users:
            return
        for query in contract.lookups():
            other = msgspec.structs.replace(query, uid=_OTHER_USER)
            found = [(await bench.find(each)).records for each in (query, other)]
            require(
                contract.same(*found),
                f"{described(query)} finds other things for another user, and is shared with him",
            )


async def side_by_side(contract: ProviderContract) -> None:
    """Many lookups at once find what each finds alone."""
    async with contract.running() as bench:
        queries = [query for query in contract.lookups() if not query.watch]
        alone = [(await bench.find(query)).records for query in queries]
        expected = [*zip(queries, alone, strict=True)] * 4
        crowd = [(query, records, Recorder()) for query, records in expected]
        async with anyio.create_task_group() as tasks:
            for query, _, recorder in crowd:
                tasks.start_soon(_find, bench, query, recorder)
        for query, records, recorder in crowd:
            require(
                contract.same(records, recorder.records),
                f"{described(query)} finds other things when many lookups run at once",
            )


async def _find(bench: Bench, query: Query, recorder: Recorder) -> None:
    recorder.records += (await bench.find(query)).records
