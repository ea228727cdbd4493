"""A machine that sleeps."""

from __future__ import annotations

from typing import Any

import anyio
import dns.name
import dns.rdatatype
import pytest
import structlog

from nspd.providers.dns import suspend
from nspd.providers.dns.memory import Key
from nspd.providers.dns.options import Options
from nspd.providers.dns.resolver import open_resolver
from nspd.providers.dns.suspend import LOOK_EVERY, time_asleep, watch
from tests.backends import backend
from tests.providers.dns.upstream import FakeUpstream, reply

pytestmark = pytest.mark.anyio

WWW = Key(dns.name.from_text("www.test."), int(dns.rdatatype.A))


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both in virtual time."""
    return backend(request.param)


def test_the_time_asleep_does_not_grow_while_awake() -> None:
    """Between two looks at the clocks hardly anything passes."""
    before = time_asleep()
    assert before > -1
    assert time_asleep() - before < 1


async def test_each_sleep_is_told_once() -> None:
    """As soon as it is seen; what is too short to matter is not."""
    slept = 0.0
    woken: list[float] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch, lambda: woken.append(slept), lambda: slept)
        for slept in (0.0, 0.5, 300.0, 300.0, 301.0):  # noqa: B007 - the watch reads it
            await anyio.sleep(LOOK_EVERY * 1.5)
        tasks.cancel_scope.cancel()
    assert woken == [300.0, 301.0]


async def test_answers_do_not_outlive_their_time_by_sleeping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cache is emptied when the machine wakes: how old its answers are is not known."""
    slept = 0.0
    monkeypatch.setattr(suspend, "time_asleep", lambda: slept)
    fake = FakeUpstream({"www.test A": reply(("www.test.", "A", "192.0.2.1"))})
    options = Options(servers=("127.0.0.1",), resolv_conf="")
    async with open_resolver(options, log=structlog.get_logger(), upstream=fake.made) as resolver:
        await resolver.resolve(WWW.name, WWW.rdtype)
        await anyio.sleep(10)
        assert resolver.at_hand(WWW) is not None
        slept = 8 * 3600.0
        await anyio.sleep(LOOK_EVERY * 1.5)
        assert resolver.at_hand(WWW) is None
