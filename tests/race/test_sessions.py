"""How many Startups stand, in the order in which they take effect."""

from __future__ import annotations

from itertools import count

from nspd.race.entries import OtherCall
from nspd.race.messages import CLEANUP, STARTUP
from nspd.race.sessions import Session


class Client:
    """Sends Startups and Cleanups of one session, and hears of them."""

    def __init__(self) -> None:
        self.session = Session()
        self._ids = count(1)

    def sends(self, method: str, *, heard: bool = True, cancels: bool = False) -> OtherCall:
        call = OtherCall(next(self._ids) if heard else None, method, 0.0, None)
        call.params = {"cancel_on_begin": cancels}
        self.session.sent(call)
        return call

    def hears(self, call: OtherCall, code: int | None = None) -> OtherCall | None:
        call.answered, call.code = True, code
        return self.session.settle()

    def started(self, startups: int) -> Client:
        for _ in range(startups):
            self.hears(self.sends(STARTUP))
        return self

    def cancels(self) -> bool:
        return self.session.cancel_on_begin

    @property
    def standing(self) -> tuple[int, int]:
        return self.session.least, self.session.most


def test_calls_count_in_the_order_sent() -> None:
    """Whichever reply is read first: what is behind an unanswered call waits for it."""
    client = Client().started(1)
    first, second, third = (client.sends(method) for method in (CLEANUP, STARTUP, CLEANUP))
    assert client.hears(third) is None
    assert client.hears(second) is None
    assert (client.standing, len(client.session.pending)) == ((1, 1), 3)
    assert client.hears(first) is third
    assert (client.standing, client.session.ended) == ((0, 0), 2)
    assert not client.session.pending


def test_a_cleanup_that_is_not_the_last_closes_nothing() -> None:
    """Nor does one that fails while a session stands."""
    client = Client().started(2)
    assert client.hears(client.sends(CLEANUP)) is None
    assert client.hears(client.sends(CLEANUP), code=10022) is None
    assert (client.standing, client.session.ended) == ((1, 1), 0)


def test_a_startup_that_fails_does_not_count() -> None:
    """The Cleanup behind it is the last one of the session before."""
    client = Client().started(1)
    client.hears(client.sends(STARTUP, cancels=True), code=10092)
    last = client.sends(CLEANUP)
    assert client.hears(last) is last
    assert client.standing == (0, 0)


def test_a_startup_that_nothing_answers_may_have_failed() -> None:
    """From then on the number is known within bounds, until a Cleanup is one too many."""
    client = Client().started(1)
    client.sends(STARTUP, heard=False)
    assert client.standing == (1, 2)
    assert client.hears(client.sends(CLEANUP)) is None
    assert client.standing == (0, 1)
    refused = client.sends(CLEANUP)
    assert client.hears(refused, code=10022) is refused
    assert (client.standing, client.session.ended) == ((0, 0), 2)


def test_only_the_first_startup_says_whether_begin_cancels() -> None:
    """Its option holds until the session is closed; that of a further one is ignored."""
    client = Client()
    first, second = client.sends(STARTUP), client.sends(STARTUP, cancels=True)
    assert client.session.may_cancel_on_begin
    client.hears(second)
    client.hears(first)
    assert not client.cancels()
    for _ in range(2):
        client.hears(client.sends(CLEANUP))
    client.hears(client.sends(STARTUP, cancels=True))
    assert (client.cancels(), client.session.may_cancel_on_begin) == (True, False)
    client.hears(client.sends(CLEANUP))
    assert not client.cancels()
