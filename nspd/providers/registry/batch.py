"""Changes decided together, stored in one transaction, and seen in one step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec

from nspd.core.provider import Change
from nspd.model.errors import AccessDenied, InvalidArgument, NotEnoughMemory
from nspd.model.flags import ServiceOperation
from nspd.model.matching import context_key
from nspd.model.queryset import QuerySet
from nspd.model.setservice import Registered, apply
from nspd.model.wildcard import folded
from nspd.providers.registry.index import BoundSession, Index, Key, Registration
from nspd.providers.registry.store import Row


class Batch:
    """Decides changes one after the other, each on what those before it leave.

    The index stays as it is until `commit`; a batch that could not be stored is
    dropped.

    Args:
        index: what the changes are made to.
        describe: the record that answers for an object.
        new_row: gives the next free id of the store.
        name_key: gives the form in which names are compared.
    """

    def __init__(
        self,
        index: Index,
        describe: Callable[[QuerySet], QuerySet],
        new_row: Callable[[], int],
        name_key: Callable[[str], str] = folded,
    ) -> None:
        self._index = index
        self._describe = describe
        self._new_row = new_row
        self._name_key = name_key
        self._now = index.clock()
        self._decided: dict[Key, Registration | None] = {}
        self._made: Counter[int] = Counter()

    def add(self, change: Change, session: BoundSession | None) -> None:
        """Decide one more change.

        Args:
            change: what is asked.
            session: the session of the change, if it is bound to one.

        Raises:
            InvalidArgument: it has no name, or text that is no Unicode.
            AccessDenied: another user made the machine's object of that name.
            NotEnoughMemory: a new name is past the user's limit.
            WSAError: the error that the table of SetServiceEx gives.
        """
        given = change.registration
        key = self._key(change)
        current = self._find(key)
        if current is not None and not (change.administrator or change.uid == current.maker):
            raise AccessDenied("another user made this registration")
        registered = apply(
            current.registered if current is not None else None,
            # What a registration says of these is either a matter of the router or void.
            msgspec.structs.replace(
                given, namespace=None, provider_id=None, protocols=None, output_flags=None
            ),
            change.operation,
            change.multiple,
        )
        if registered is None:
            if current is not None:
                self._made[current.maker] -= 1
            self._decided[key] = None
        elif current is None:
            self._check_limit(change)
            self._made[change.uid] += 1
            self._decided[key] = self._registration(registered, change.uid, change, session)
        elif change.operation != ServiceOperation.REGISTER or (
            change.multiple and current.permanent
        ):
            # To add one's addresses to an object that others rely on must not
            # make it end with one's own session or lease.
            self._decided[key] = msgspec.structs.replace(
                current, registered=registered, record=self._describe(registered.entry)
            )
        else:
            self._decided[key] = self._registration(
                registered, current.maker, change, session, row=current.row
            )

    def _key(self, change: Change) -> Key:
        given = change.registration
        if not given.service_instance_name:
            raise InvalidArgument("a registration needs a service_instance_name")
        try:
            msgspec.json.encode(given)
        except UnicodeEncodeError as error:
            raise InvalidArgument(
                f"the registration holds text that is no Unicode: {error}"
            ) from error
        user = None if change.machine else change.uid
        return Key(user, context_key(given.context), self._name_key(given.service_instance_name))

    def _find(self, key: Key) -> Registration | None:
        if key not in self._decided:
            return self._index.find(*key)
        decided = self._decided[key]
        return None if decided is None or decided.is_over(self._now) else decided

    def _check_limit(self, change: Change) -> None:
        if change.limit is None:
            return
        for _ in range(2):
            if self._index.made_by(change.uid) + self._made[change.uid] < change.limit:
                return
            # What is over counts until it is reaped; the verdict must not rest on it.
            self._index.reap()
        raise NotEnoughMemory(f"a user may have {change.limit} registrations")

    def _registration(
        self,
        registered: Registered,
        maker: int,
        change: Change,
        session: BoundSession | None,
        row: int | None = None,
    ) -> Registration:
        if session is not None:
            row = None
        elif row is None:
            row = self._new_row()
        return Registration(
            registered=registered,
            record=self._describe(registered.entry),
            maker=maker,
            session=session,
            expires=self._now + change.ttl if change.ttl is not None else None,
            row=row,
        )

    def rows(self) -> tuple[list[Row], list[int]]:
        """What to store, and the ids of rows to delete."""
        changed = []
        deleted = list(self._index.stale_rows)
        for key, decided in self._decided.items():
            if decided is not None and decided.row is not None:
                changed.append(
                    Row(
                        id=decided.row,
                        user=key.user,
                        maker=decided.maker,
                        registered=decided.registered,
                        expires=decided.expires,
                    )
                )
            before = self._index.stored_at(key)
            if before is not None and (decided is None or decided.row != before):
                deleted.append(before)
        return changed, deleted

    def commit(self) -> None:
        """Make the changes visible. To be called once what `rows` gave is stored."""
        for key, decided in self._decided.items():
            # Its session may have ended while the batch was being stored.
            if decided is None or (decided.session is not None and decided.session.ended):
                self._index.remove(key)
            else:
                self._index.put(key, decided)
        self._index.stale_rows.clear()
