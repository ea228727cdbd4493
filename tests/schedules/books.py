"""The daemon's counts, counted again from what there is."""

from __future__ import annotations

from collections import Counter

from nspd.core.collect import Collector
from nspd.core.run import Run
from nspd.core.users import User
from tests.cases.harness import House


def check_books(house: House) -> None:
    """Every count that the daemon keeps is what one finds by counting."""
    _check_lookups(house)
    _check_work(house)
    _check_waiting(house)
    _check_bytes(house)


def _check_lookups(house: House) -> None:
    router = house.router
    lookups: Counter[User] = Counter()
    sessions: Counter[User] = Counter()
    for session in router.sessions:
        sessions[session.user] += 1
        lookups[session.user] += len(session.lookups) + len(session.oneshots)
        assert not any(lookup.ended for lookup in session.lookups.values())
        assert all(lookup.life is session.life for lookup in session.lookups.values())
        assert session.life.alive
    assert router.lookups == lookups.total()
    for user in router.users.values():
        assert (user.lookups, user.sessions) == (lookups[user], sessions[user])
    assert len(house.server.links) == len(router.sessions)


def _check_work(house: House) -> None:
    router = house.router
    for entry in router.catalog:
        assert sum(entry.detached_of.values()) == entry.detached
        assert all(count > 0 for count in entry.detached_of.values())
        assert sum(run.entry is entry for run in router.detached) == entry.detached
        assert entry.running >= entry.detached
    assert sum(entry.running for entry in router.catalog) <= router.work.running
    for key, run in router.shared.runs.items():
        assert run.key == key
        assert run.readers
        assert run.ended is None
    for run in router.detached:
        assert run.detached
        assert not run.readers


def _check_waiting(house: House) -> None:
    """Who waits stands in exactly one queue, and only where nothing can be given to him."""
    for link in house.server.links:
        connection = link.connection
        assert not set(connection.waiting) & connection.owed
        for lookup in connection.session.lookups.values():
            waiter = lookup.waiting.first
            while waiter is not None:
                assert waiter.lookup is lookup
                waiter = waiter.next


def _check_bytes(house: House) -> None:
    router = house.router
    held: Counter[User] = Counter()
    runs: set[Run] = set(router.shared.runs.values())
    for link in house.server.links:
        connection = link.connection
        session = connection.session
        held[session.user] += connection._charged + connection._batched + session.changes_held
        for lookup in (*session.lookups.values(), *session.oneshots.values()):
            held[session.user] += lookup.charged
            runs.update(part.run for part in lookup.parts if part.run is not None)
        for call in connection.waiting.values():
            if isinstance(call, Collector):
                held[session.user] += call._bytes
    for run in runs:
        held[run.owner] += run._held
    if not router.sweeper.idle:
        return  # what is being swept is in no table any more, and still charged
    for user in router.users.values():
        assert user.bytes == held[user], (user.uid, user.bytes, held[user])
