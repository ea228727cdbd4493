"""No user takes all of what there is: queries of one user beyond his share wait for each other."""

from __future__ import annotations

import anyio

from nspd.model.errors import TimedOut


class _Share:
    """What one user has, and how many of his hold or want a part of it."""

    __slots__ = ("places", "users")

    def __init__(self, most: int) -> None:
        self.places = anyio.Semaphore(most, fast_acquire=True)
        self.users = 0


class Shares:
    """The shares of all users. One that nobody uses is forgotten."""

    def __init__(self, most: int) -> None:
        """Nobody has anything.

        Args:
            most: the places of one user.
        """
        self._most = most
        self._by_user: dict[int, _Share] = {}

    def __len__(self) -> int:
        """Users who hold a place or wait for one."""
        return len(self._by_user)

    def take_now(self, uid: int) -> bool:
        """Take a place of a user's share, to be given back by `give`; whether there was one."""
        share = self._by_user.get(uid)
        if share is None:
            share = self._by_user[uid] = _Share(self._most)
        try:
            share.places.acquire_nowait()
        except anyio.WouldBlock:
            return False
        share.users += 1
        return True

    async def take(self, uid: int, within: float) -> None:
        """Wait for a place of a user's share, to be given back by `give`.

        Args:
            uid: the user; `take_now` had no place for him.
            within: seconds to wait at most.

        Raises:
            TimedOut: there was none in time (setting "timeout").
        """
        share = self._by_user[uid]
        share.users += 1
        taken = False
        try:
            with anyio.move_on_after(within):
                await share.places.acquire()
                taken = True
        finally:
            if not taken:
                self._leave(uid, share)
        if not taken:
            raise TimedOut(
                f"{self._most} other questions of this user are under way", setting="timeout"
            )

    def give(self, uid: int) -> None:
        """Give a place back."""
        share = self._by_user[uid]
        share.places.release()
        self._leave(uid, share)

    def _leave(self, uid: int, share: _Share) -> None:
        share.users -= 1
        if not share.users:
            del self._by_user[uid]
