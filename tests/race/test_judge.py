"""The judge is proven by liars: each breaks one promise, and is found under its number."""

from __future__ import annotations

import pytest

from nspd.race.judge import Judge
from tests.race.histories import BEGIN, CLEANUP, END, NEXT, STARTUP, History, record

H = 4_000_000_001


def waiting() -> History:
    """A lookup on which one NextEx (2) waits."""
    return History().begins(H).asks(2, NEXT, lookup=H)


def ended() -> History:
    """A lookup ended while one NextEx waited, all rightly answered."""
    return waiting().asks(3, END, lookup=H).fails(2, 10111).ended(3, cancelled=1)


def opened(startups: int = 1) -> History:
    """A session with so many Startups; on its one lookup a NextEx (2) waits."""
    history = History()
    for id in range(100, 100 + startups):
        history.asks(id, STARTUP).gets(id, {})
    return history.begins(H).asks(2, NEXT, lookup=H)


def cleaned() -> History:
    """Two Cleanups sent together have closed the session, and said so."""
    return opened(2).asks(3, CLEANUP).asks(4, CLEANUP).gets(3, None).gets(4, None)


LIES: dict[str, tuple[History, list[str]]] = {
    "the reply to NextEx is lost": (
        waiting().asks(3, END, lookup=H).ended(3, cancelled=1),
        ["C1"],
    ),
    "the reply to End is lost": (
        waiting().asks(3, END, lookup=H).fails(2, 10111),
        ["C1"],
    ),
    "the reply to a withdrawn call is lost": (
        waiting().asks(3, "$/cancelRequest", id=2).gets(3, None),
        ["C1"],
    ),
    "the daemon hangs up on a waiting call": (waiting().observe("hung_up"), ["C1"]),
    "a reply is doubled": (ended().fails(2, 10111), ["C1"]),
    "a reply to a request never made": (History().gets(7, None), ["C1"]),
    "a reply under the text of a numeric id": (
        waiting().asks(3, END, lookup=H).fails("2", 10111).fails(2, 10111).ended(3, cancelled=1),
        ["C1"],
    ),
    "End is answered before the 10111": (
        waiting().asks(3, END, lookup=H).ended(3, cancelled=1).fails(2, 10111),
        ["C2"],
    ),
    "one of two waiting calls is forgotten until later": (
        waiting()
        .asks(3, NEXT, lookup=H)
        .asks(4, END, lookup=H)
        .fails(2, 10111)
        .ended(4, cancelled=2)
        .fails(3, 10111),
        ["C2"],
    ),
    "a waiting call is told that the handle is gone": (
        waiting().asks(3, END, lookup=H).fails(2, 6).ended(3),
        ["C2"],
    ),
    "End fails": (
        History().begins(H).asks(2, END, lookup=H).fails(2, 8),
        ["C3"],
    ),
    "a second End succeeds": (ended().asks(4, END, lookup=H).ended(4, work="none"), ["C4"]),
    "a second End, sent with the first, succeeds": (
        History().begins(H).asks(2, END, lookup=H).asks(3, END, lookup=H).ended(2).ended(3),
        ["C4"],
    ),
    "a second End gets another code": (ended().asks(4, END, lookup=H).fails(4, 10022), ["C4"]),
    "a handle is revived": (ended().asks(4, NEXT, lookup=H).gets(4, record(1)), ["C4"]),
    "a NextEx sent after End is cancelled, not refused": (
        waiting()
        .asks(3, END, lookup=H)
        .asks(4, NEXT, lookup=H)
        .fails(2, 10111)
        .ended(3, cancelled=1)
        .fails(4, 10111),
        ["C4"],
    ),
    "a live handle is refused": (waiting().fails(2, 6), ["C4"]),
    "a handle is used again": (ended().begins(H, id=4), ["C4"]),
    "a handle is given out twice at once": (
        History().begins(H).begins(H, id=2),
        ["C4"],
    ),
    "a record is delivered after End": (
        waiting().asks(3, END, lookup=H).ended(3).gets(2, record(1)),
        ["C5"],
    ),
    "a cancelled call carries a record": (
        waiting()
        .asks(3, END, lookup=H)
        .fails(2, 10111, service_instance_name="test-1")
        .ended(3, cancelled=1),
        ["C6"],
    ),
    "a reply is result and error at once": (
        waiting().observe(
            "received",
            {"id": 2, "result": record(1), "error": {"code": 8, "data": {}}},
        ),
        ["C6"],
    ),
    "half a record is delivered": (
        waiting().gets(2, {"service_instance_name": "test-1"}),
        ["C6"],
    ),
    "a record is delivered twice": (
        waiting().gets(2, record(1)).asks(3, NEXT, lookup=H).gets(3, record(1)),
        ["C7"],
    ),
    "a record is left out": (
        waiting().gets(2, record(2)).asks(3, END, lookup=H).ended(3),
        ["C7"],
    ),
    "the record of a withdrawn call is dropped": (
        waiting()
        .asks(3, "$/cancelRequest", id=2)
        .fails(2, 10111)
        .gets(3, None)
        .asks(4, NEXT, lookup=H)
        .fails(4, 10110, verdicts=[{"records": 1, "error": None}]),
        ["C7"],
    ),
    "a handle outlives two Cleanups sent together": (
        cleaned().fails(2, 10111).asks(5, NEXT, lookup=H).gets(5, record(1)),
        ["C4"],
    ),
    "a handle outlives a Cleanup that nothing answers": (
        opened().asks(None, CLEANUP).fails(2, 10111).asks(5, NEXT, lookup=H).gets(5, record(1)),
        ["C4"],
    ),
    "a call outlives two Cleanups sent together": (cleaned(), ["C10"]),
    "the Begin before two Cleanups is answered after them, and its lookup lives": (
        opened(2)
        .asks(3, BEGIN, restrictions={})
        .asks(4, CLEANUP)
        .asks(5, CLEANUP)
        .fails(2, 10111)
        .gets(4, None)
        .gets(5, None)
        .gets(3, {"lookup": H + 1})
        .asks(6, NEXT, lookup=H + 1)
        .gets(6, record(1)),
        ["C4"],
    ),
    "End tells of too many cancelled calls": (
        waiting().asks(3, END, lookup=H).fails(2, 10111).ended(3, cancelled=2),
        ["C8"],
    ),
    "End tells of too few cancelled calls": (
        waiting().asks(3, END, lookup=H).fails(2, 10111).ended(3, cancelled=0),
        ["C8"],
    ),
    "End does not tell of the work": (
        History().begins(H).asks(2, END, lookup=H).gets(2, None),
        ["C8"],
    ),
    "a cancel request for nothing fails": (
        History().asks(1, "$/cancelRequest", id=99).fails(1, 10022),
        ["C13"],
    ),
    "the old cancel code is sent": (waiting().fails(2, 10103), ["C14"]),
    "the old end code is sent": (waiting().fails(2, 10102), ["C14"]),
    "the old end code is in a verdict": (
        waiting().fails(2, 10108, verdicts=[{"records": 0, "error": 10102}]),
        ["C14"],
    ),
    "a call is cancelled that nobody cancelled": (waiting().fails(2, 10111), ["C15"]),
    "neither result nor error": (waiting().observe("received", {"id": 2}), ["shape"]),
    "an error without a code": (waiting().observe("received", {"id": 2, "error": []}), ["shape"]),
    "Begin gives no handle": (
        History().asks(1, BEGIN, restrictions={}).gets(1, {"lookup": "1"}),
        ["shape"],
    ),
    "a line that is no object": (History().observe("received", "pong"), ["shape"]),
}


@pytest.mark.parametrize("lie", LIES)
def test_lie(lie: str) -> None:
    """Each lie is found, under its own number and no other."""
    history, promises = LIES[lie]
    assert history.over().promises == promises


def test_foreign_handle() -> None:
    """A server that lets another connection use a handle is found."""
    owner = waiting()
    thief = History(client=2, judge=owner.judge)
    thief.asks(1, END, lookup=H).ended(1)
    assert thief.promises == ["isolation"]


def test_violation_says_what_was_seen() -> None:
    """A violation names connection, time, call and handle, for a person to find the place."""
    history = waiting().asks(3, END, lookup=H).ended(3, cancelled=1).fails(2, 10111)
    [violation] = history.violations
    assert (violation.client, violation.time) == (1, 6.0)
    assert violation.detail == (
        f"NextEx 2 of lookup {H} got WSA_E_CANCELLED (10111) after the reply to End"
    )


TRUTHS: dict[str, History] = {
    "End while a call waits": ended(),
    "the record came first": (
        waiting().asks(3, END, lookup=H).gets(2, record(1)).ended(3, work="none")
    ),
    "a second End is refused (C4)": ended().asks(4, END, lookup=H).fails(4, 6),
    "End and NextEx in one write (C4)": (
        History()
        .begins(H)
        .asks(2, END, lookup=H)
        .asks(3, NEXT, lookup=H)
        .fails(3, 6)
        .ended(2, work="none")
    ),
    "replies of two lookups overtake each other": (
        waiting()
        .begins(H + 1, id=3)
        .asks(4, NEXT, lookup=H + 1)
        .asks(5, END, lookup=H)
        .asks(6, END, lookup=H + 1)
        .fails(4, 10111)
        .ended(6, cancelled=1)
        .fails(2, 10111)
        .ended(5, cancelled=1)
    ),
    "records overtake each other": (
        waiting()
        .asks(3, NEXT, lookup=H)
        .gets(3, record(2))
        .gets(2, record(1))
        .asks(4, END, lookup=H)
        .ended(4, work="none")
    ),
    "a withdrawn call, and its record at the next (C7)": (
        waiting()
        .asks(3, "$/cancelRequest", id=2)
        .gets(3, None)
        .fails(2, 10111)
        .asks(4, NEXT, lookup=H)
        .gets(4, record(1))
        .asks(5, NEXT, lookup=H)
        .fails(5, 10110, verdicts=[{"records": 1, "error": None}])
    ),
    "a cancel request and End meet": (
        waiting()
        .asks(3, "$/cancelRequest", id=2)
        .asks(4, END, lookup=H)
        .fails(2, 10111)
        .gets(3, None)
        .ended(4, cancelled=0)
    ),
    "a second cancel request, and one for nothing (C13)": (
        waiting()
        .asks(3, "$/cancelRequest", id=2)
        .asks(4, "$/cancelRequest", id=2)
        .asks(5, "$/cancelRequest", id=77)
        .fails(2, 10111)
        .gets(3, None)
        .gets(4, None)
        .gets(5, None)
    ),
    "a hanging call when the history ends": waiting(),
    "the client leaves": waiting().observe("left"),
    "Rundown cancels (C10)": (
        waiting()
        .asks(3, "NSPv2ClientSessionRundown")
        .fails(2, 10111)
        .gets(3, None)
        .asks(4, END, lookup=H)
        .fails(4, 6)
    ),
    "calls after the last Cleanup": (
        ended().asks(4, CLEANUP).gets(4, None).asks(5, END, lookup=H).fails(5, 10093)
    ),
    "a session is closed and another opened in one write": (
        opened(2)
        .asks(3, CLEANUP)
        .asks(4, CLEANUP)
        .asks(5, STARTUP)
        .asks(6, BEGIN, restrictions={})
        .gets(6, {"lookup": H + 1})
        .asks(7, NEXT, lookup=H + 1)
        .asks(8, NEXT, lookup=H)
        .gets(7, record(1))
        .fails(2, 10111)
        .fails(8, 6)
        .gets(5, {})
        .gets(3, None)
        .gets(4, None)
        .asks(9, NEXT, lookup=H + 1)
        .gets(9, record(2))
        .asks(10, NEXT, lookup=H)
        .fails(10, 6)
    ),
    "a Cleanup too few leaves the lookups": (
        opened(3)
        .asks(3, CLEANUP)
        .asks(4, CLEANUP)
        .gets(3, None)
        .gets(4, None)
        .gets(2, record(1))
        .asks(5, NEXT, lookup=H)
        .gets(5, record(2))
    ),
    "a Cleanup too many fails": (
        cleaned().fails(2, 10111).asks(5, CLEANUP).asks(6, CLEANUP).fails(5, 10022).fails(6, 10022)
    ),
    "a Startup that may have failed": (
        opened()
        .asks(None, STARTUP, protocol=9)
        .asks(3, CLEANUP)
        .gets(3, None)
        .asks(4, NEXT, lookup=H)
        .gets(2, record(1))
        .gets(4, record(2))
    ),
    "the first of two Startups decides, whichever is answered first (C12)": (
        History()
        .asks(0, STARTUP, cancel_on_begin=True)
        .asks(9, STARTUP)
        .gets(9, {})
        .begins(H)
        .asks(2, NEXT, lookup=H)
        .asks(3, BEGIN, restrictions={})
        .fails(2, 10111)
        .gets(3, {"lookup": H + 1})
        .gets(0, {})
    ),
    "Begin cancels where the session asked for it (C12)": (
        History()
        .asks(0, STARTUP, cancel_on_begin=True)
        .gets(0, {})
        .begins(H)
        .asks(2, NEXT, lookup=H)
        .asks(3, BEGIN, restrictions={})
        .fails(2, 10111)
        .gets(3, {"lookup": H + 1})
    ),
    "an administrator ends the lookup": (
        waiting()
        .asks(3, "nspd.EndLookup", lookup=H)
        .fails(2, 10111)
        .ended(3, cancelled=1)
        .asks(4, END, lookup=H)
        .fails(4, 6)
    ),
    "its provider is disabled": (
        waiting().asks(3, "WSCEnableNSProvider", enable=False).fails(2, 10111).gets(3, None)
    ),
    "the daemon drains": (
        waiting()
        .observe("received", {"method": "nspd.GoingAway", "params": {"deadline": 5}})
        .fails(2, 10111)
        .observe("hung_up")
    ),
    "a batch is answered in any order": (
        waiting()
        .observe(
            "sent",
            [
                {"id": 3, "method": NEXT, "params": {"lookup": H}},
                {"id": 4, "method": END, "params": {"lookup": H}},
            ],
        )
        .fails(2, 10111)
        .observe(
            "received",
            [
                {"id": 4, "result": {"cancelled": 2, "work": "stopped"}},
                {"id": 3, "error": {"code": 10111, "data": {}}},
            ],
        )
    ),
    "a handle guessed before its Begin was answered": (
        History()
        .asks(1, BEGIN, restrictions={})
        .asks(2, NEXT, lookup=H)
        .asks(3, END, lookup=H)
        .gets(1, {"lookup": H})
        .fails(2, 10111)
        .ended(3, cancelled=1)
        .asks(4, END, lookup=H)
        .fails(4, 6)
    ),
    "End as a notification": (
        waiting().asks(None, END, lookup=H).fails(2, 10111).asks(3, NEXT, lookup=H).fails(3, 6)
    ),
    "FLUSHPREVIOUS drops a record": (
        History()
        .begins(H)
        .asks(2, NEXT, lookup=H, buffer_length=0)
        .fails(2, 10014, buffer_length=200)
        .asks(3, NEXT, lookup=H, control_flags=0x2000)
        .gets(3, record(2))
        .asks(4, END, lookup=H)
        .ended(4, work="none")
    ),
    "a watch shows a record again": (
        History()
        .begins(H, watch=True)
        .asks(2, NEXT, lookup=H)
        .gets(2, record(1))
        .asks(3, NEXT, lookup=H)
        .gets(3, record(1))
    ),
    "a duplicate id is refused": (
        waiting().asks(2, END, lookup=H).fails(None, -32600, id=2).gets(2, record(1))
    ),
    "an End that is no End": (
        waiting().asks(3, END, lookup=H, extra=1).fails(3, -32602).gets(2, record(1))
    ),
    "rubbish from the client": History().observe("sent", {"method": 5}).observe("sent", 17),
}


@pytest.mark.parametrize("truth", TRUTHS)
def test_truth(truth: str) -> None:
    """A history in which every promise is kept gives no violation."""
    assert TRUTHS[truth].over().violations == []


def test_not_judged_says_why() -> None:
    """What cannot be told from the client's side is counted with its reason."""
    history = waiting().fails(None, -32700).asks(9, NEXT, lookup=5).fails(9, 6)
    history.over()
    assert history.judge.not_judged == {
        "an error without an id": 1,
        "still waiting, as it may": 1,
    }
    assert history.judge.judged == 2


def test_settled_is_forgotten() -> None:
    """After ten thousand lookups the judge holds nothing but the interval of their handles."""
    history = History(judge=Judge())
    for handle in range(H, H + 10_000):
        history.begins(handle).asks(2, NEXT, lookup=handle).asks(3, END, lookup=handle)
        assert history.judge.remembered == 3
        history.fails(2, 10111).ended(3, cancelled=1)
    assert history.judge.remembered == 0
    assert history.violations == []


@pytest.mark.parametrize(
    "closing",
    [
        [CLEANUP, CLEANUP],
        [CLEANUP, CLEANUP, STARTUP, CLEANUP],
        [STARTUP, CLEANUP, CLEANUP, CLEANUP],
    ],
)
@pytest.mark.parametrize("heard", [True, False])
def test_what_several_cleanups_ended_is_forgotten(closing: list[str], heard: bool) -> None:
    """However the session was closed, its lookups are not kept until the client leaves."""
    history = History(judge=Judge())
    for handle in range(H, H + 4_000, 2):
        for id in (100, 101):
            history.asks(id, STARTUP).gets(id, {})
        history.begins(handle).asks(2, NEXT, lookup=handle)
        history.asks(3, BEGIN, restrictions={})  # answered when the session is closed again
        ids = list(range(4, 4 + len(closing)))
        for id, method in zip(ids, closing, strict=True):
            history.asks(id if heard else None, method)
        history.fails(2, 10111)
        for id in ids if heard else ():
            history.gets(id, None)
        history.gets(3, {"lookup": handle + 1})
        assert history.judge.remembered == 0
    assert history.violations == []


def census(judge: Judge, time: float, lookups: int) -> list[str]:
    """What is found wrong with a census of so many lookups, asked for by another client."""
    counted = {"lookups": lookups, "waiting_calls": 0}
    judge.observe(time, 2, "sent", {"id": 1, "method": "nspd.Status"})
    found = judge.observe(time, 2, "received", {"id": 1, "result": {"census": counted}})
    return [violation.promise for violation in found]


@pytest.mark.parametrize("ending", [END, CLEANUP, "NSPv2ClientSessionRundown"])
def test_an_end_that_nothing_answers_may_still_be_on_its_way(ending: str) -> None:
    """The census of another connection may count the lookup for a while, but not for long (C8)."""
    history = opened().fails(2, 10060)
    judge = history.judge
    assert census(judge, 9, 0) == []  # what there was before the history
    notification = {"method": ending, "params": {"lookup": H} if ending == END else {}}
    assert judge.observe(10, 1, "sent", notification) == []
    assert judge.remembered == 0
    assert census(judge, 10.5, 1) == []
    assert census(judge, 11.5, 1) == ["C8"]


@pytest.mark.parametrize("ending", [CLEANUP, "NSPv2ClientSessionRundown"])
def test_so_may_one_that_ends_what_is_just_beginning(ending: str) -> None:
    """The reply to Begin does not prove that the notification behind it is carried out (C8)."""
    history = opened().fails(2, 10060)
    judge = history.judge
    assert census(judge, 9, 0) == []
    judge.observe(10, 1, "sent", {"id": 3, "method": BEGIN, "params": {"restrictions": {}}})
    judge.observe(10, 1, "sent", {"method": ending, "params": {}})
    judge.observe(12, 1, "received", {"id": 3, "result": {"lookup": H + 1}})
    assert judge.remembered == 0
    assert census(judge, 12.5, 1) == []
    assert census(judge, 13.5, 1) == ["C8"]


def test_leaving_forgets_open_lookups() -> None:
    """A connection that leaves takes its lookups along; their handles stay used."""
    owner = waiting().observe("left")
    assert owner.judge.remembered == 0
    other = History(client=2, judge=owner.judge).begins(H)
    assert other.promises == ["C4"]
