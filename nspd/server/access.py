"""Who may do what: the ``[access]`` settings applied to a peer."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Iterable

from nspd.core.users import Peer
from nspd.server.peer import Credentials
from nspd.server.settings import AccessSettings


class Rule:
    """One list of users, ``@groups`` and ``*``.

    Names are looked up when a client connects, so that an account made later
    counts, too.
    """

    def __init__(self, principals: Iterable[str]) -> None:
        principals = tuple(principals)
        self._everyone = "*" in principals
        self._users = [name for name in principals if name != "*" and not name.startswith("@")]
        self._groups = [name[1:] for name in principals if name.startswith("@")]

    def admits(self, who: Credentials) -> bool:
        """Whether the peer is on the list."""
        return (
            self._everyone
            or any(_uid(name) == who.uid for name in self._users)
            or any(_in_group(name, who) for name in self._groups)
        )


def _uid(name: str) -> int | None:
    if name.isdecimal():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _in_group(name: str, who: Credentials) -> bool:
    if name.isdecimal():
        return int(name) in who.groups
    try:
        return grp.getgrnam(name).gr_gid in who.groups
    except KeyError:
        return False


class Access:
    """Tells what a peer may do; made anew when the settings are read again."""

    def __init__(self, settings: AccessSettings, own_uid: int) -> None:
        self._own_uid = own_uid
        self._admin_group = settings.admin_group
        self._lookup = Rule(settings.lookup)
        self._register = Rule(settings.register)
        self._machine = Rule(settings.register_machine)

    def peer(self, who: Credentials) -> Peer:
        """The peer with its rights: an administrator has all of them."""
        administrator = who.uid in (0, self._own_uid) or (
            bool(self._admin_group) and _in_group(self._admin_group, who)
        )
        return Peer(
            who.uid,
            pid=who.pid,
            administrator=administrator,
            may_lookup=administrator or self._lookup.admits(who),
            may_register=administrator or self._register.admits(who),
            may_machine=administrator or self._machine.admits(who),
        )
