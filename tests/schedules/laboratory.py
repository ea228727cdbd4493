"""Races as data: each has a name, a scenario, and the outcomes that are legal.

A scenario opens a house (the whole server in memory), brings its moves together
under the seed's schedule, and says what came of it. The house checks ledger,
census, starts and stops, and the log each time it closes.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Hashable
from typing import NamedTuple

import anyio

from tests.cases.harness import Client, code_of, ticks

Scenario = Callable[[random.Random], Awaitable[Hashable]]


class Race(NamedTuple):
    """One race: what is done, and how it may end."""

    name: str
    scenario: Scenario
    legal: frozenset[Hashable]
    seeds: int


RACES: dict[str, Race] = {}
"""All races, by name."""


def race(name: str, *legal: Hashable, seeds: int = 200) -> Callable[[Scenario], Scenario]:
    """Enter a scenario under a name, with every outcome that it may and must have."""

    def enter(scenario: Scenario) -> Scenario:
        assert name not in RACES
        RACES[name] = Race(name, scenario, frozenset(legal), seeds)
        return scenario

    return enter


async def meet(*moves: Callable[[], object], chance: random.Random, most: int = 4) -> None:
    """Make each move in a task of its own, after up to ``most`` steps that chance decides."""

    async def make(move: Callable[[], object], steps: int) -> None:
        await ticks(steps)
        move()

    async with anyio.create_task_group() as tasks:
        for move in moves:
            tasks.start_soon(make, move, chance.randint(0, most))


async def told(client: Client, id: int | str) -> str | int:
    """What a Next was told: the name in the record, or the code."""
    reply = await client.reply(id)
    return code_of(reply) or str(reply["result"]["service_instance_name"])


async def work_of(client: Client, id: int | str) -> str:
    """What an End, which must not fail, said of the work."""
    work: str = (await client.result(id))["work"]
    return work
