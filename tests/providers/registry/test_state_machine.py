"""Any sequence of changes, restarts and ended sessions, against a model of a few lines."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from nspd.core.provider import Change, Host, Query
from nspd.model.errors import AccessDenied, NotEnoughMemory, ServiceNotFound, WSAError
from nspd.model.flags import LookupFlags
from nspd.model.queryset import CsAddr, QuerySet, SocketAddress
from nspd.providers.registry import RegistryProvider

REGISTER, DEREGISTER, DELETE = range(3)
USERS = (1000, 1001)
LIMIT = 3

NAMES = st.sampled_from(["web", "WEB", "mail", "stra\u00dfe", "STRASSE"])
CONTEXTS = st.sampled_from([None, "\\", "lab"])
PORTS = st.lists(st.integers(1, 3), max_size=3)


class Place(NamedTuple):
    """Where the model keeps an object."""

    user: int | None
    context: str
    name: str


class Thing:
    """What the model keeps of an object."""

    def __init__(self, maker: int) -> None:
        self.maker = maker
        self.name = ""
        self.comment: str | None = None
        self.ports: list[int] = []
        self.deregistered = False
        self.session: int | None = None


class Model:
    """What the documents say of SetServiceEx, object by object."""

    def __init__(self) -> None:
        self.things: dict[Place, Thing] = {}

    def change(self, change: Change, ports: list[int]) -> type[WSAError] | None:
        """Make a change; the error of one that is refused."""
        given = change.registration
        context = "lab" if given.context == "lab" else ""
        assert given.service_instance_name is not None
        place = Place(
            None if change.machine else change.uid, context, given.service_instance_name.casefold()
        )
        thing = self.things.get(place)
        if thing is not None and thing.maker != change.uid:
            return AccessDenied
        if change.operation == REGISTER:
            return self.register(place, thing, change, ports)
        if thing is None:
            return ServiceNotFound
        gone = set(ports) if change.multiple else set(thing.ports)
        thing.ports = [port for port in thing.ports if port not in gone]
        if not thing.ports and change.operation == DELETE:
            del self.things[place]
        elif not thing.ports:
            thing.deregistered = True
        return None

    def register(
        self, place: Place, thing: Thing | None, change: Change, ports: list[int]
    ) -> type[WSAError] | None:
        given = change.registration
        if thing is None:
            if sum(thing.maker == change.uid for thing in self.things.values()) >= LIMIT:
                return NotEnoughMemory
            thing = self.things[place] = Thing(change.uid)
            thing.session = change.session
        elif not change.multiple:
            thing.comment = None
            thing.ports = []
            thing.session = change.session
        elif thing.session is not None:
            thing.session = change.session
        thing.name = given.service_instance_name or ""
        thing.comment = given.comment or thing.comment
        thing.ports = list(dict.fromkeys([*thing.ports, *ports]))
        thing.deregistered = False
        return None

    def end_session(self, session: int | None = None) -> None:
        """End one session, or all of them."""
        for place, thing in list(self.things.items()):
            if thing.session is not None and session in (None, thing.session):
                del self.things[place]

    def seen(self, user: int, context: str, name: str) -> list[tuple[Any, ...]]:
        """The records of a lookup without addresses, and the ports of each."""
        places = (Place(owner, context, name.casefold()) for owner in (user, None))
        things = (self.things[place] for place in places if place in self.things)
        return [(thing.name, thing.comment, thing.ports) for thing in things]


class RegistryMachine(RuleBasedStateMachine):
    """Drives a registry on a database, through an event loop in another thread."""

    backend: str
    options: dict[str, Any]
    host: Callable[[], Host]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.stack = ExitStack()
        directory = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.store = f"sqlite:{Path(directory) / 'registry.db'}"
        self.portal = self.stack.enter_context(start_blocking_portal(self.backend, self.options))
        self.life = ExitStack()
        self.start()

    def start(self) -> None:
        self.registry = RegistryProvider(store=self.store)
        host = self.portal.call(self.host)
        self.life.enter_context(self.portal.wrap_async_context_manager(self.registry.running(host)))

    def teardown(self) -> None:
        self.life.close()
        self.stack.close()

    @rule(
        operation=st.sampled_from([REGISTER, REGISTER, DEREGISTER, DELETE]),
        multiple=st.booleans(),
        name=NAMES,
        context=CONTEXTS,
        ports=PORTS,
        either=st.booleans(),
        comment=st.sampled_from([None, "one", "two"]),
        uid=st.sampled_from(USERS),
        machine=st.booleans(),
        session=st.sampled_from([None, None, 1, 2]),
    )
    def change(
        self,
        operation: int,
        multiple: bool,
        name: str,
        context: str | None,
        ports: list[int],
        either: bool,
        comment: str | None,
        uid: int,
        machine: bool,
        session: int | None,
    ) -> None:
        change = Change(
            registration=QuerySet(
                service_instance_name=name,
                context=context,
                comment=comment,
                addresses=tuple(address(port, 0 if either else 6) for port in ports),
            ),
            operation=operation,
            multiple=multiple,
            machine=machine,
            uid=uid,
            session=session,
            limit=LIMIT,
        )
        refusal = self.model.change(change, ports)
        if refusal is None:
            self.portal.call(self.registry.set_service, change)
        else:
            with pytest.raises(refusal):
                self.portal.call(self.registry.set_service, change)

    @rule(session=st.integers(1, 2))
    def end_session(self, session: int) -> None:
        self.model.end_session(session)
        self.portal.call(self.registry.session_ended, session)

    @rule()
    def restart(self) -> None:
        self.model.end_session()
        self.life.close()
        self.start()

    @invariant()
    def answers_as_the_model_does(self) -> None:
        self.portal.call(self.compare_all)

    def compare_all(self) -> None:
        for user in USERS:
            for context in ("", "lab"):
                for name in ("web", "mail", "strasse"):
                    self.compare(user, context, name)

    def compare(self, user: int, context: str, name: str) -> None:
        expected = self.model.seen(user, context, name)
        plain = LookupFlags.RETURN_NAME | LookupFlags.RETURN_COMMENT
        for query in (name, name[:-1] + "?"):
            asked = Query(
                restrictions=QuerySet(service_instance_name=query, context=context),
                control_flags=int(plain),
                uid=user,
            )
            answer = self.registry.answer(asked)
            assert [
                (record.service_instance_name, record.comment, ports(record))
                for record in answer.records
            ] == expected
            assert answer.known is bool(expected)


def address(port: int, protocol: int) -> CsAddr:
    """A transport address of that port."""
    return CsAddr(local=SocketAddress.inet("::1", port), socket_type=1, protocol=protocol)


def ports(record: QuerySet) -> list[int | None]:
    """The ports of a record's addresses, whose protocol is always the concrete one."""
    addresses = record.addresses or ()
    assert all(address.protocol == 6 for address in addresses)
    return [address.local.port for address in addresses if address.local is not None]


def test_any_sequence_of_changes(
    anyio_backend: tuple[str, dict[str, Any]], host_type: type[Host]
) -> None:
    """After any changes, restarts and ended sessions the registry answers as the model does."""

    class Machine(RegistryMachine):
        backend, options = anyio_backend
        host = host_type

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=15, stateful_step_count=25, deadline=None)
    )
