"""The loop of a driver: tasks, moments, descriptors, deadlines."""

from __future__ import annotations

import socket
import time
from types import SimpleNamespace

import pytest

from nspd.race.loop import IN, Loop


def test_returns_and_raises() -> None:
    """Running gives what the coroutine returns, or raises what it raises."""

    async def seven() -> int:
        return 7

    async def fails() -> None:
        raise LookupError("no")

    assert Loop().run(seven()) == 7
    with pytest.raises(LookupError, match="no"):
        Loop().run(fails())


def test_tasks_take_turns() -> None:
    """Tasks run in the order in which they became ready, each until it waits."""
    loop, seen = Loop(), list[str]()

    async def speak(name: str) -> None:
        for step in range(3):
            seen.append(f"{name}{step}")
            await loop.turn()

    async def main() -> None:
        for task in [loop.spawn(speak("a")), loop.spawn(speak("b"))]:
            await loop.join(task)

    loop.run(main())
    assert seen == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_join_raises() -> None:
    """Who waits for a task gets what ended it."""
    loop = Loop()

    async def fails() -> None:
        await loop.turn()
        raise LookupError("joined")

    async def main() -> str:
        try:
            await loop.join(loop.spawn(fails()))
        except LookupError as error:
            return str(error)
        return "nothing"

    assert loop.run(main()) == "joined"


def test_error_that_nobody_waits_for() -> None:
    """A task that fails unobserved ends the run; its error is not lost."""
    loop = Loop()

    async def fails() -> None:
        raise LookupError("alone")

    async def main() -> None:
        loop.spawn(fails())
        await loop.sleep(60)

    with pytest.raises(LookupError, match="alone"):
        loop.run(main())


def test_sleeps_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sleeps shorter wakes earlier, and nobody wakes too early."""
    now = 1000.0
    monkeypatch.setattr("nspd.race.loop.time", SimpleNamespace(monotonic=lambda: now))
    loop, woke = Loop(), list[float]()

    async def sleep(seconds: float) -> None:
        await loop.sleep(seconds)
        woke.append(seconds)

    async def main() -> None:
        nonlocal now
        for seconds in (4, 1, 2):
            loop.spawn(sleep(seconds))
        for moment, expected in (
            (1000.0, []),
            (1000.5, []),
            (1001.0, [1]),
            (1001.5, [1]),
            (1005.0, [1, 2, 4]),
        ):
            now = moment
            for _ in range(3):
                await loop.turn()
            assert woke == expected

    loop.run(main())


def test_resumed_for_nothing() -> None:
    """A sleeper that is resumed early goes back to sleep."""
    loop = Loop()

    async def main() -> float:
        before = time.monotonic()
        task = loop.spawn(loop.sleep(0.01))
        await loop.turn()
        loop.resume(task)
        loop.resume(task)
        await loop.join(task)
        return time.monotonic() - before

    assert loop.run(main()) >= 0.01


def test_descriptor() -> None:
    """A watched descriptor calls back while there is something to read, until unwatched."""
    loop, heard = Loop(), list[bytes]()
    ours, theirs = socket.socketpair()

    async def main() -> None:
        task = loop.current

        def ready(events: int) -> None:
            assert events & IN
            heard.append(ours.recv(3))
            loop.resume(task)

        loop.watch(ours.fileno(), IN, ready)
        theirs.send(b"abcdef")
        while len(heard) < 2:
            await loop.suspend()
        loop.unwatch(ours.fileno())
        loop.unwatch(ours.fileno())
        theirs.send(b"more")
        await loop.turn()

    with ours, theirs:
        loop.run(main(), within=5)
        assert heard == [b"abc", b"def"]


def test_deadline() -> None:
    """A wait beyond its task's deadline raises TimeoutError; clean-up runs."""
    loop, cleaned = Loop(), list[str]()

    async def main() -> None:
        try:
            await loop.suspend()
        finally:
            cleaned.append("up")

    with pytest.raises(TimeoutError):
        loop.run(main(), within=0.01)
    assert cleaned == ["up"]


def test_what_is_left_is_closed() -> None:
    """Tasks that are under way when the run ends are closed, and clean up."""
    loop, cleaned = Loop(), list[str]()

    async def waits() -> None:
        try:
            await loop.suspend()
        finally:
            cleaned.append("up")

    async def main() -> None:
        loop.spawn(waits())
        await loop.turn()

    loop.run(main())
    assert cleaned == ["up"]
