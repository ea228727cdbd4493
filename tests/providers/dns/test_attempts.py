"""How a question ends that no server has answered."""

from __future__ import annotations

import anyio
import dns.name
import dns.rdatatype
import pytest

from nspd.model import errors
from nspd.providers.dns.attempts import Asking, Failure, Refused, Silent
from nspd.providers.dns.line import Line, Sockets
from nspd.providers.dns.servers import Server
from nspd.providers.dns.transport import Unreachable

pytestmark = pytest.mark.anyio

ONE, TWO = Server("192.0.2.1"), Server("192.0.2.2")
SILENT, REFUSED, UNREACHABLE = Silent("no answer"), Refused("SERVFAIL"), Unreachable("no route")


def asking(*failures: Failure, patience: float = 60, deadline: float | None = None) -> Asking:
    """A question that failed so at the first server, the second, ..."""
    made = Asking(
        dns.name.from_text("www.example.test"),
        dns.rdatatype.A,
        want_dnssec=False,
        story=None,
        patience=patience,
        deadline=deadline,
        line=Line(Sockets()),
    )
    made.failures.update(zip((ONE, TWO), failures, strict=False))
    return made


@pytest.mark.parametrize(
    ("failures", "error", "setting"),
    [
        ((REFUSED,), errors.TryAgain, None),
        ((SILENT,), errors.TimedOut, "timeout"),
        ((UNREACHABLE,), errors.NetworkDown, None),
        ((REFUSED, SILENT), errors.TryAgain, None),
        ((SILENT, REFUSED), errors.TryAgain, None),
        ((UNREACHABLE, REFUSED), errors.TryAgain, None),
        ((UNREACHABLE, SILENT), errors.TimedOut, "timeout"),
        ((SILENT, UNREACHABLE), errors.TimedOut, "timeout"),
    ],
)
async def test_what_a_server_said_comes_before_silence(
    failures: tuple[Failure, ...], error: type[errors.WSAError], setting: str | None
) -> None:
    """An error that was answered is told before silence, silence before an unreachable server."""
    made = asking(*failures).error()
    assert type(made) is error
    assert made.setting == setting


async def test_each_server_is_named_with_its_failure() -> None:
    """The sentence is for who must repair it."""
    assert (
        asking(REFUSED, SILENT).error().detail == "192.0.2.1:53: SERVFAIL; 192.0.2.2:53: no answer"
    )


async def test_a_deadline_that_was_hit_is_what_counts() -> None:
    """With the caller's deadline over, other servers were not given their time: 10060."""
    made = asking(REFUSED, deadline=anyio.current_time() - 1)
    assert made.is_hurried
    error = made.error()
    assert type(error) is errors.TimedOut
    assert error.setting == "deadline"


async def test_a_deadline_that_was_not_hit_changes_nothing() -> None:
    """All servers have answered before it."""
    made = asking(REFUSED, deadline=anyio.current_time() + 30)
    assert made.is_hurried
    assert type(made.error()) is errors.TryAgain


async def test_the_shorter_limit_holds() -> None:
    """Of the settings' patience and the caller's deadline."""
    now = anyio.current_time()
    assert asking(deadline=now + 5).limit == now + 5
    late = asking(deadline=now + 500)
    assert late.limit < now + 500
    assert not late.is_hurried
