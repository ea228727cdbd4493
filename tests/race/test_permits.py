"""Permits for detached work: never too many, first come first served."""

from __future__ import annotations

from nspd.race.loop import Loop
from nspd.race.permits import Permits


def test_never_too_many() -> None:
    """However many ask, no more hold permits than there are."""
    loop = Loop()
    permits = Permits(loop, 3)
    held, most = 0, 0

    async def hold(number: int) -> None:
        nonlocal held, most
        await permits.take(number)
        held += number
        most = max(most, held)
        await loop.turn()
        held -= number
        permits.give_back(number)

    async def main() -> None:
        for task in [loop.spawn(hold(1 + place % 3)) for place in range(30)]:
            await loop.join(task)

    loop.run(main(), within=10)
    assert (most, permits.free) == (3, 3)


def test_first_come() -> None:
    """One who needs many is not overtaken by those who need few."""
    loop, order = Loop(), list[str]()
    permits = Permits(loop, 2)

    async def take(name: str, number: int) -> None:
        await permits.take(number)
        order.append(name)

    async def main() -> None:
        await permits.take(1)
        tasks = [loop.spawn(take("two", 2)), loop.spawn(take("one", 1))]
        await loop.turn()
        assert order == []
        permits.give_back(1)
        await loop.join(tasks[0])
        permits.give_back(2)
        await loop.join(tasks[1])

    loop.run(main(), within=10)
    assert order == ["two", "one"]


def test_more_than_there_are() -> None:
    """Who asks for more than all gets all, and gives as many back."""
    loop = Loop()
    permits = Permits(loop, 2)

    async def main() -> None:
        await permits.take(5)
        assert permits.free == 0
        permits.give_back(5, 0.001)
        await permits.take(2)

    loop.run(main(), within=10)


def test_waiting_does_not_count() -> None:
    """A task's deadline moves by as long as it waits for a permit."""
    loop = Loop()
    permits = Permits(loop, 1)

    async def main() -> float:
        before = loop.current.deadline
        await permits.take(1)
        permits.give_back(1, 0.3)
        await permits.take(1)
        assert before is not None
        assert loop.current.deadline is not None
        return loop.current.deadline - before

    assert loop.run(main(), within=0.2) >= 0.3
