"""What a provider is, and what it answers."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import msgspec

from nspd.core.provider import Query
from nspd.core.story import Story
from nspd.model import errors
from nspd.model.errors import WSAError
from nspd.model.flags import LookupFlags, ResultFlags
from nspd.model.native import native_size
from nspd.model.queryset import QuerySet
from nspd.testing.bench import Bench, Found, Recorder, asked, described
from nspd.testing.blocking import at_once
from nspd.testing.leaks import Holdings
from nspd.testing.stepping import stepped
from nspd.testing.violation import require

if TYPE_CHECKING:
    from nspd.testing.provider_contract import ProviderContract

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RESERVED = {
    errors.WSA_INVALID_HANDLE,
    errors.WSAEFAULT,
    errors.WSAECANCELLED,
    errors.WSA_E_CANCELLED,
}
_MARKS = int(ResultFlags.ALIAS) | int(LookupFlags.RETURN_PREFERRED_NAMES)
_CHANGES = int(ResultFlags.ADDED | ResultFlags.CHANGED | ResultFlags.DELETED)

ODD = (
    asked(),
    asked(""),
    asked("*"),
    asked("x" * 1024),
    asked("no\x00thing"),
    asked("\N{LATIN SMALL LETTER E WITH ACUTE}\N{OGHAM SPACE MARK}\N{PILE OF POO}"),
    asked("..."),
    asked("nothing", "no=such&query=string"),
    asked("nothing", "?" * 4096),
    asked("nothing", context="\\elsewhere"),
    asked("nothing", control_flags=0x10 | LookupFlags.CONTAINERS),
    asked("nothing", control_flags=0x10 | LookupFlags.DEEP | LookupFlags.NEAREST),
    asked("nothing", control_flags=-1 & 0xFFFFFFFF & ~LookupFlags.CONTAINERS),
    asked("nothing", protocols=(), addresses=()),
)
"""Queries that any client may send, and that most providers know nothing of."""


async def declares_itself(contract: ProviderContract) -> None:
    """Its members have the types that the catalog shows."""
    provider = contract.make_provider()
    name = type(provider).__name__
    for member, kind in {
        "kind": str,
        "namespace": int,
        "version": int,
        "identifier": str,
        "watches": bool,
        "registers": bool,
        "shares_across_users": bool,
        "in_all": bool,
    }.items():
        value = getattr(provider, member, None)
        require(isinstance(value, kind), f"{name}.{member} is {value!r}, not {kind.__name__}")
    require(provider.kind, f"{name}.kind is empty")
    require(_GUID.fullmatch(provider.provider_id), f"{provider.provider_id!r} is no GUID")
    workers: object = provider.workers
    good = workers is None or (isinstance(workers, int) and workers > 0)
    require(good, f"{name}.workers is {workers!r}, and not a number of threads")


async def starts_and_stops(contract: ProviderContract) -> None:
    """It can be opened and closed again and again, and leaves nothing behind."""
    for _ in range(3):
        holdings = Holdings()
        async with contract.running() as bench:
            for query in contract.lookups():
                await bench.find(query)
        await holdings.must_be_back("once it is closed", contract.stops_within)


async def answers_at_once(contract: ProviderContract) -> None:
    """Its plain functions do not block, and its lookup never blocks the event loop."""
    async with contract.running() as bench:
        provider = bench.provider
        known = [*contract.lookups(), *contract.unknown(), *contract.without_data()]
        for query in [*known, *ODD]:
            try:
                answer = at_once("answer", provider.answer, query)
                at_once("sharing_key", provider.sharing_key, query)
                if answer is not None:
                    at_once("taking the records of an answer", list, answer.records)
            except WSAError:
                continue
        for query in known:
            if await bench.answer(query) is None:
                with suppress(WSAError):
                    await stepped(provider.lookup(query, Recorder()), what="lookup")
        at_once("flush", provider.flush)
        at_once("session_ended", provider.session_ended, 77)
        for query in contract.lookups():
            whole(await bench.find(query), bench, query)


async def finds(contract: ProviderContract) -> None:
    """It finds what there is, knows what it should know, and nothing else."""
    async with contract.running() as bench:
        require(contract.lookups(), "lookups() names no lookup that finds something")
        for query in contract.lookups():
            found = await bench.find(query)
            require(found.records, f"{described(query)} finds nothing ({found.error})")
            whole(found, bench, query)
        for query in contract.without_data():
            found = await bench.find(query)
            require(not found.records, f"{described(query)} finds a record, and should not")
            means = found.known or (found.error and found.error.code == errors.WSANO_DATA)
            require(means, f"{described(query)} is known, and neither known() nor 11004 says so")
        for query in contract.unknown():
            found = await bench.find(query)
            require(not found.records, f"{described(query)} finds a record, and should not")
            require(not found.known, f"known() is called for {described(query)}, which is not")


async def bears_odd_queries(contract: ProviderContract) -> None:
    """Whatever is asked, it finds records, finds none, or ends with a `WSAError`."""
    async with contract.running() as bench:
        async with anyio.create_task_group() as tasks:
            for query in ODD:
                tasks.start_soon(_find_whole, bench, query)
        for query in contract.lookups():
            require((await bench.find(query)).records, f"then {described(query)} finds nothing")


async def _find_whole(bench: Bench, query: Query) -> None:
    whole(await bench.find(query), bench, query)


async def explains_the_same(contract: ProviderContract) -> None:
    """A lookup that is to be explained has the same answer and the same sharing key."""
    async with contract.running() as bench:
        for query in contract.lookups():
            told = msgspec.structs.replace(query, story=Story(anyio.current_time))
            plain, explained = await bench.find(query), await bench.find(told)
            same = contract.same(plain.records, explained.records)
            require(same, f"{described(query)} finds other records when it is to be explained")
            keys = [bench.provider.sharing_key(each) for each in (query, told)]
            require(keys[0] == keys[1], f"the sharing key of {described(query)} has its story")


def whole(found: Found, bench: Bench, query: Query) -> None:
    """What came is what a router can pass on.

    Raises:
        ContractViolation: it is not.
    """
    if found.error is not None:
        code = found.error.code
        good = code not in _RESERVED and 0 < code < 65536
        require(good, f"{described(query)} ends with {code}, which is the router's to give")
    for record in found.records:
        is_record(record, bench, query)
        flags = record.output_flags or 0
        require(
            query.watch or not flags & ~_MARKS,
            f"{described(query)} finds a record with output_flags {flags:#x}",
        )


def is_record(record: object, bench: Bench, query: Query) -> None:
    """It is a record, of this provider, that can be written as JSON and read again.

    Raises:
        ContractViolation: it is not.
    """
    which = f"a record of {described(query)}"
    require(isinstance(record, QuerySet), f"{which} is {type(record).__name__}, not QuerySet")
    assert isinstance(record, QuerySet)
    own = bench.provider.namespace
    require(record.namespace in (None, own), f"{which} is of namespace {record.namespace}")
    mine = record.provider_id in (None, bench.provider.provider_id)
    require(mine, f"{which} has the provider_id {record.provider_id}")
    stamped = bench.entry.stamped(record)
    try:
        again = msgspec.json.decode(msgspec.json.encode(stamped), type=QuerySet)
        native_size(stamped)
    except (TypeError, ValueError, OverflowError) as error:
        require(False, f"{which} cannot be written as JSON: {error}")
    require(again == stamped, f"{which} is not the same when it is read again")


def is_change(record: QuerySet) -> bool:
    """Whether a record of a watch says what has changed."""
    return bool((record.output_flags or 0) & _CHANGES)
