"""Who may do what."""

from __future__ import annotations

import grp
import pwd
from types import SimpleNamespace

import pytest

from nspd.server.access import Access, Rule
from nspd.server.peer import Credentials
from nspd.server.settings import AccessSettings

OWN, ALICE, BOB, STAFF = 5000, 1000, 1001, 2000


@pytest.fixture(autouse=True)
def _accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    users, groups = {"alice": ALICE, "bob": BOB}, {"staff": STAFF, "nspd": 2001}
    monkeypatch.setattr(pwd, "getpwnam", lambda name: SimpleNamespace(pw_uid=users[name]))
    monkeypatch.setattr(grp, "getgrnam", lambda name: SimpleNamespace(gr_gid=groups[name]))


def who(uid: int, *groups: int) -> Credentials:
    """A process of that user."""
    return Credentials(1, uid, frozenset(groups))


@pytest.mark.parametrize(
    ("principals", "admitted"),
    [
        ((), []),
        (("*",), [ALICE, BOB]),
        (("alice",), [ALICE]),
        (("1001",), [BOB]),
        (("@staff",), [BOB]),
        (("@2000",), [BOB]),
        (("alice", "@staff"), [ALICE, BOB]),
        (("nobody-here", "@no-such-group"), []),
    ],
)
def test_rules(principals: tuple[str, ...], admitted: list[int]) -> None:
    """A list admits by user name, uid, group name and gid; an unknown name admits nobody."""
    rule = Rule(principals)
    peers = [who(ALICE, 100), who(BOB, 100, STAFF)]
    assert [peer.uid for peer in peers if rule.admits(peer)] == admitted


@pytest.mark.parametrize(
    ("peer", "administrator"),
    [(who(0), True), (who(OWN), True), (who(ALICE, 2001), True), (who(ALICE, STAFF), False)],
)
def test_administrators(peer: Credentials, administrator: bool) -> None:
    """Uid 0, the daemon's own user and the admin group have every right; others as listed."""
    settings = AccessSettings(lookup=(), register=("alice",))
    found = Access(settings, OWN).peer(peer)
    assert found.administrator == administrator
    assert (found.may_lookup, found.may_register, found.may_machine) == (
        administrator,
        True,
        administrator,
    )


def test_no_admin_group() -> None:
    """An empty `admin_group` makes nobody an administrator."""
    assert not Access(AccessSettings(admin_group=""), OWN).peer(who(ALICE, 2001)).administrator


def test_machine_registrations_are_for_those_listed() -> None:
    """`register_machine` is empty unless configured."""
    assert not Access(AccessSettings(), OWN).peer(who(ALICE)).may_machine
    settings = AccessSettings(register_machine=("@staff",))
    assert Access(settings, OWN).peer(who(ALICE, STAFF)).may_machine
